"""`sezoo deploy`.

Turn a static int8 model into a program for a board: a package of C sources for
any Cortex-M, built and tested in an emulator, a TensorFlow Lite model, or ST's
application on an STM32N6.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from typing import Any

from sezoo.cli.output import PAGE, print_json, print_results, run_of
from sezoo.cli.overrides import settings_of, with_attenuation_limit
from sezoo.cli.parser import (
    BY_TARGET,
    Parser,
    add_board,
    add_run_options,
    add_static_model,
    spectrum_of,
)
from sezoo.cli.section_options import add_setting

__all__ = ["add_arguments", "run"]


def add_arguments(parser: Parser) -> None:
    """Add the arguments of the command."""
    add_static_model(parser, "static int8 ONNX, as sezoo quantize makes it")
    add_board(parser, BY_TARGET)
    add_setting(parser, "--engine", key="deployment.engine", metavar="ENGINE")
    add_setting(parser, "--frames", key="deployment.frames_per_patch", metavar="N")
    add_setting(parser, "--lookahead", key="deployment.lookahead_frames", metavar="N")
    add_setting(parser, "--attenuation-limit", key="deployment.attenuation_limit_db", metavar="DB")
    add_setting(
        parser, "--no-emulate", key="deployment.emulate", action="store_true",
        help="with portable-c: only write the sources, which needs no compiler and no emulator",
    )  # fmt: skip
    add_setting(parser, "--package", key="deployment.package", metavar="KIND")
    add_setting(parser, "--dry-run", key="deployment.dry_run", action="store_true")
    add_run_options(parser)


def run(options: argparse.Namespace) -> None:
    """Deploy, and say what is where."""
    from sezoo.api.results import DeployedModel
    from sezoo.api.settings import deployment_settings

    settings = deployment_settings(
        options.model,
        spectrum_of(options),
        board=options.board,
        backend=options.backend,
        engine=options.engine,
        frames=options.frames,
        lookahead=options.lookahead,
        emulate=not options.no_emulate,
        package=options.package,
        dry_run=options.dry_run,
        more=with_attenuation_limit(settings_of(options.overrides), options.attenuation_limit),
    )
    result = DeployedModel.read(run_of(options, settings))
    if options.json:
        print_json(result)
        return
    if options.dry_run:  # standard output holds the commands, for a shell to read
        return
    memory = [f"{name}: {count / 1024:.0f} KiB, {words}" for name, count, words in _memory(result.facts)]
    print_results(
        result.folder,
        [
            (result.c_package, "C sources; see README.md for integration"),
            (result.tflite, "TensorFlow Lite model; see README.md for integration"),
            (result.report, PAGE),
        ],
        memory,
    )


def _memory(facts: Mapping[str, Any]) -> Iterator[tuple[str, int, str]]:
    """Yield the memory that the board must have: kind, bytes, and description."""
    if tflite := facts.get("tflite"):
        yield "flash", tflite["file_bytes"], "the model, besides the runtime and the spectrum's code"
        measured = "as measured here" if tflite["tflm_arena_bytes"] else "by our plan, larger than a microcontroller's"
        yield "RAM", tflite["ram_bytes"], f"with TFLite Micro's arena ({measured}), without the stack"
    elif emulated := facts.get("emulated"):
        yield "flash", emulated["flash_bytes"], "program and weights"
        yield "RAM", emulated["ram_bytes"], "including the stack and I/O buffers"
    elif made := facts.get("application"):
        yield "flash", made["program_bytes"] + made["weights_bytes"], "the application and the model's weights"
    else:
        yield "RAM", facts["arena_bytes"] + facts["state_bytes"], "without the stack"
