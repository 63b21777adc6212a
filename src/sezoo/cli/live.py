"""`sezoo live`.

Write a page in which you hear the C code of a model: one file that needs no
network, with the package compiled to WebAssembly, for a microphone or a
recording.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from sezoo.base.files import display_path
from sezoo.base.terminal import write
from sezoo.cli.output import print_json
from sezoo.cli.overrides import settings_of
from sezoo.cli.parser import Parser, add_json, add_overrides, add_spectrum, spectrum_of
from sezoo.cli.section_options import add_setting
from sezoo.cli.shipped import model_path

__all__ = ["add_arguments", "run"]


def add_arguments(parser: Parser) -> None:
    """Add the arguments of the command."""
    add_setting(
        parser, "model", key="model.onnx_path", type=model_path, metavar="MODEL",
        help="static int8 ONNX, as sezoo quantize makes it",
    )  # fmt: skip
    parser.add_argument(
        "-o", "--output", type=Path, default=Path("live.html"), metavar="FILE", help="the page (default: live.html)"
    )
    parser.add_argument("--overwrite", action="store_true", help="overwrite an existing file")
    add_setting(parser, "--frames", key="deployment.frames_per_patch", metavar="N")
    parser.hints["static int8 model is needed"] = "sezoo quantize MODEL --data DIR makes it"
    add_json(parser)
    add_spectrum(parser)
    add_overrides(parser)


def run(options: argparse.Namespace) -> None:
    """Write it."""
    from sezoo.api.settings import deployment_settings
    from sezoo.config.validation import build_config
    from sezoo.deployment.live.page import write_live_page

    settings = deployment_settings(
        options.model,
        spectrum_of(options),
        backend="portable-c",
        engine="stream",
        frames=options.frames,
        emulate=False,
        more=settings_of(options.overrides),
    )
    page = write_live_page(build_config(settings), options.output, overwrite=options.overwrite)
    if options.json:
        print_json({"page": page})
    else:
        write(display_path(page))
