"""`sezoo evaluate`.

Score a model, or several, on noisy recordings and the clean speech in them,
beside the noisy recordings themselves. A static model is scored as the board
runs it too. Several are put beside each other on one page.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from sezoo.base.errors import UserError
from sezoo.cli.names import METRICS, PLAYS
from sezoo.cli.output import PAGE, print_json, print_results, save_config
from sezoo.cli.overrides import is_override, is_path, settings_of
from sezoo.cli.parser import (
    Parser,
    add_json,
    add_output,
    add_save_config,
    add_spectrum,
    setting,
    some_of,
    spectrum_of,
)

__all__ = ["add_arguments", "run"]


def add_arguments(parser: Parser) -> None:
    """Its words."""
    setting(
        parser, "models", key=("model.onnx_path", "model.state_dict_path"), nargs="+", metavar="MODEL",
        help="ONNX, float or int8, dynamic or static; or torch weights; also settings of a YAML file: "
        "SECTION.KEY=VALUE",
    )  # fmt: skip
    setting(
        parser, "--noisy", key="dataset.noisy_test_files_path", type=Path, metavar="DIR", required=True,
        help="noisy recordings",
    )  # fmt: skip
    setting(
        parser, "--clean", key="dataset.clean_test_files_path", type=Path, metavar="DIR",
        help="the clean speech in them, under the same names (default: none, and DNSMOS scores alone)",
    )  # fmt: skip
    setting(
        parser, "--metrics", key="evaluation.metrics", type=some_of(*METRICS), metavar="NAMES",
        help=f"scores, with commas between them: {', '.join(METRICS)} (default: all that the recordings allow)",
    )  # fmt: skip
    setting(
        parser, "--play-like", key=("evaluation.play_like", "play_like"), type=some_of(*PLAYS), metavar="NAMES",
        help="how a model is run: whole, patches, board, stream, or several with commas (default: whole; of a static "
        "model also as it would be deployed)",
    )  # fmt: skip
    setting(
        parser, "--clips", key="dataset.num_test_samples", type=int, metavar="N",
        help="recordings to draw, the same ones every time (default: all)",
    )  # fmt: skip
    setting(
        parser, "--explain-deployment", key="evaluation.explain_deployment", action="store_true",
        help="what each setting of the board costs (takes longer)",
    )  # fmt: skip
    setting(
        parser, "--robustness", key="evaluation.robustness", action="store_true",
        help="score the recordings quiet, loud, reverberant, band-limited, clipped, clean and at 0 to 20 dB SNR as "
        "well (50 of them at most; takes longer)",
    )  # fmt: skip
    setting(
        parser, "--workers", key="evaluation.num_workers", type=int, metavar="N",
        help="processes that score (default: one a core)",
    )  # fmt: skip
    add_output(parser)
    add_save_config(parser)
    add_json(parser)
    add_spectrum(parser)


def run(options: argparse.Namespace) -> None:
    """Score, the tables on the way."""
    overrides = [word for word in options.models if is_override(word) and not is_path(word)]
    models = [Path(word) for word in options.models if word not in overrides]
    if not models:
        raise UserError("no model: name an ONNX file, or several")
    if len(models) > 1 and options.save_config is not None:
        raise UserError(f"--save-config: a YAML file evaluates one model, here are {len(models)}; name one of them")
    from sezoo.api.settings import evaluation_settings

    all_settings = [
        evaluation_settings(
            model,
            options.noisy,
            spectrum_of(options),
            clean=options.clean,
            metrics=options.metrics,
            play_like=options.play_like,
            num_clips=options.clips,
            explain_deployment=options.explain_deployment,
            robustness=options.robustness,
            workers=options.workers,
            more=settings_of(overrides),
        )
        for model in models
    ]
    save_config(options, all_settings[0])
    from sezoo.api.verbs import run_evaluations

    result = run_evaluations(models, all_settings, options.output, tables=not options.json)
    if options.json:
        print_json(result)
    else:
        print_results(result.folder, [(result.report, PAGE)])
