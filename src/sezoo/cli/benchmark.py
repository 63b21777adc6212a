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
    add_run_options,
    add_static_model,
    spectrum_of,
)
from sezoo.cli.section_options import add_setting
from sezoo.results.names import REPORT

__all__ = ["add_arguments", "run"]


def add_arguments(parser: Parser) -> None:
    """Add the arguments of the command."""
    add_static_model(parser, "ONNX model; all targets but host need a static int8 one, as sezoo quantize makes it")
    add_setting(parser, "--on", key="benchmarking.targets", several=True, default=["host"], metavar="TARGETS")
    add_setting(parser, "--board", key="benchmarking.board", metavar="BOARD")
    add_setting(parser, "--clock", key="benchmarking.clock_mhz", metavar="MHZ")
    add_setting(parser, "--runs", key="benchmarking.runs", default=50, metavar="N")
    add_setting(parser, "--threads", key="benchmarking.threads", default=1, metavar="N")
    add_run_options(parser)


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
