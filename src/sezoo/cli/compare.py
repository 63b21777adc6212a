"""`sezoo compare`.

Find where a board's dump first diverges from the output of the PC. The exit
code is 0 within the tolerance, 1 outside of it.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from sezoo.cli.output import print_json
from sezoo.cli.parser import Parser, add_json

__all__ = ["add_arguments", "run"]


def add_arguments(parser: Parser) -> None:
    """Add the arguments of the command."""
    parser.add_argument(
        "vectors", type=Path, metavar="VECTORS", help="validation vectors, an .npz file written by a deployment"
    )
    parser.add_argument(
        "output", type=Path, metavar="OUTPUT", help="the board's output: .npz by tensor, .npy, or raw .bin"
    )
    parser.add_argument(
        "--tolerance", type=float, metavar="LSB", help="largest difference treated as equal (default: 1)"
    )
    add_json(parser)


def run(options: argparse.Namespace) -> int:
    """Compare."""
    from sezoo.deployment.validation.command import EXIT_DIFFERENT, compare_files, print_comparison

    vectors, comparison = compare_files(options.vectors, options.output, options.tolerance)
    if options.json:
        first = comparison.first
        print_json(
            {
                "within": comparison.within,
                "first": first.name if first is not None else None,
                **{key: getattr(comparison, key) for key in ("tolerance", "not_dumped", "not_compared")},
                "tensors": comparison.results,
            }
        )
    else:
        print_comparison(vectors, comparison)
    return 0 if comparison.within else EXIT_DIFFERENT
