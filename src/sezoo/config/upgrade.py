"""Rewrite a YAML file with version 4's key names, editing only the keys in its text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import yaml

from sezoo.base.errors import UserError
from sezoo.config.sections_board import BUILD_NAMES
from sezoo.config.validation import merge_general
from sezoo.config.values import literal
from sezoo.config.version_4 import RENAMED, RenamedKey, is_version_4, translate

__all__ = ["UpgradeResult", "upgrade_text"]

EXTRA_OPTIONS = "quantization.onnx_extra_options"
BUILD_CONF = "deployment.build_conf"
OLD_DEFAULT = "{CalibMovingAverage: True}"
"""What a file without that section has before version 4."""


@dataclass
class UpgradeResult:
    """Result of an upgrade.

    Attributes
    ----------
    text : of the new file.
    changes : paths before and after.
    notes : what was left to whoever owns the file, a line each.
    """

    text: str
    changes: list[tuple[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


class Entry(NamedTuple):
    """A key and its value as they stand in a mapping."""

    parent: yaml.MappingNode
    key: yaml.ScalarNode
    value: yaml.Node


class Edit(NamedTuple):
    """Text to put in the place of what is from one position to another."""

    start: int
    end: int
    text: str


def upgrade_text(text: str) -> UpgradeResult:
    """Rewrite a text with version 4's key names, preserving comments, order and layout.

    Raises
    ------
    UserError : the file has aliases or merged mappings where keys would change, so that it has to be done by hand.
    """
    old, result = text, UpgradeResult(text)
    text = result.text = _with_one_general(text, result)
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    if not isinstance(root, yaml.MappingNode):
        return result
    edits: list[Edit] = []
    moves: dict[str, list[tuple[RenamedKey, Entry]]] = {}
    for key in RENAMED:
        entry = _entry(root, key.here) if key.before else None
        if entry is None:
            continue
        if _entry(root, key.new) is not None:
            result.notes.append(f"{key.here} and {key.new} are both there: take one of them out")
            continue
        new_parent = key.new.rpartition(".")[0]
        if new_parent == key.here.rpartition(".")[0]:
            if not (edit := list(_rename_edits(key, entry))):
                result.notes.append(f"{key.here}: its value cannot be told from the text: rename it by hand")
                continue
            edits += edit
        elif _entry(root, new_parent) is not None:
            result.notes.append(f"{key.here} belongs in {new_parent}, which already exists: move it by hand")
            continue
        else:
            moves.setdefault(new_parent, []).append((key, entry))
        result.changes.append((key.here, key.new))
    for new_parent, entries in moves.items():
        edits += _move_keys(text, new_parent.rpartition(".")[2], entries)
    build = _entry(root, BUILD_CONF)
    if build is not None and (name := BUILD_NAMES.get(_plain(build.value))) is not None:
        edits.append(Edit(build.value.start_mark.index, build.value.end_mark.index, name))
        result.changes.append((f"{BUILD_CONF}: {build.value.value}", name))
    result.text = _with_old_default(_apply_edits(text, edits), text, result)
    _check_same(old, result.text)
    return result


def _with_one_general(text: str, result: UpgradeResult) -> str:
    """The text with the section `general` where ST's tutorial prints `general:general:`."""
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    outer, pasted, inner = (_entry(root, path) for path in ("general", "general:general", "general.general"))
    if pasted is not None and outer is None:
        result.changes.append(("general:general", "general"))
        return _apply_edits(text, [Edit(pasted.key.start_mark.index, pasted.key.end_mark.index, "general")])
    if pasted is not None:
        result.notes.append("general:general and general are both there: put their keys into one section by hand")
    if inner is None:
        return text
    beside = {key.value for key, _ in inner.parent.value} - {"general"}
    is_block = isinstance(inner.value, yaml.MappingNode) and not (inner.value.flow_style or inner.parent.flow_style)
    if not is_block or beside & {key.value for key, _ in inner.value.value}:
        result.notes.append("general inside general: move its keys one level up by hand")
        return text
    result.changes.append(("general.general", "general"))
    start = text.rfind("\n", 0, inner.key.start_mark.index) + 1
    first = text.find("\n", inner.key.end_mark.index) + 1
    end = text.find("\n", _end(inner.value)) + 1 or len(text)
    deeper = " " * (inner.value.value[0][0].start_mark.column - inner.key.start_mark.column)
    lines = [line.removeprefix(deeper) for line in text[first:end].splitlines(keepends=True)]
    if comment := text[inner.key.end_mark.index : first].partition("#")[2]:
        lines.insert(0, f"{text[start : inner.key.start_mark.index]}#{comment}")
    return _apply_edits(text, [Edit(start, end, "".join(lines))])


