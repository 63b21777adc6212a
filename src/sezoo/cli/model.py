"""`sezoo model`.

Inspect an ONNX mask model (axes, operators, size, MAC, receptive field), or
make its axes dynamic.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from sezoo.base.errors import UserError
from sezoo.base.terminal import write
from sezoo.cli.output import print_json
from sezoo.cli.parser import Parser, add_json
from sezoo.cli.shipped import model_path

__all__ = ["add_arguments", "run"]


def add_arguments(parser: Parser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("file", type=model_path, metavar="FILE", help="ONNX model, float or int8")
    parser.add_argument("--fix-axes", action="store_true", help="write a copy with dynamic batch and frames axes")
    parser.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help="with --fix-axes: file to write (default: FILE_dynamic.onnx)"
    )
    add_json(parser)


def run(options: argparse.Namespace) -> None:
    """Describe, or write the copy."""
    if options.output and not options.fix_axes:
        raise UserError("-o: only with --fix-axes")
    if options.fix_axes:
        if options.json:
            raise UserError("--json: not with --fix-axes, which writes a file")
        from sezoo.models.axes import fix_axes

        target = options.output or options.file.with_name(f"{options.file.stem}_dynamic.onnx")
        write(fix_axes(options.file, target))
        return
    from sezoo.models.summary import describe, summary_of

    if options.json:
        print_json(summary_of(options.file))
    else:
        describe(options.file)
