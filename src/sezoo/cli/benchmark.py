"""`sezoo benchmark`.

Measure the memory and time that a model needs: on this computer, on an
emulated Cortex-M, or with ST's tool.
"""

from __future__ import annotations

import argparse

from sezoo.cli.names import BENCHMARK_TARGETS
from sezoo.cli.output import print_json, print_results, run_of
from sezoo.cli.overrides import settings_of
from sezoo.cli.parser import (
    Parser,
    add_json,
    add_output,
    add_overrides,
    add_save_config,
    add_spectrum,
    one_of,
    setting,
    some_of,
    spectrum_of,
)
from sezoo.cli.shipped import model_path
from sezoo.config.boards import BOARDS

HINT = "sezoo quantize MODEL --data DIR makes it"

__all__ = ["add_arguments", "run"]


def add_arguments(parser: Parser) -> None:
    """Add the arguments of the command."""
    setting(
        parser, "model", key="model.onnx_path", type=model_path, metavar="MODEL",
        help="ONNX model; all targets but host need a static int8 one, as sezoo quantize makes it",
    )  # fmt: skip
    setting(
        parser, "--on", key="benchmarking.targets", type=some_of(*BENCHMARK_TARGETS), default=["host"],
        metavar="TARGETS",
        help="host (onnxruntime here), cortex-m55, cortex-m7, cortex-m4, cortex-m33 (the C package in an emulator), "
        "stedgeai (ST's tool); several with commas (default: host)",
    )  # fmt: skip
    setting(
        parser, "--board", key="benchmarking.board", type=one_of(*BOARDS), choices=tuple(BOARDS),
        metavar="BOARD",
        help=f"board to compare with, which also sets the clock: {', '.join(BOARDS)} (default: STM32N6570-DK)",
    )  # fmt: skip
    setting(
        parser, "--clock", key="benchmarking.clock_mhz", type=float, metavar="MHZ",
        help="core clock for time estimates, in MHz (default: the board's maximum)",
    )  # fmt: skip
    setting(
        parser, "--runs", key="benchmarking.runs", type=int, default=50, metavar="N",
        help="host runs; the median is reported (default: 50)",
    )  # fmt: skip
    setting(
        parser, "--threads", key="benchmarking.threads", type=int, default=1, metavar="N",
        help="threads of onnxruntime on the host (default: 1)",
    )  # fmt: skip
    parser.hints["static int8 model is needed"] = HINT
    add_output(parser)
    add_save_config(parser)
    add_json(parser)
    add_spectrum(parser)
    add_overrides(parser)


def run(options: argparse.Namespace) -> None:
    """Measure, the table on the way."""
    from sezoo.api.settings import benchmarking_settings

    settings = benchmarking_settings(
        options.model,
        spectrum_of(options),
        on=options.on,
        board=options.board,
        clock_mhz=options.clock,
        runs=options.runs,
        threads=options.threads,
        more=settings_of(options.overrides),
    )
    folder = run_of(options, settings)
    if options.json:
        from sezoo.results.benchmark import Benchmark

        print_json({"folder": folder, **Benchmark.required(folder).to_dict()})
    else:
        print_results(folder, [])
