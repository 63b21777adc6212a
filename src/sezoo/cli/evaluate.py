"""`sezoo evaluate`.

Score one or more models, and the noisy recordings themselves, against clean
speech. Static models are also scored as the board runs them. The report of
several models is one page that compares them.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from sezoo.base.errors import UserError
from sezoo.cli.output import PAGE, print_json, print_results, save_config
from sezoo.cli.overrides import is_override, is_path, settings_of
from sezoo.cli.parser import (
    Parser,
    add_json,
    add_metrics,
    add_output,
    add_program,
    add_save_config,
    add_spectrum,
    metrics_of,
    spectrum_of,
)
from sezoo.cli.section_options import add_setting
from sezoo.cli.shipped import demo_folder, model_path

__all__ = ["add_arguments", "run"]


def add_arguments(parser: Parser) -> None:
    """Add the arguments of the command."""
    add_setting(
        parser, "models", key=("model.onnx_path", "model.state_dict_path"), nargs="+", type=str, metavar="MODEL",
        help="ONNX models, float or int8, dynamic or static, or torch weights; also settings of a YAML file: "
        "SECTION.KEY=VALUE",
    )  # fmt: skip
    add_setting(
        parser, "--noisy", key="dataset.noisy_test_files_path", type=demo_folder("noisy_testset"), metavar="DIR",
        required=True, help="noisy recordings; demo: those that come with sezoo",
    )  # fmt: skip
    add_setting(
        parser, "--clean", key="dataset.clean_test_files_path", type=demo_folder("clean_testset"), metavar="DIR",
        help="their clean speech, with the same file names (default: none; only DNSMOS is scored)",
    )  # fmt: skip
    add_metrics(parser)
    add_setting(parser, "--play-like", key=("evaluation.play_like", "play_like"), several=True, metavar="NAMES")
    add_program(parser)
    add_setting(parser, "--clips", key="dataset.num_test_samples", metavar="N", default_is="all")
    add_setting(parser, "--explain-deployment", key="evaluation.explain_deployment", action="store_true")
    add_setting(parser, "--robustness", key="evaluation.robustness", action="store_true")
    add_setting(parser, "--workers", key="evaluation.num_workers", metavar="N")
    add_output(parser)
    add_save_config(parser)
    add_json(parser)
    add_spectrum(parser)


def run(options: argparse.Namespace) -> None:
    """Score, the tables on the way."""
    overrides = [word for word in options.models if is_override(word) and not is_path(word)]
    models = [_model(word) for word in options.models if word not in overrides]
    if not models:
        raise UserError("no model: name an ONNX file, or several")
    if len(models) > 1 and options.save_config is not None:
        raise UserError(f"--save-config: a YAML file can evaluate one model; found {len(models)}")
    from sezoo.api.settings import evaluation_settings

    all_settings = [
        evaluation_settings(
            model,
            options.noisy,
            spectrum_of(options),
            clean=options.clean,
            metrics=metrics_of(options),
            play_like=options.play_like,
            target=options.target,
            board=options.board,
            backend=options.backend,
            num_clips=options.clips,
            explain_deployment=options.explain_deployment,
            robustness=options.robustness,
            workers=options.workers,
            more=settings_of(overrides),
        )
        for model in models
    ]
    save_config(options, all_settings[0])
    from sezoo.api.evaluating import run_evaluations

    result = run_evaluations(models, all_settings, options.output, tables=not options.json)
    if options.json:
        print_json(result)
    else:
        print_results(result.folder, [(result.report, PAGE)])


def _model(word: str) -> Path:
    try:
        return model_path(word)
    except argparse.ArgumentTypeError as error:
        raise UserError(str(error)) from error
