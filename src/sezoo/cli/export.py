"""`sezoo export`.

Write a model in the form that another runtime takes: floats of 16 bits, axes
fixed or dynamic, or one frame a call with states. It is checked against the
original.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from sezoo.base.errors import UserError
from sezoo.base.terminal import write
from sezoo.cli.parser import Parser
from sezoo.cli.shipped import model_path

__all__ = ["add_arguments", "run"]


def add_arguments(parser: Parser) -> None:
    """Add the arguments of the command."""
    add = parser.add_argument
    add("model", type=model_path, metavar="MODEL", help="ONNX model, float or int8")
    add("--fp16", action="store_true", help="floats of 16 bits inside, float32 at the ends")
    add("--frames", type=int, metavar="N", help="fix the axes to N frames and a batch of 1 (default: dynamic)")
    add("--streaming", action="store_true", help="one frame a call, with states as inputs and outputs")
    add(
        "-o", "--output", type=Path, metavar="FILE",
        help="file to write (default: MODEL_fp16.onnx, MODEL_30_frames.onnx, ... in the working directory)",
    )  # fmt: skip


def run(options: argparse.Namespace) -> None:
    """Write it."""
    from sezoo.quantization.exported import default_name, export

    frames = options.frames
    if frames is not None and frames < 1:
        raise UserError(f"--frames: found {frames}; allowed: 1 or more")
    form = {"fp16": options.fp16, "frames": frames, "stream": options.streaming}
    target = options.output or Path(default_name(options.model, **form))
    write(export(options.model, target, **form))
