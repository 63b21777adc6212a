"""`sezoo report`.

Write a page for the browser of what a run found, or of several beside each
other.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from sezoo.base.files import shown
from sezoo.base.terminal import write
from sezoo.cli.output import print_json
from sezoo.cli.parser import Parser, add_json
from sezoo.results.names import REPORT

__all__ = ["add_arguments", "run"]


def add_arguments(parser: Parser) -> None:
    """Its words."""
    parser.add_argument(
        "runs", nargs="+", type=Path, metavar="RUN", help="the folder of a run; several are compared on one page"
    )
    parser.add_argument(
        "-o", "--output", type=Path, metavar="FILE",
        help=f"the page (default: {REPORT} in the run's folder; of a comparison, in the working directory)",
    )  # fmt: skip
    parser.add_argument("--overwrite", action="store_true", help="replace a file that is there already")
    add_json(parser)


def run(options: argparse.Namespace) -> None:
    """Write it."""
    from sezoo.report.on_request import written_report

    page = written_report(options.runs, options.output, overwrite=options.overwrite)
    if options.json:
        print_json({"report": page})
    else:
        write(shown(page))
