"""`sezoo benchmark`.

Measure the memory and time that a model needs: on this computer, on an
emulated Cortex-M, or with ST's tool.
"""

from __future__ import annotations

import argparse

from sezoo.cli.output import PAGE, print_json, print_results, run_of
from sezoo.cli.overrides import settings_of
from sezoo.cli.parser import (
    Parser,
    add_json,
    add_output,
    add_overrides,
    add_save_config,
    add_spectrum,
    spectrum_of,
)
from sezoo.cli.section_options import add_setting
from sezoo.cli.shipped import static_model_path
from sezoo.results.names import REPORT

HINT = "sezoo quantize MODEL --data DIR makes it"

__all__ = ["add_arguments", "run"]


def add_arguments(parser: Parser) -> None:
    """Add the arguments of the command."""
    add_setting(
        parser, "model", key="model.onnx_path", type=static_model_path, metavar="MODEL",
        help="ONNX model; all targets but host need a static int8 one, as sezoo quantize makes it",
    )  # fmt: skip
    add_setting(parser, "--on", key="benchmarking.targets", several=True, default=["host"], metavar="TARGETS")
    add_setting(parser, "--board", key="benchmarking.board", metavar="BOARD")
    add_setting(parser, "--clock", key="benchmarking.clock_mhz", metavar="MHZ")
    add_setting(parser, "--runs", key="benchmarking.runs", default=50, metavar="N")
    add_setting(parser, "--threads", key="benchmarking.threads", default=1, metavar="N")
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
        page = folder / REPORT
        print_results(folder, [(page if page.is_file() else None, PAGE)])
