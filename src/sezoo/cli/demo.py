"""`sezoo demo`.

Quantize the model that comes with sezoo on its recordings, and compare.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from sezoo.base.errors import UserError
from sezoo.base.text import pluralize
from sezoo.cli.output import print_results
from sezoo.cli.parser import Parser

__all__ = ["add_arguments", "run"]


def add_arguments(parser: Parser) -> None:
    """Add the arguments of the command."""
    parser.add_argument(
        "-o", "--output", type=Path, metavar="DIR",
        help="new folder for the results (default: experiment_outputs/demo_<date and time>)",
    )  # fmt: skip
    parser.add_argument(
        "--copy", type=Path, metavar="DIR",
        help="only copy the recordings that come with sezoo into a new folder",
    )  # fmt: skip


def run(options: argparse.Namespace) -> None:
    """Run the demo, or copy its recordings."""
    if options.copy is not None:
        if options.output is not None:
            raise UserError("-o, --copy: give one of them; --copy names the folder of the recordings itself")
        from sezoo.demo.recordings_copy import copy_recordings

        folders = [(path, pluralize(len(list(path.iterdir())), "recording")) for path in copy_recordings(options.copy)]
        print_results(options.copy, folders)
        return
    from sezoo.demo.run import run_demo

    run_demo(options.output)
