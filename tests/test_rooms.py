"""The order of the rooms: a file imports from its own room and from lower ones, never from a higher one."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import sezoo

PACKAGE = Path(sezoo.__file__).parent

#: From top to bottom; rooms of one line know nothing of each other.
FLOORS = (
    ("__main__", "stm32ai_main"),
    ("cli", "__init__"),
    ("api", "demo"),
    ("services",),
    ("report", "benchmarking"),
    ("training", "quantization", "evaluation", "prediction"),
    ("deployment",),
    ("results", "denoising", "data", "metrics"),
    ("models", "audio", "run", "targets"),
    ("config", "zoo"),
    ("base",),
)
#: Pairs of rooms of which one imports from the other.
MOST_ARROWS = 133
HEIGHT = {room: -floor for floor, rooms in enumerate(FLOORS) for room in rooms}


def test_every_room_has_its_floor():
    rooms = {path.relative_to(PACKAGE).parts[0].removesuffix(".py") for path in PACKAGE.rglob("*.py")}
    assert rooms == set(HEIGHT)


def test_imports_point_down():
    up = [
        f"{path.relative_to(PACKAGE)} imports {module}"
        for path in sorted(PACKAGE.rglob("*.py"))
        for module in sorted(_imported(path))
        if not _is_below(_room(path), module)
    ]
    assert up == []


def test_rooms_know_few_others():
    arrows = {
        (_room(path), _room_of(module))
        for path in PACKAGE.rglob("*.py")
        for module in _imported(path)
        if _room_of(module) != _room(path)
    }
    assert len(arrows) <= MOST_ARROWS


def test_modules_that_packages_name_are_there():
    """What stands in backquotes in the docstring of a package is a module, or a package, of sezoo."""
    folder = Path(sezoo.__file__).parent
    packages = list(folder.rglob("__init__.py"))
    known = {"sezoo", *(path.stem for path in folder.rglob("*.py")), *(path.parent.name for path in packages)}
    for path in packages:
        docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
        assert known.issuperset(re.findall("`([a-z_0-9]+)`", docstring)), path


def _room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def _is_below(room: str, module: str) -> bool:
    other = _room_of(module)
    return other == room or HEIGHT[other] < HEIGHT[room]


def _room_of(module: str) -> str:
    return [*module.split("."), "__init__"][1]


def _imported(path: Path) -> Iterator[str]:
    """The package's modules that a file imports, at its top or where they are used."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names if name.name.split(".")[0] == "sezoo")
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "sezoo":
            yield node.module
