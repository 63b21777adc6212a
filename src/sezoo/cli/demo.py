"""`sezoo demo`.

Quantize the model that comes with sezoo on its recordings, and compare.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from sezoo.cli.parser import Parser

__all__ = ["add_arguments", "run"]


def add_arguments(parser: Parser) -> None:
    """Add the arguments of the command."""
    parser.add_argument(
        "-o", "--output", type=Path, metavar="DIR",
        help="new folder for the results (default: experiment_outputs/demo_<date and time>)",
    )  # fmt: skip


def run(options: argparse.Namespace) -> None:
    """Run the demo."""
    from sezoo.demo.run import run_demo

    run_demo(options.output)
