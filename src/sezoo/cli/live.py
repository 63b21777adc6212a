"""`sezoo live`.

Write a page in which you hear the C code of a model: one file that needs no
network, with the package compiled to WebAssembly, for a microphone or a
recording. With --audio, hear the model itself between the microphone and the
headphones of this computer, until Ctrl-C.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from sezoo.base.errors import UserError
from sezoo.base.files import display_path
from sezoo.base.terminal import write
from sezoo.cli.output import print_json
from sezoo.cli.overrides import settings_of, with_attenuation_limit
from sezoo.cli.parser import Parser, add_json, add_overrides, add_spectrum, spectrum_of
from sezoo.cli.section_options import add_setting
from sezoo.cli.shipped import static_model_path

if TYPE_CHECKING:
    from sezoo.config.sections import Config

__all__ = ["add_arguments", "run"]

PAGE = Path("live.html")


class _Devices(argparse.Action):
    """Lists the sound devices, and exits."""

    def __init__(self, option_strings: list[str], dest: str, help: str):
        super().__init__(option_strings, dest=argparse.SUPPRESS, default=argparse.SUPPRESS, nargs=0, help=help)

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from sezoo.cli.live_audio import print_devices

        print_devices()
        parser.exit()


def add_arguments(parser: Parser) -> None:
    """Add the arguments of the command."""
    add = parser.add_argument
    add_setting(
        parser, "model", key="model.onnx_path", type=static_model_path, metavar="MODEL",
        help="static int8 ONNX, as sezoo quantize makes it; with --audio any ONNX model, float ones too",
    )  # fmt: skip
    add("-o", "--output", type=Path, metavar="FILE", help=f"the page (default: {PAGE})")
    add("--overwrite", action="store_true", help="overwrite an existing file")
    add_setting(parser, "--frames", key="deployment.frames_per_patch", metavar="N")
    add_setting(parser, "--attenuation-limit", key="deployment.attenuation_limit_db", metavar="DB")
    sound = parser.add_argument_group("without a page, with the sound devices of this computer")
    sound.add_argument(
        "--audio", action="store_true", help="denoise the microphone until Ctrl-C; needs pip install 'sezoo[live]'"
    )
    for name in ("microphone", "loudspeaker"):
        sound.add_argument(f"--{name}", metavar="DEVICE", help="number, or a part of the name (default: the system's)")
    sound.add_argument("--devices", action=_Devices, help="list the devices, and exit")
    parser.hints["static int8 model is needed"] = "sezoo quantize MODEL --data DIR makes it"
    add_json(parser)
    add_spectrum(parser)
    add_overrides(parser)


def run(options: argparse.Namespace) -> None:
    """Write it, or play."""
    if options.audio:
        if options.output is not None or options.json:
            raise UserError("--audio writes nothing; leave -o and --json out")
        from sezoo.cli.live_audio import run_live

        run_live(_config(options), options.microphone, options.loudspeaker)
        return
    for name in ("microphone", "loudspeaker"):
        if getattr(options, name) is not None:
            raise UserError(f"--{name}: a page uses the browser's; --audio uses the devices of this computer")
    from sezoo.deployment.live.page import write_live_page

    page = write_live_page(_config(options), options.output or PAGE, overwrite=options.overwrite)
    if options.json:
        print_json({"page": page})
    else:
        write(display_path(page))


def _config(options: argparse.Namespace) -> Config:
    from sezoo.api.settings import deployment_settings
    from sezoo.config.validation import build_config

    settings = deployment_settings(
        options.model,
        spectrum_of(options),
        backend="portable-c",
        engine="stream",
        frames=options.frames,
        emulate=False,
        more=with_attenuation_limit(settings_of(options.overrides), options.attenuation_limit),
    )
    return build_config(settings)
