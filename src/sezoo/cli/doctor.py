"""`sezoo doctor`.

Check what is installed and which programs were found; for missing ones, show
what they are for and how to get them. All of them are optional.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from sezoo.cli.diagnosis import Finding, diagnosis
from sezoo.cli.output import print_json
from sezoo.cli.parser import Parser, add_json

if TYPE_CHECKING:
    from rich.padding import Padding
    from rich.text import Text

__all__ = ["add_arguments", "run"]


def add_arguments(parser: Parser) -> None:
    """Add the arguments of the command."""
    add_json(parser)


def run(options: argparse.Namespace) -> None:
    """Check the installation and print what was found."""
    found = diagnosis()
    if options.json:
        print_json(found)
        return
    from rich.text import Text

    from sezoo.base.terminal import stdout_console

    console = stdout_console()
    console.print(f"sezoo {found.sezoo}, Python {found.python}, {found.system}, {found.cores} cores", soft_wrap=True)
    for title, findings in (
        ("packages", found.packages),
        ("optional packages", found.optional_packages),
        ("programs", found.programs),
        ("folders", found.folders),
    ):
        console.print(f"\n{title}", style="bold")
        for line in _lines(findings):
            console.print(line, soft_wrap=isinstance(line, Text))


def _lines(findings: list[Finding]) -> Iterator[Text | Padding]:
    """One line for each thing found; below them the missing ones, with their purpose and how to get them."""
    from rich.padding import Padding

    from sezoo.base.terminal import styled_text

    names = max(len(each.name) for each in findings)
    versions = max(len(each.version or "") for each in findings)
    for each in findings:
        if each.found:
            version = f"{each.version or '':{versions}}  " if versions else ""
            where = _short(each.path) if each.path is not None else ""
            yield styled_text(("ok", "green"), f"  {each.name:{names}}  {version}{where}".rstrip())
            continue
        yield styled_text(("--", "yellow"), f"  {each.name:{names}}  {each.problem or 'not there'}")
        for line in (f"for {each.purpose}", each.remedy):
            if line:
                yield Padding(styled_text((line, "dim")), (0, 0, 0, 6), expand=False)


def _short(path: Path) -> str:
    """A path with ~ for the home folder."""
    home = Path.home()
    return str(Path("~") / path.relative_to(home)) if home != Path(os.sep) and path.is_relative_to(home) else str(path)
