"""`sezoo quantize`.

Quantize a float ONNX model to two int8 models: one for clips of any length, and
one of fixed length for the board. A report shows the loss of accuracy; with
clean recordings (--clean) all models are scored as well.
"""

from __future__ import annotations

import argparse
import shlex
from typing import Any

from sezoo.base.errors import UserError
from sezoo.base.files import display_path
from sezoo.base.text import closest_match
from sezoo.cli.output import PAGE, print_json, print_results, run_of
from sezoo.cli.overrides import settings_of
from sezoo.cli.parser import (
    Parser,
    add_board,
    add_metrics,
    add_run_options,
    metrics_of,
    spectrum_of,
)
from sezoo.cli.section_options import KeyValue, add_setting
from sezoo.cli.shipped import demo_folder, is_demo, model_path

__all__ = ["add_arguments", "run"]


def add_arguments(parser: Parser) -> None:
    """Add the arguments of the command."""
    add_setting(
        parser, "model", key="model.onnx_path", type=model_path, metavar="MODEL",
        help="float ONNX model that maps magnitudes (batch, bins, frames) to a mask of that shape",
    )  # fmt: skip
    add_setting(
        parser, "--data", key="quantization.noisy_quantization_files_path", type=demo_folder("noisy_trainset"),
        metavar="DIR", required=True,
        help="noisy recordings for calibration, 50 to 100 of a few seconds each; demo: those that come with sezoo",
    )  # fmt: skip
    add_setting(
        parser, "--target", key="quantization.target", metavar="TARGET",
        default_is="as --backend or --board, generic without them",
    )  # fmt: skip
    add_board(parser, "as --target and --board", board="none; any board of the target")
    add_setting(
        parser, "--frames", key="quantization.static_sequence_length", type=_frames, metavar="N",
        help="frames of the static model; auto is 30 new ones, and on each side the look-ahead that the network's "
        "receptive field needs (default: auto)",
    )  # fmt: skip
    add_setting(
        parser, "--clips", key="quantization.num_quantization_samples", default=100, metavar="N",
        help="recordings of --data to use (default: 100)",
    )  # fmt: skip
    add_setting(
        parser, "--clean", key=("dataset.clean_test_files_path", "clean"), type=demo_folder("clean_testset"),
        metavar="DIR",
        help="clean speech with the same file names; scores all models (default: no scores)",
    )  # fmt: skip
    add_setting(
        parser, "--noisy", key=("dataset.noisy_test_files_path", "noisy"), type=demo_folder("noisy_testset"),
        metavar="DIR",
        help="noisy recordings to score on (default: those of --data)",
    )  # fmt: skip
    add_metrics(parser)
    add_run_options(parser)


def run(options: argparse.Namespace) -> None:
    """Quantize, and say what is where."""
    from sezoo.api.results import QuantizedModel
    from sezoo.api.settings import quantization_settings

    if options.clean is None and (options.metrics is not None or options.all_metrics):
        option = "--all-metrics" if options.all_metrics else "--metrics"
        raise UserError(f"{option}: scores need the clean speech of the recordings (--clean DIR)")
    if options.noisy is None and is_demo(options.data) and is_demo(options.clean):
        options.noisy = demo_folder("noisy_testset")("demo")  # --data demo has other sentences than --clean demo
    settings = quantization_settings(
        options.model,
        options.data,
        spectrum_of(options),
        target=options.target,
        board=options.board,
        backend=options.backend,
        noisy=options.noisy,
        clean=options.clean,
        frames=options.frames,
        num_clips=options.clips,
        metrics=metrics_of(options),
        more=settings_of(options.overrides),
    )
    result = QuantizedModel.read(run_of(options, settings))
    if options.json:
        print_json(result)
        return
    closeness, plain = _closeness(result.closeness), _closeness(result.closeness_plain)
    if result.closeness is not None and result.closeness_plain is None:  # never closer than what recovery keeps
        plain = "no usable masks"
    same = options.clean is not None and options.noisy is None
    print_results(
        result.folder,
        [
            (result.dynamic, f"int8, {_size(result.int8_bytes)} of {_size(result.float_bytes)}"),
            (result.static, "int8, for the board"),
            (result.report, PAGE),
        ],
        [
            f"fidelity to float: {closeness} ({plain} without accuracy recovery)",
            *(["scored on the calibration recordings; set --noisy to score others"] if same else []),
            f"next: sezoo benchmark {shlex.quote(display_path(result.static))}",
        ],
    )


def _frames(text: str) -> Any:
    word = text.strip().lower()
    if word == "auto":
        return None
    if closest_match(word, ("auto",)):
        raise argparse.ArgumentTypeError(f"found '{text}'; allowed: auto, or a number of frames; did you mean auto?")
    return KeyValue("quantization.static_sequence_length")(text)


def _size(count: int) -> str:
    return f"{count / 2**20:.2f} MiB"


def _closeness(decibels: float | None) -> str:
    return "identical output" if decibels is None else f"{decibels:.1f} dB"
