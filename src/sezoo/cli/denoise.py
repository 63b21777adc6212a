"""`sezoo denoise`.

Denoise recordings with an ONNX model (or torch weights of an STFT-TCNN). Rate,
channels, length and format stay as they are.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from sezoo.base.errors import UserError
from sezoo.cli.names import PLAYS
from sezoo.cli.output import print_json, save_config
from sezoo.cli.overrides import is_path, settings_of
from sezoo.cli.parser import Parser, add_json, add_save_config, add_spectrum, setting, spectrum_of

__all__ = ["add_arguments", "run"]


def add_arguments(parser: Parser) -> None:
    """Its words."""
    add = parser.add_argument
    add("inputs", nargs="+", metavar="FILE_OR_FOLDER", help="recordings, folders; also settings: SECTION.KEY=VALUE")
    setting(
        parser, "-m", "--model", key=("model.onnx_path", "model.state_dict_path"), type=Path, required=True,
        metavar="MODEL", help="ONNX, float or int8, dynamic or static; or torch weights",
    )  # fmt: skip
    add(
        "-o", "--output", type=Path, default=Path("denoised"), metavar="OUT",
        help="a folder, or a file for a file (default: denoised)",
    )  # fmt: skip
    setting(
        parser, "--play-like", key=("prediction.play_like", "play_like"), choices=PLAYS, default="whole",
        metavar="HOW", help="whole, as a PC; stream, as the C package; patches or board, as ST's (default: whole)",
    )  # fmt: skip
    add("--format", metavar="ENDING", help="wav, flac, ogg ... (default: as the recording)")
    add("--overwrite", action="store_true", help="replace files that are there already")
    add_save_config(parser)
    add_json(parser)
    add_spectrum(parser)


def run(options: argparse.Namespace) -> None:
    """Denoise what the words name."""
    overrides = [word for word in options.inputs if "=" in word and not is_path(word)]
    paths = [Path(word) for word in options.inputs if word not in overrides]
    more = settings_of(overrides, otherwise="there is no such file, and ")
    if options.save_config is not None:
        _save(options, paths, more)
    from sezoo.api.denoising import denoise_files

    written = denoise_files(
        paths,
        options.model,
        options.output,
        play_like=options.play_like,
        format=options.format,
        overwrite=options.overwrite,
        spectrum=spectrum_of(options),
        more=more,
    )
    if options.json:
        print_json({"written": written})


def _save(options: argparse.Namespace, paths: list[Path], more: dict) -> None:
    from sezoo.api.settings import prediction_settings

    output: Path = options.output
    if len(paths) != 1:
        raise UserError(f"--save-config: a YAML file denoises one file or one folder, here are {len(paths)}; name one")
    if output.suffix and not output.is_dir():
        raise UserError(f"--save-config: a YAML file denoises into a folder, and -o {output} is a file; name a folder")
    settings = prediction_settings(
        options.model,
        paths[0],
        spectrum_of(options),
        play_like=options.play_like,
        output=output,
        format=options.format,
        overwrite=options.overwrite,
        more=more,
    )
    save_config(argparse.Namespace(**{**vars(options), "output": None}), settings)
