"""`sezoo denoise`.

Denoise recordings with an ONNX model (or torch weights of an STFT-TCNN). Rate,
channels, length and format stay as they are.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from sezoo.base.errors import UserError
from sezoo.cli.output import print_json, save_config
from sezoo.cli.overrides import is_path, settings_of
from sezoo.cli.parser import Parser, add_json, add_program, add_save_config, add_spectrum, spectrum_of
from sezoo.cli.section_options import add_setting
from sezoo.cli.shipped import demo_folder, model_path

__all__ = ["add_arguments", "run"]

RECORDINGS = demo_folder("noisy_testset")


def add_arguments(parser: Parser) -> None:
    """Add the arguments of the command."""
    add = parser.add_argument
    add(
        "inputs",
        nargs="+",
        metavar="FILE_OR_FOLDER",
        help="recordings or folders of them; demo: those that come with sezoo; also settings: SECTION.KEY=VALUE",
    )
    add_setting(
        parser, "-m", "--model", key=("model.onnx_path", "model.state_dict_path"), type=model_path,
        required=True,
        metavar="MODEL", help="ONNX models, float or int8, dynamic or static, or torch weights",
    )  # fmt: skip
    add(
        "-o", "--output", type=Path, default=Path("denoised"), metavar="OUT",
        help="folder, or file name if one recording is given (default: denoised)",
    )  # fmt: skip
    add_setting(parser, "--play-like", key=("prediction.play_like", "play_like"), default="whole", metavar="HOW")
    add_program(parser)
    add_setting(parser, "--attenuation-limit", key="prediction.attenuation_limit_db", metavar="DB")
    add_setting(parser, "--format", key="prediction.format", metavar="ENDING")
    add_setting(parser, "--overwrite", key="prediction.overwrite", action="store_true")
    add_save_config(parser)
    add_json(parser)
    add_spectrum(parser)


def run(options: argparse.Namespace) -> None:
    """Denoise what the words name."""
    overrides = [word for word in options.inputs if "=" in word and not is_path(word)]
    paths = [RECORDINGS(word) for word in options.inputs if word not in overrides]
    more = settings_of(overrides, otherwise="there is no such file, and ")
    if options.save_config is not None:
        _save(options, paths, more)
    from sezoo.api.denoising import denoise_files

    written = denoise_files(
        paths,
        options.model,
        options.output,
        play_like=options.play_like,
        target=options.target,
        board=options.board,
        backend=options.backend,
        attenuation_limit=options.attenuation_limit,
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
        raise UserError(f"--save-config: a YAML file can denoise one file or one folder; found {len(paths)}")
    if output.suffix and not output.is_dir():
        raise UserError(f"--save-config: a YAML file can denoise into a folder only; found the file {output}")
    settings = prediction_settings(
        options.model,
        paths[0],
        spectrum_of(options),
        play_like=options.play_like,
        target=options.target,
        board=options.board,
        backend=options.backend,
        attenuation_limit=options.attenuation_limit,
        output=output,
        format=options.format,
        overwrite=options.overwrite,
        more=more,
    )
    save_config(argparse.Namespace(**{**vars(options), "output": None}), settings)
