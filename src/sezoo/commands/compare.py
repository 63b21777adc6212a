"""`sezoo compare`.

Find where a board's dump first leaves what the PC computed. The exit code is 0
within the tolerance, 1 outside of it.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from sezoo.commands.parser import Parser

__all__ = ["add_arguments", "run"]


def add_arguments(parser: Parser) -> None:
    """Its words."""
    parser.add_argument("vectors", type=Path, metavar="VECTORS", help="a .npz file that a deployment has written")
    parser.add_argument("output", type=Path, metavar="OUTPUT", help="the board's: .npz by tensor, .npy, or raw .bin")
    parser.add_argument("--tolerance", type=float, metavar="LSB", help="that counts as equal (default: 1)")


def run(options: argparse.Namespace) -> int:
    """Compare."""
    from sezoo.deployment.validation.command import compare_files

    return compare_files(options)
