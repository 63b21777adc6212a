"""Read YAML with one-line errors, and write YAML that reads back unchanged."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from sezoo.base.errors import UserError
from sezoo.base.foreign_text import shorten

if TYPE_CHECKING:
    import yaml

__all__ = ["dump_yaml", "load_yaml"]

LARGEST = 100_000
"""Entries of a document, its aliases expanded; a few lines of aliases of aliases can make billions."""

DEEPEST = 100
"""Levels, far below what recursion over them bears; no configuration has ten."""

NUMBER_LIKE = re.compile(r"[-+.]*\d")
"""What some reader of YAML may take for a number or a date: they differ about `1e5`, `0o7`, `1:30` and `1_000`."""

INTERPOLATION = re.compile(r"(\\*)\$\{(?![A-Za-z_][A-Za-z0-9_]*\})")
"""What OmegaConf would replace, or refuse, besides environment variables."""

WINDOWS_PATH = "; in double quotes a backslash begins an escape: write a path in single quotes, or with /"


def load_yaml(text: str, what: str) -> Any:
    """Parse a document into plain data; None if it is empty.

    Parameters
    ----------
    what : names the text in messages: a path, an option.

    Raises
    ------
    UserError : it is no YAML, a value is none (`2026-13-45`), it is too deep, or its aliases stand for too much.
    """
    import yaml

    class Loader(yaml.SafeLoader):
        def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
            try:
                return super().construct_object(node, deep)
            except (ValueError, OverflowError, TypeError) as error:  # no such day, more digits than Python reads
                value = shorten(str(node.value), 40)
                kind = node.tag.rpartition(":")[2]
                raise yaml.constructor.ConstructorError(
                    None, None, f"{value!r} is no {kind}; put it in quotes if it is text", node.start_mark
                ) from error

    try:
        loader = Loader(text)
        node = loader.get_single_node()
        if node is None:
            return None
        if (size := _expanded_size(node)) > LARGEST:
            raise UserError(f"{what}: its aliases stand for {size:.1g} entries; {LARGEST} are the most")
        if _depth(node) > DEEPEST:
            raise UserError(f"{what}: nested in more than {DEEPEST} levels")
        _check_keys(node, set())
        return loader.construct_document(node)
    except yaml.MarkedYAMLError as error:
        raise UserError(f"{what}{_position_text(error)}: invalid YAML: {error.problem}{_hint(error)}") from error
    except yaml.YAMLError as error:
        raise UserError(f"{what}: invalid YAML: {str(error).splitlines()[0]}") from error
    except RecursionError as error:
        raise UserError(f"{what}: nested too deeply, or an alias that contains itself") from error


def _check_keys(node: yaml.Node, seen: set[int]) -> None:
    """Refuse a key that stands twice in a mapping: PyYAML would take the last one, Hydra refuses it."""
    import yaml

    if id(node) in seen:
        return
    seen.add(id(node))
    if isinstance(node, yaml.MappingNode):
        keys = set()
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode):
                if (key.tag, key.value) in keys:
                    problem = f"found duplicate key {shorten(key.value, 40)}"
                    raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
                keys.add((key.tag, key.value))
            _check_keys(value, seen)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            _check_keys(value, seen)


def dump_yaml(
    content: object, *, width: int = 110, flow_lists: bool = False, for_hydra: bool = False, ascii_only: bool = False
) -> str:
    """Plain data as a YAML document, keys in their order.

    Parameters
    ----------
    flow_lists : lists and mappings without others in them are written in one line.
    ascii_only : other characters are written as escapes.
    for_hydra : a `${...}` that is no environment variable is text, and not for Hydra to replace.
    """
    import yaml

    class Dumper(yaml.SafeDumper):
        def ignore_aliases(self, data: object) -> bool:
            return True

    def text(dumper: yaml.SafeDumper, value: str) -> yaml.Node:
        style = "'" if NUMBER_LIKE.match(value) else None
        if not value.isprintable():
            style = '"'  # newlines and the like only come back from double quotes
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style)

    Dumper.add_representer(str, text)
    return yaml.dump(
        _escaped_for_hydra(content) if for_hydra else content,
        Dumper=Dumper,
        sort_keys=False,
        allow_unicode=not ascii_only,
        width=width,
        default_flow_style=None if flow_lists else False,
    )


def _escaped_for_hydra(content: object) -> object:
    """Escape `${` in strings with a backslash, and double the backslashes before it, as OmegaConf requires."""
    match content:
        case dict():
            return {key: _escaped_for_hydra(value) for key, value in content.items()}
        case list() | tuple():
            return [_escaped_for_hydra(value) for value in content]
        case str():
            return INTERPOLATION.sub(lambda found: rf"{found[1] * 2}\${{", content)
    return content


def _position_text(error: yaml.MarkedYAMLError) -> str:
    mark = error.problem_mark
    return "" if mark is None else f", line {mark.line + 1}, column {mark.column + 1}"


def _hint(error: yaml.MarkedYAMLError) -> str:
    return WINDOWS_PATH if "escape character" in str(error.problem) or "escape sequence" in str(error.problem) else ""


def _expanded_size(node: yaml.Node) -> int:
    """Number of entries of a document after its aliases are expanded."""
    sizes: dict[int, int] = {}

    def size(node: yaml.Node) -> int:
        if id(node) not in sizes:
            sizes[id(node)] = 1 + sum(size(part) for part in _parts(node))
        return sizes[id(node)]

    return size(node)


def _depth(node: yaml.Node) -> int:
    depths: dict[int, int] = {}

    def depth(node: yaml.Node) -> int:
        if id(node) not in depths:
            depths[id(node)] = 1 + max((depth(part) for part in _parts(node)), default=0)
        return depths[id(node)]

    return depth(node)


def _parts(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node.value, str):
        return []
    return [part for entry in node.value for part in (entry if isinstance(entry, tuple) else (entry,))]
