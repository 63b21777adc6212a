"""The YAML file before Hydra sees it: there, readable, and free of what would bring Hydra down."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sezoo.config.complaints import as_user_error
from sezoo.errors import UserError
from sezoo.files import reason_of

__all__ = ["read_checked"]

LARGEST_FILE = 100_000
"""Entries of a YAML file, its aliases expanded; a few lines of aliases of aliases can make billions."""


def read_checked(path: Path) -> dict[str, Any]:
    """The contents of the file, which is there and has nothing in it that Hydra does not bear."""
    import yaml

    folder = path.parent
    if not folder.is_dir():
        raise UserError(f"--config-path: there is no folder {folder}")
    if not path.is_file():
        if (other := path.with_suffix(".yml")).is_file():
            raise UserError(f"{other}: Hydra reads .yaml files only; rename it to {path.name}")
        others = sorted(other.name for other in folder.glob("*.yaml"))
        found = f"it holds {', '.join(others[:5])}" if others else "it holds no .yaml file"
        raise UserError(f"there is no {path.name} in {folder}; {found}; see --config-path and --config-name")
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not in UTF-8 ({error.reason}); save it in that encoding") from error
    except OSError as error:
        raise UserError(f"cannot read {path}: {reason_of(error)}") from error
    try:
        loader = yaml.SafeLoader(text)
        content = loader.get_single_node()
        size = _expanded_size(content)
        raw = loader.construct_document(content) if content is not None and size <= LARGEST_FILE else None
    except yaml.YAMLError as error:
        raise as_user_error(error, path) from error
    except RecursionError as error:
        raise UserError(f"{path}: nested too deeply, or an alias inside of what it stands for") from error
    if size > LARGEST_FILE:
        raise UserError(f"{path}: its aliases stand for {size:.1g} entries; {LARGEST_FILE} are the most")
    if raw is None:
        return {}  # empty: what it lacks is told later
    if not isinstance(raw, dict):
        raise UserError(f"{path}: the file is no mapping of sections to their keys")
    if "hydra" in raw and not isinstance(raw["hydra"], dict):
        found = "the section is empty; fill it or take it out" if raw["hydra"] is None else "a mapping is needed"
        raise UserError(f"{path}: hydra: {found}")
    if section := next((str(name) for name, keys in raw.items() if name is None or _has_null_key(keys)), ""):
        raise UserError(f"{path}: {section}: a key is empty (~ or null)")
    return raw


def _has_null_key(value: Any) -> bool:
    return isinstance(value, dict) and (None in value or any(_has_null_key(entry) for entry in value.values()))


def _expanded_size(node: Any) -> int:
    """How many entries a YAML document has once its aliases are replaced by what they stand for."""
    import yaml

    sizes: dict[int, int] = {}

    def size(node: Any) -> int:
        if id(node) not in sizes:
            parts = node.value if isinstance(node, yaml.CollectionNode) else []
            inner = [part for entry in parts for part in (entry if isinstance(entry, tuple) else (entry,))]
            sizes[id(node)] = 1 + sum(size(part) for part in inner)
        return sizes[id(node)]

    return size(node) if node is not None else 0
