"""The template: everything in one file, every text escaped."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined, Template
from markupsafe import Markup, escape

from sezoo.base.foreign_text import to_one_line, to_printable
from sezoo.base.version import __version__

__all__ = ["balanced_columns", "render"]

PACKAGE, FOLDER = "sezoo.report", "template"


def render(**values: Any) -> str:
    """The page with these values in it."""
    return _template().render(version=__version__, **values).rstrip() + "\n"


def balanced_columns(count: int, most: int) -> int:
    """The number of columns for `count` tiles, at most `most`: even rows, none with a single tile if possible."""
    rows = -(-count // most)
    even = -(-count // rows) if rows else 1
    return even if rows < 2 else next((columns for columns in range(even, 1, -1) if count % columns != 1), even)


@cache
def _template() -> Template:
    environment = Environment(
        loader=FunctionLoader(_text),
        autoescape=True,
        finalize=_to_page,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["breakable"] = _breakable
    environment.filters["with_units"] = _with_units
    environment.globals["balanced"] = balanced_columns
    environment.globals["inlined"] = lambda name: Markup(_text(name))
    return environment.get_template("report.html.j2")


def _to_page(value: Any) -> Any:
    """A value as the page has it: names of others are printable, and short unless they are lines of a file."""
    if type(value) is not str or value.startswith("data:"):
        return value
    return to_printable(value, lines=True) if "\n" in value else to_one_line(value)


def _breakable(name: str) -> Markup:
    """A key, or the name of a tensor, that a narrow column breaks behind dots, slashes and underscores."""
    return Markup(re.sub(r"(?<=[._/])(?=[^\W_])", "<wbr>", str(escape(_to_page(name)))))


def _with_units(sentence: str) -> str:
    """A sentence whose numbers stay on one line with their units."""
    return re.sub(r"(?<=\d) (?=(?:%|dB|ms|MHz|B|KiB|MiB)(?!\w))", "\N{NO-BREAK SPACE}", sentence)


def _text(name: str) -> str:
    return files(PACKAGE).joinpath(FOLDER, name).read_text(encoding="utf-8")