def _rename_edits(key: RenamedKey, entry: Entry) -> Iterator[Edit]:
    """A key that stays where it is; nothing where its value cannot be translated."""
    value = _plain(entry.value)
    if key.values is not None and value is not None:
        name = next((name for name, here in key.values.items() if here is literal(value)), None)
        if name is None:
            return
        yield Edit(entry.value.start_mark.index, entry.value.end_mark.index, name)
    if key.new == EXTRA_OPTIONS and value is None:
        yield Edit(entry.key.start_mark.index, entry.key.end_mark.index, _leaf(key))
        yield Edit(entry.value.start_mark.index, entry.value.end_mark.index, _with_leading_space(entry, OLD_DEFAULT))
        return
    yield Edit(entry.key.start_mark.index, entry.key.end_mark.index, _leaf(key))


def _with_leading_space(entry: Entry, text: str) -> str:
    """A value for a key that had none, one space behind the colon."""
    return text if entry.value.start_mark.index > entry.key.end_mark.index + 1 else f" {text}"


def _move_keys(text: str, section: str, entries: list[tuple[RenamedKey, Entry]]) -> list[Edit]:
    """Move keys into a mapping of their own, at the place of the first one."""
    entries = sorted(entries, key=lambda pair: pair[1].key.start_mark.index)
    if entries[0][1].parent.flow_style:
        return _move_keys_in_flow(text, section, entries)
    newline = "\r\n" if "\r\n" in text else "\n"
    blocks, edits = [], []
    for key, entry in entries:
        start, end = _lines_of(text, entry)
        name = entry.key.start_mark.index - start
        block = text[start:end]
        block = block[:name] + _leaf(key) + block[name + len(entry.key.value) :]
        blocks.append("".join(f"  {line}" if line.strip() else line for line in block.splitlines(keepends=True)))
        edits.append(Edit(start, end, ""))
    if not blocks[0].endswith(("\n", "\r")):  # the last line of the file
        blocks[0] += newline
    indentation = " " * entries[0][1].key.start_mark.column
    edits[0] = edits[0]._replace(text=f"{indentation}{section}:{newline}{''.join(blocks)}")
    return edits


def _move_keys_in_flow(text: str, section: str, entries: list[tuple[RenamedKey, Entry]]) -> list[Edit]:
    inner: list[str] = []
    edits: list[Edit] = []
    for key, entry in entries:
        start, end = entry.key.start_mark.index, entry.value.end_mark.index
        inner.append(f"{_leaf(key)}: {text[entry.value.start_mark.index : end]}".rstrip())
        if edits:  # with the comma before it: another key has been there
            start = text.rindex(",", 0, start)
        edits.append(Edit(start, end, ""))
    edits[0] = edits[0]._replace(text=f"{section}: {{{', '.join(inner)}}}")
    return edits


def _lines_of(text: str, entry: Entry) -> tuple[int, int]:
    """The whole lines of a key and its value, with the comment lines right above that are indented as it is."""
    start = text.rfind("\n", 0, entry.key.start_mark.index) + 1
    indentation = text[start : entry.key.start_mark.index]
    while start:
        above = text.rfind("\n", 0, start - 1) + 1
        if not text[above:start].startswith(f"{indentation}#"):
            break
        start = above
    end = text.find("\n", _end(entry.value))
    return start, len(text) if end < 0 else end + 1


