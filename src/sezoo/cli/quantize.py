"""`sezoo quantize`.

Make two int8 models of a float ONNX model: one for clips of any length, one of
fixed length for the board. A report says what it cost; with clean recordings
(--clean) all models are scored as well.
"""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path

from sezoo.base.files import shown
from sezoo.cli.names import METRICS
from sezoo.cli.output import PAGE, print_json, print_results, run_of
from sezoo.cli.overrides import settings_of
from sezoo.cli.parser import (
    Parser,
    add_json,
    add_output,
    add_overrides,
    add_save_config,
    add_spectrum,
    setting,
    some_of,
    spectrum_of,
)

__all__ = ["add_arguments", "run"]


def add_arguments(parser: Parser) -> None:
    """Its words."""
    setting(
        parser, "model", key="model.onnx_path", type=Path, metavar="MODEL",
        help="float ONNX: magnitudes (batch, bins, frames) in, a mask of that shape out",
    )  # fmt: skip
    setting(
        parser, "--data", key="quantization.noisy_quantization_files_path", type=Path, metavar="DIR", required=True,
        help="noisy recordings to calibrate with, 50 to 100 of a few seconds",
    )  # fmt: skip
    setting(
        parser, "--target", key="quantization.target", choices=("generic", "stm32n6", "cortex-m"), metavar="TARGET",
        help="what the int8 models are for: generic, stm32n6 (its NPU) or cortex-m (the C package) (default: generic)",
    )  # fmt: skip
    setting(
        parser, "--frames", key="quantization.static_sequence_length", type=int, metavar="N",
        help="frames of the model for the board (default: 30 new ones, and on either side what the network looks at)",
    )  # fmt: skip
    setting(
        parser, "--clips", key="quantization.num_quantization_samples", type=int, default=100, metavar="N",
        help="recordings of --data that are used (default: 100)",
    )  # fmt: skip
    setting(
        parser, "--clean", key=("dataset.clean_test_files_path", "clean"), type=Path, metavar="DIR",
        help="the clean speech in the noisy recordings, under the same names: scores all models (default: no scores)",
    )  # fmt: skip
    setting(
        parser, "--noisy", key=("dataset.noisy_test_files_path", "noisy"), type=Path, metavar="DIR",
        help="noisy recordings to score on (default: those of --data)",
    )  # fmt: skip
    setting(
        parser, "--metrics", key="evaluation.metrics", type=some_of(*METRICS), metavar="NAMES",
        help=f"scores, with commas between them: {', '.join(METRICS)} (default: all that need clean speech)",
    )  # fmt: skip
    add_output(parser)
    add_save_config(parser)
    add_json(parser)
    add_spectrum(parser)
    add_overrides(parser)


def run(options: argparse.Namespace) -> None:
    """Quantize, and say what is where."""
    from sezoo.api.results import QuantizedModel
    from sezoo.api.settings import quantization_settings

    settings = quantization_settings(
        options.model,
        options.data,
        spectrum_of(options),
        target=options.target,
        noisy=options.noisy,
        clean=options.clean,
        frames=options.frames,
        num_clips=options.clips,
        metrics=options.metrics,
        more=settings_of(options.overrides),
    )
    result = QuantizedModel.read(run_of(options, settings))
    if options.json:
        print_json(result)
        return
    closeness, plain = _closeness(result.closeness), _closeness(result.closeness_plain)
    same = options.clean is not None and options.noisy is None
    print_results(
        result.folder,
        [
            (result.dynamic, f"int8, {_size(result.int8_bytes)} of {_size(result.float_bytes)}"),
            (result.static, "int8, for the board"),
            (result.report, PAGE),
        ],
        [
            f"closeness to float: {closeness} ({plain} without accuracy recovery)",
            *(["scored on the recordings that it was calibrated with; --noisy names others"] if same else []),
            f"next: sezoo benchmark {shlex.quote(shown(result.static))}",
        ],
    )


def _size(count: int) -> str:
    return f"{count / 2**20:.2f} MiB"


def _closeness(decibels: float | None) -> str:
    return "the same waves" if decibels is None else f"{decibels:.1f} dB"
