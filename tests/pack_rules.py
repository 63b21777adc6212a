"""What PACK.xsd 1.7.32 asks of a CMSIS-Pack's description, for the elements that a software component needs.

The schema itself is in no package of Python, Node or Debian; these rules were written down from it, one by one.
"""

import re

WORD = re.compile(r"[-_A-Za-z0-9]+")  # RestrictedString
COMPONENT_PART = re.compile(r"[A-Za-z0-9][A-Za-z0-9_+()'/\-\s.]{1,31}")  # CidPartType
SUB = re.compile(r"([A-Za-z0-9][A-Za-z0-9_+():/\- .]{0,31})?")  # CsubType
QUALITY = r"(-[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?"
PACK_VERSION = re.compile(rf"\d+\.\d+\.\d+{QUALITY}(\+[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?")
COMPONENT_VERSION = re.compile(rf"(0|[1-9]\d*)\.\d+(\.\d+)?{QUALITY}")
ANY = re.compile(r"[\s\S]*")
FILE_CATEGORIES = re.compile(
    "doc|header|include|library|object|source|sourceC|sourceCpp|sourceAsm|linkerScript|utility|image|other|"
    "preIncludeGlobal|preIncludeLocal|genSource|genHeader|genParams|genAsset"
)

ATTRIBUTES = {
    "package": {"schemaVersion": (re.compile(r"\d+\.\d+(\.\d+)?"), True)},
    "release": {"version": (PACK_VERSION, True), "date": (re.compile(r"\d{4}-\d\d-\d\d"), False)},
    "condition": {"id": (ANY, True)},
    "require": {"Dendian": (re.compile("Little-endian|Big-endian|Configurable"), False)},
    "component": {
        "Cclass": (COMPONENT_PART, True),
        "Cgroup": (COMPONENT_PART, True),
        "Csub": (SUB, False),
        "Cversion": (COMPONENT_VERSION, True),
        "condition": (ANY, False),
    },
    "file": {"category": (FILE_CATEGORIES, True), "name": (ANY, True)},
}
"""Of each element: the pattern of an attribute, and whether it is required."""

CHILDREN = {
    "package": {
        "name": (1, 1), "vendor": (1, 1), "description": (1, 1), "url": (1, 1), "license": (0, 1), "releases": (1, 1),
        "keywords": (0, 1), "conditions": (0, 1), "components": (0, 1),
    },
    "releases": {"release": (1, None)},
    "keywords": {"keyword": (1, None)},
    "conditions": {"condition": (1, None)},
    "condition": {"require": (0, None)},
    "components": {"component": (0, None)},
    "component": {"description": (1, 1), "files": (1, 1)},
    "files": {"file": (1, None)},
}  # fmt: skip
"""How often an element may have each child, in any order."""

TEXTS = {"name": WORD, "vendor": WORD, "url": re.compile(r"\S*")}
FOREIGN = "{http://www.w3.org/2001/XMLSchema-instance}"


def broken_rules(element):
    """Each rule that an element, or one below it, does not keep."""
    tag = element.tag
    known = ATTRIBUTES.get(tag, {})
    for name, value in element.attrib.items():
        if name.startswith(FOREIGN):
            continue
        if name not in known:
            yield f"{tag} has no attribute {name}"
        elif not known[name][0].fullmatch(value):
            yield f"{tag}: {name}={value!r}"
    for name, (_, is_required) in known.items():
        if is_required and name not in element.attrib:
            yield f"{tag} needs {name}"
    children = CHILDREN.get(tag, {})
    found = [child.tag for child in element]
    yield from (f"{tag} has no {name}" for name in sorted(set(found) - children.keys()))
    for name, (least, most) in children.items():
        if not least <= found.count(name) <= (most or len(found)):
            yield f"{tag} has {found.count(name)} x {name}"
    if tag in TEXTS and not TEXTS[tag].fullmatch(element.text or ""):
        yield f"{tag}: {element.text!r}"
    for child in element:
        yield from broken_rules(child)
