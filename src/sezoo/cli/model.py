"""`sezoo model`.

Inspect an ONNX mask model (axes, operators, size, MAC, receptive field), make
its axes dynamic, or write its one-frame form, with states, for streams.
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
        "--streaming",
        action="store_true",
        help="write the one-frame form of a model of whole clips: recurrent layers and causal convolutions get states",
    )
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="FILE",
        help="file to write (default: FILE_dynamic.onnx, FILE_streaming.onnx)",
    )
    add_json(parser)
    add_spectrum(parser)


def run(options: argparse.Namespace) -> None:
    """Describe, or write the copy."""
    if options.fix_axes or options.streaming:
        _write_copy(options)
        return
    if options.output:
        raise UserError("-o: only with --fix-axes or --streaming")
    from sezoo.models.summary import describe, summary_of

    summary = summary_of(options.file)
    latency = _latency_ms(summary, options)
    if options.json:
        print_json({**asdict(summary), "latency_ms": latency})
    else:
        describe(options.file, summary, latency)


def _write_copy(options: argparse.Namespace) -> None:
    """Write the copy that is asked for."""
    if options.fix_axes and options.streaming:
        raise UserError("--streaming: not with --fix-axes; it makes the axes dynamic by itself")
    flag, ending = ("--fix-axes", "dynamic") if options.fix_axes else ("--streaming", "streaming")
    if options.json:
        raise UserError(f"--json: not with {flag}, which writes a file")
    target = options.output or options.file.with_name(f"{options.file.stem}_{ending}.onnx")
    if options.fix_axes:
        from sezoo.models.axes import fix_axes as write_copy
    else:
        from sezoo.models.streaming import write_streaming as write_copy
    write(write_copy(options.file, target))


def _latency_ms(summary: ModelSummary, options: argparse.Namespace) -> float | None:
    """Return the latency in the stream engine with one frame per call; None if the look-ahead is unknown."""
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
