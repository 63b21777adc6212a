"""The YAML file before Hydra sees it: there, readable, and free of what would bring Hydra down."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sezoo.base.errors import UserError
from sezoo.base.files import read_text
from sezoo.base.yaml_text import load_yaml
from sezoo.cli.hydra_words import without_ending

__all__ = ["path_of", "read_checked"]


def path_of(path: Path) -> Path:
    """The file that a user names, with or without its ending."""
    path = path.absolute()
    if not path.suffix or path.is_file():  # a name that was given in full and does not exist is reported as given
        path = path.with_name(without_ending(path.name) + ".yaml")
    return path


def read_checked(path: Path) -> dict[str, Any]:
    """Read a configuration file, and check that Hydra supports its syntax."""
    folder = path.parent
    if not folder.is_dir():
        raise UserError(f"--config-path: there is no folder {folder}")
    if not path.is_file():
        if (other := path.with_suffix(".yml")).is_file():
            raise UserError(f"{other}: Hydra reads .yaml files only; rename it to {path.name}")
        others = sorted(other.name for other in folder.glob("*.yaml"))
        more = " ..." if len(others) > 5 else ""
        none = "it holds no .yaml file (sezoo --help lists the commands that need none)"
        found = f"it holds {', '.join(others[:5])}{more}" if others else none
        raise UserError(f"there is no {path.name} in {folder}; {found}; see --config-path and --config-name")
    raw = load_yaml(read_text(path), str(path))
    if raw is None:
        return {}  # empty: missing sections are reported later
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
