"""`sezoo train`.

Train a network on mixtures of speech and noise (--speech, --noise) or on pairs
of recordings (--clean, --noisy), by the recipe of the shipped models, which
--save-config shows. Needs PyTorch: pip install 'sezoo[train]'
"""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path

from sezoo.base.errors import UserError
from sezoo.base.files import display_path
from sezoo.cli.output import PAGE, print_json, print_results, run_of
from sezoo.cli.overrides import settings_of
from sezoo.cli.parser import (
    Parser,
    add_run_options,
    spectrum_of,
)
from sezoo.cli.section_options import add_setting
from sezoo.cli.shipped import model_path

__all__ = ["add_arguments", "run"]

EPOCHS = 100


def add_arguments(parser: Parser) -> None:
    """Add the arguments of the command."""
    folders = (
        ("--speech", "speech_path", "folder of clean speech, subfolders included"),
        ("--noise", "noise_path", "folder of noise to mix it with, subfolders included"),
        ("--clean", "clean_train_files_path", "instead of mixing: clean recordings ..."),
        ("--noisy", "noisy_train_files_path", "... and noisy ones with the same file names"),
    )
    for flag, key, words in folders:
        add_setting(parser, flag, key=f"dataset.{key}", type=Path, metavar="DIR", help=words)
    add_setting(parser, "--model", key="model.model_type", default="STFTTCNN", metavar="NAME")
    add_setting(
        parser, "--weights", key="model.state_dict_path", type=model_path, metavar="FILE",
        help="weights to start from: torch's, a float ONNX model's, or the name of a shipped model, whose network is "
        "taken with them (default: random)",
    )  # fmt: skip
    add_setting(parser, "--epochs", key="training.epochs", default=EPOCHS, metavar="N")
    add_setting(
        parser, "--batch-size", key="training.batch_size", metavar="N", help="clips per step (default: the recipe's)"
    )
    add_setting(parser, "--device", key="training.device", metavar="NAME")
    parser.add_argument(
        "--resume", action="store_true",
        help="resume an unfinished training: that of the folder -o, else the newest in experiment_outputs; it takes "
        "the recordings of that training if you name none (-o with such a folder resumes without --resume, too)",
    )  # fmt: skip
    add_run_options(parser)


def run(options: argparse.Namespace) -> None:
    """Train, and say what is where."""
    from sezoo.api.results import TrainedModel
    from sezoo.api.settings import training_settings

    if options.resume:
        options.output = _folder_to_resume(options.output)
    if options.resume and not any((options.speech, options.noise, options.noisy, options.clean)):
        settings = _settings_of_run(options)
    else:
        settings = training_settings(
            spectrum_of(options),
            speech=options.speech,
            noise=options.noise,
            noisy=options.noisy,
            clean=options.clean,
            architecture=options.model,
            weights=options.weights,
            epochs=options.epochs,
            batch_size=options.batch_size,
            device=options.device,
            more=settings_of(options.overrides),
        )
    result = TrainedModel.read(run_of(options, settings))
    if options.json:
        print_json(result)
        return
    if result.best is None:
        print_results(result.folder, [(result.report, PAGE)], ["nothing was trained: training.dryrun is true"])
        return
    print_results(
        result.folder,
        [(result.best, "float, of the best epoch"), (result.last, "float, of the last epoch"), (result.report, PAGE)],
        [f"next: sezoo quantize {shlex.quote(display_path(result.best))} --data DIR"],
    )


def _folder_to_resume(folder: Path | None) -> Path:
    """The folder of the unfinished training that --resume goes on with.

    Raises
    ------
    UserError : there is none.
    """
    from sezoo.api.running import DEFAULT_FOLDER
    from sezoo.results.unfinished import is_unfinished_training, newest_unfinished_training

    found = newest_unfinished_training(DEFAULT_FOLDER) if folder is None else folder
    if found is None or not is_unfinished_training(found):
        where = DEFAULT_FOLDER if folder is None else display_path(folder)
        raise UserError(f"--resume: no unfinished training in {where}, one with a snapshot and without its models")
    return found


def _settings_of_run(options: argparse.Namespace) -> dict:
    """The settings of the training that goes on, with other epochs, device and overrides where they are given."""
    from sezoo.api.sections import drop_none, merge_settings
    from sezoo.results.unfinished import settings_of_run

    epochs = options.epochs if options.epochs != EPOCHS else None
    changed = {"training": drop_none(epochs=epochs, device=options.device)}
    return merge_settings(merge_settings(settings_of_run(options.output), changed), settings_of(options.overrides))
