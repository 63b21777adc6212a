"""`sezoo report`.

Write the HTML report of a run, or one that compares several.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from sezoo.base.files import display_path
from sezoo.base.terminal import write
from sezoo.cli.output import print_json
from sezoo.cli.parser import Parser, add_json
from sezoo.results.names import REPORT

__all__ = ["add_arguments", "run"]


def add_arguments(parser: Parser) -> None:
    """Add the arguments of the command."""
    parser.add_argument(
        "runs", nargs="+", type=Path, metavar="RUN", help="run folder; several are compared on one page"
    )
    parser.add_argument(
        "-o", "--output", type=Path, metavar="FILE",
        help=f"the page (default: {REPORT} in the run's folder; of a comparison, in the working directory)",
    )  # fmt: skip
    parser.add_argument("--overwrite", action="store_true", help="overwrite an existing file")
    add_json(parser)


def run(options: argparse.Namespace) -> None:
    """Write it."""
    from sezoo.report.on_request import write_report

    page = write_report(options.runs, options.output, overwrite=options.overwrite)
    if options.json:
        print_json({"report": page})
    else:
        write(display_path(page))
