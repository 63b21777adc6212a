"""`sezoo model`.

Inspect an ONNX mask model (axes, operators, size, MAC, receptive field), or
make its axes dynamic.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from sezoo.base.errors import UserError
from sezoo.base.terminal import write
from sezoo.cli.output import print_json
from sezoo.cli.parser import Parser, add_json, add_spectrum, spectrum_of
from sezoo.cli.shipped import model_path

if TYPE_CHECKING:
    from sezoo.models.summary import ModelSummary

__all__ = ["add_arguments", "run"]


def add_arguments(parser: Parser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("file", type=model_path, metavar="FILE", help="ONNX model, float or int8")
    parser.add_argument("--fix-axes", action="store_true", help="write a copy with dynamic batch and frames axes")
    parser.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help="with --fix-axes: file to write (default: FILE_dynamic.onnx)"
    )
    add_json(parser)
    add_spectrum(parser)


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

    summary = summary_of(options.file)
    latency = _latency_ms(summary, options)
    if options.json:
        print_json({**asdict(summary), "latency_ms": latency})
    else:
        describe(options.file, summary, latency)


def _latency_ms(summary: ModelSummary, options: argparse.Namespace) -> float | None:
    """Of the model in the stream engine, with one frame a call; None where it is not known how far it looks ahead."""
    if summary.lookahead is None:
        return None
    from sezoo.audio.stft import Stft
    from sezoo.denoising.latency import latency_ms
    from sezoo.denoising.modes import Stream

    spectrum = spectrum_of(options)
    for flag, value in (
        ("sample-rate", spectrum.sample_rate),
        ("hop", spectrum.hop_length),
        ("win", spectrum.win_length),
    ):
        if value < 1:
            raise UserError(f"--{flag}: found {value}; allowed: 1 or more")
    stft = Stft(hop_length=spectrum.hop_length, win_length=spectrum.win_length)
    return latency_ms(Stream((0, summary.lookahead)), stft, spectrum.sample_rate)
