"""`sezoo score`.

Score denoised recordings that something else has made: a board, another
program, another network. They are paired with the clean ones by name, and
aligned: a delay of up to a second is found and reported.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from sezoo.cli.output import PAGE, print_json, print_results, run_of
from sezoo.cli.overrides import settings_of
from sezoo.cli.parser import Parser, add_json, add_metrics, add_output, add_overrides, add_save_config, metrics_of
from sezoo.cli.section_options import add_setting
from sezoo.cli.shipped import demo_folder

__all__ = ["add_arguments", "run"]


def add_arguments(parser: Parser) -> None:
    """Add the arguments of the command."""
    add_setting(
        parser, "denoised", key="model.denoised_path", type=Path, metavar="DENOISED_DIR",
        help="folder of the denoised recordings",
    )  # fmt: skip
    add_setting(
        parser, "--clean", key="dataset.clean_test_files_path", type=demo_folder("clean_testset"), metavar="DIR",
        required=True, help="the clean speech, with the same file names; demo: that which comes with sezoo",
    )  # fmt: skip
    add_setting(
        parser, "--noisy", key="dataset.noisy_test_files_path", type=demo_folder("noisy_testset"), metavar="DIR",
        help="the noisy recordings, scored as well (default: none)",
    )  # fmt: skip
    add_metrics(parser)
    add_setting(parser, "--clips", key="dataset.num_test_samples", metavar="N", default_is="all")
    add_setting(parser, "--workers", key="evaluation.num_workers", metavar="N")
    add_setting(parser, "--sample-rate", key="preprocessing.sample_rate", metavar="HZ", dest="sample_rate")
    add_output(parser)
    add_save_config(parser)
    add_json(parser)
    add_overrides(parser)


def run(options: argparse.Namespace) -> None:
    """Score, the tables on the way."""
    from sezoo.api.evaluation import Evaluation
    from sezoo.api.settings import score_settings

    settings = score_settings(
        options.denoised,
        options.clean,
        noisy=options.noisy,
        metrics=metrics_of(options),
        num_clips=options.clips,
        workers=options.workers,
        sample_rate=options.sample_rate or 16000,
        more=settings_of(options.overrides),
    )
    result = Evaluation.read(run_of(options, settings))
    if options.json:
        print_json(result)
    else:
        print_results(result.folder, [(result.report, PAGE)])
