"""`sezoo report RUN [RUN ...]`: the page of a run made again, or runs compared on one page."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from sezoo.errors import UserError
from sezoo.files import shown, write_text
from sezoo.report.names import REPORT

__all__ = ["add_arguments", "report_command"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments to its parser."""
    add = parser.add_argument
    add("runs", nargs="+", type=Path, metavar="RUN", help="the folder of a run; several are compared on one page")
    add(
        "-o",
        "--output",
        type=Path,
        metavar="FILE",
        help=f"the page (default: {REPORT} in the run's folder; of a comparison, in the working directory)",
    )
    add("--overwrite", action="store_true", help="replace a file that is there already")


def report_command(options: argparse.Namespace) -> None:
    """Write the page and say where it is. A run's own page in its folder is made again without being asked.

    Raises
    ------
    UserError : a folder that is none of a run; a page that is there already.
    """
    runs: list[Path] = options.runs
    several = len(runs) > 1
    target = options.output or (Path(REPORT) if several else runs[0] / REPORT)
    if target.is_dir():
        raise UserError(f"-o: {target} is a folder; name the file to write, such as {target / REPORT}")
    if target.exists() and (several or options.output) and not options.overwrite:
        raise UserError(f"{shown(target)} is there already; name another file with -o, or replace it with --overwrite")
    from sezoo.report.comparison_page import comparison_of  # what draws and encodes loads here
    from sezoo.report.page import page_of

    page = comparison_of(runs) if several else page_of(runs[0])
    write_text(target, page)
    sys.stdout.write(f"{shown(target)}\n")
