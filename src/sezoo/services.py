"""The services of each operation mode, in order."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from sezoo.base.errors import UserError
from sezoo.base.processes import is_helper
from sezoo.base.processors import available_processors
from sezoo.base.progress import working
from sezoo.base.registry import shadowed_names
from sezoo.base.text import did_you_mean_path
from sezoo.config.modes import steps
from sezoo.config.registries import REGISTRIES
from sezoo.config.sections import Config
from sezoo.models.download import with_local_model
from sezoo.results.run_record import record_run
from sezoo.run.run import Run, open_run, use_file_key_names
from sezoo.run.tracked_files import track_figures_and_sounds

__all__ = ["SERVICES", "Service", "check_folder", "plan", "run_services"]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Service:
    """The service of a letter in an operation mode.

    Attributes
    ----------
    do : the service itself. It first checks what it needs.
    check : the same checks, as far as they can be made before an earlier service of a chain has made its models.
    """

    do: Callable[[Run], None]
    check: Callable[[Config, bool], None]


def _training(run: Run) -> None:
    _check_folders(run.config)  # said before torch is imported, which takes many seconds on a busy machine
    with working("loading PyTorch", in_log=True):
        import sezoo.models.torch.mask_model  # noqa: F401 - says what to install where there is no torch
        from sezoo.training.service import train

    if not run.config.training.quantization_aware:
        train(run)
        return
    from sezoo.quantization.aware import int8_start

    train(run, partial(int8_start, run))


def _check_folders(config: Config) -> None:
    """Refuse folders of recordings to train on that are not there.

    Raises
    ------
    UserError : there is none of that name.
    """
    kinds = ("speech", "noise") if config.dataset.name == "mix" else ("noisy_train_files", "clean_train_files")
    for key in (f"{kind}_path" for kind in kinds):
        folder = getattr(config.dataset, key)
        if folder is not None and not Path(folder).exists():
            raise UserError(f"dataset.{key}: there is no folder {folder}{did_you_mean_path(Path(folder))}")


def _check_training(config: Config, model_is_made: bool) -> None:
    """Check nothing before training, which is the first service and checks its own needs."""


def _quantization(run: Run) -> None:
    from sezoo.quantization.service import quantize  # onnxruntime loads here, not for `--help`

    quantize(run)


def _check_quantization(config: Config, model_is_made: bool) -> None:
    from sezoo.quantization.service import check_quantization

    check_quantization(config, model_is_made=model_is_made)


def _evaluation(run: Run) -> None:
    from sezoo.evaluation.service import evaluate
    from sezoo.report.robustness_table import print_robustness
    from sezoo.report.score_figure import save_score_figure
    from sezoo.report.score_table import print_scores

    results = evaluate(run)
    save_score_figure(run.folder / "evaluation.png", results)
    if run.tables:
        print_scores(results)
    if run.tables and results.robustness is not None:
        print_robustness(results.robustness)


def _check_evaluation(config: Config, model_is_made: bool) -> None:
    from sezoo.evaluation.service import check_evaluation

    check_evaluation(config)


def _prediction(run: Run) -> None:
    from sezoo.prediction.service import predict

    predict(run)


def _check_prediction(config: Config, model_is_made: bool) -> None:
    from sezoo.prediction.service import check_prediction

    check_prediction(config)


def _benchmarking(run: Run) -> None:
    from sezoo.benchmarking.service import benchmark

    benchmark(run)


def _check_benchmarking(config: Config, model_is_made: bool) -> None:
    from sezoo.benchmarking.service import check_benchmarking

    check_benchmarking(config)


def _deployment(run: Run) -> None:
    from sezoo.deployment.service import deploy

    deploy(run)


def _check_deployment(config: Config, model_is_made: bool) -> None:
    from sezoo.deployment.service import check_deployment

    check_deployment(config)


def check_folder(config: Config, folder: Path) -> None:
    """Check, before anything is written there, that a run's folder is free for it.

    Raises
    ------
    UserError : it holds a training that this run would overwrite.
    """
    if "t" in steps(config.operation_mode):
        from sezoo.training.resumption import check_no_other_training

        check_no_other_training(config, folder)


SERVICES: dict[str, Service] = {
    "t": Service(_training, _check_training),
    "q": Service(_quantization, _check_quantization),
    "e": Service(_evaluation, _check_evaluation),
    "b": Service(_benchmarking, _check_benchmarking),
    "d": Service(_deployment, _check_deployment),
    "p": Service(_prediction, _check_prediction),
}
"""The services, by the letters of `sezoo.config.modes.LETTERS`."""

DOING = {
    "t": "training",
    "q": "quantizing",
    "e": "scoring",
    "b": "benchmarking",
    "d": "deploying",
    "p": "denoising",
}
"""What a person reads while a service is at work, by the same letters."""


def plan(mode: str) -> str:
    """The letters of the services that a mode goes through, in order.

    Evaluation compares all models that there are, in one pass over the clips: where it comes twice, as in
    `chain_eqe`, it is done once, when there are most models.
    """
    letters = steps(mode)
    last = letters.rfind("e")
    return "".join(letter for index, letter in enumerate(letters) if letter != "e" or index == last)


def run_services(config: Config, folder: Path, **given: Any) -> None:
    """Run the configured services, with the results in `folder`.

    `given` are further fields of `sezoo.run.run.Run`.

    What the later services of a chain need is checked before the first one starts. A process that helps another to
    train (see `sezoo.base.processes`) does that alone.
    """
    letters = plan(config.operation_mode)
    if is_helper():
        letters = "".join(letter for letter in letters if letter == "t")
    if "e" in letters and (config.evaluation.num_workers or available_processors()) > 1:
        from sezoo.base.worker_processes import preload_fork_server
        from sezoo.evaluation.preloaded import modules_to_score

        preload_fork_server(modules_to_score(config.evaluation.metrics or ("pesq", "stoi")))
    with use_file_key_names(config):
        config, message = with_local_model(config)
    with open_run(config, folder, **given) as run:
        with record_run(run):
            _do(run, letters, message)
        if config.general.report and not is_helper() and not _is_dry(config, letters):
            from sezoo.report.run_report import write_run_report

            with working("writing the report", in_log=True):
                write_run_report(run)
        track_figures_and_sounds(run)


def _do(run: Run, letters: str, message: str | None) -> None:
    config = run.config
    if message is not None:
        log.info("%s", message)
    for line in shadowed_names(REGISTRIES):
        log.warning("%s", line)
    if set(letters) - {"b"}:
        from sezoo.audio.stft import stft_of, warn_of_overlap

        warn_of_overlap(stft_of(config.preprocessing))
    for index, letter in enumerate(letters[1:], 1):
        SERVICES[letter].check(config, bool(set(letters[:index]) & set("tq")))
    for letter in letters[:1] if _is_dry(config, letters) else letters:
        with working(DOING[letter]):
            SERVICES[letter].do(run)


def _is_dry(config: Config, letters: str) -> bool:
    """Whether the run stops before the first epoch of a training."""
    return letters.startswith("t") and config.training.dryrun
