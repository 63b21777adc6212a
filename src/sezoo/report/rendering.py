"""The template: everything in one file, every text escaped."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined, Template
from markupsafe import Markup

from sezoo import __version__

__all__ = ["rendered"]

PACKAGE, FOLDER = "sezoo.report", "template"


def rendered(**values: Any) -> str:
    """The page with these values in it."""
    return _template().render(version=__version__, **values).rstrip() + "\n"


@cache
def _template() -> Template:
    environment = Environment(
        loader=FunctionLoader(_text),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["inlined"] = lambda name: Markup(_text(name))
    return environment.get_template("report.html.j2")


def _text(name: str) -> str:
    return files(PACKAGE).joinpath(FOLDER, name).read_text(encoding="utf-8")