def _end(node: yaml.Node) -> int:
    """Return the end of a value; the end mark of a block lies after the comments that follow it."""
    if isinstance(node, yaml.ScalarNode) or node.flow_style or not node.value:
        return int(node.end_mark.index)
    last = node.value[-1]
    return _end(last[1] if isinstance(last, tuple) else last)


def _with_old_default(new: str, old: str, result: UpgradeResult) -> str:
    """Add the extra options to the new text if the old one relied on their default."""
    raw = yaml.safe_load(new) or {}
    if "quantization" not in raw or is_version_4(yaml.safe_load(old)) or not is_version_4(raw):
        return new
    section = raw["quantization"] or {}
    if not isinstance(section, dict) or section.get("onnx_extra_options") or section.get("extra_options"):
        return new
    entry = _entry(yaml.compose(new, Loader=yaml.SafeLoader), "quantization")
    if entry is None:  # merged in by an alias
        return new
    node = entry.value
    line = f"onnx_extra_options: {OLD_DEFAULT}"
    result.changes.append(("quantization.extra_options (its default)", EXTRA_OPTIONS))
    if not isinstance(node, yaml.MappingNode):  # an empty section
        end = node.start_mark.index
        return f"{new[:end]}{'' if new[end - 1] == ' ' else ' '}{{{line}}}{new[end:]}"
    if node.flow_style:
        end = node.end_mark.index - 1
        return f"{new[:end].rstrip()}{', ' if node.value else ''}{line}{new[end:]}"
    newline = "\r\n" if "\r\n" in new else "\n"
    end = new.find("\n", _end(node.value[-1][1]))
    before = new[: end + 1] if end >= 0 else new + newline
    return f"{before}{' ' * node.value[0][0].start_mark.column}{line}{newline}{new[end + 1 :] if end >= 0 else ''}"


def _apply_edits(text: str, edits: list[Edit]) -> str:
    for edit in sorted(edits, reverse=True):
        text = text[: edit.start] + edit.text + text[edit.end :]
    return text


def _check_same(old: str, new: str) -> None:
    """Check that both texts mean the same, with one section `general`."""
    try:
        one, other = (_meaning(merge_general(yaml.safe_load(text) or {})) for text in (old, new))
        same = one == other
    except (yaml.YAMLError, AttributeError):
        same = False
    if not same:
        raise UserError("aliases (&, *, <<) or a layout that cannot be edited safely: rename its keys by hand")


def _meaning(raw: dict[str, Any]) -> Any:
    """The contents of a file as the code reads them, with the default that depends on the file's form."""
    tree = translate(raw).tree
    if isinstance(tree.get("quantization", 0), dict | None):
        section = _set_keys(tree["quantization"] or {})
        tree["quantization"] = {"extra_options": yaml.safe_load(OLD_DEFAULT), **section}
    deployment = tree.get("deployment")
    if isinstance(deployment, dict) and deployment.get("build_conf") in BUILD_NAMES:
        tree["deployment"] = {**deployment, "build_conf": BUILD_NAMES[deployment["build_conf"]]}
    return _set_keys(tree)


def _set_keys(value: Any) -> Any:
    """Without the keys that are empty, which is as if they were not there."""
    if not isinstance(value, dict):
        return literal(value)
    return {key: _set_keys(entry) for key, entry in value.items() if entry is not None}


def _entry(root: yaml.Node, path: str) -> Entry | None:
    """A key of nested mappings; None where it is not there."""
    entry = None
    for name in path.split("."):
        found = [
            Entry(root, key, value)
            for key, value in (root.value if isinstance(root, yaml.MappingNode) else ())
            if isinstance(key, yaml.ScalarNode) and key.value == name
        ]
        if not found:
            return None
        entry = found[0]
        root = entry.value
    return entry


def _leaf(key: RenamedKey) -> str:
    return key.new.rpartition(".")[2]


def _plain(node: yaml.Node) -> Any:
    """The value of a node as YAML reads it."""
    return yaml.SafeLoader("").construct_object(node, deep=True) if isinstance(node, yaml.ScalarNode) else ...
