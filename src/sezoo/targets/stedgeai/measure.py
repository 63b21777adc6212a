"""Measuring a model with ST Edge AI: on a board in the cloud, or else as exactly as is possible otherwise."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sezoo.base.errors import UserError
from sezoo.base.files import write_json
from sezoo.config.sections_board import STEdgeAI
from sezoo.targets.programs import find_program, try_program
from sezoo.targets.stedgeai.cloud import Cloud, Patience, tool_arguments
from sezoo.targets.stedgeai.facts import StEdgeAiResult
from sezoo.targets.stedgeai.local import STEDGEAI, measure_locally
from sezoo.targets.stedgeai.login import NO_ACCOUNT, can_log_in
from sezoo.targets.stedgeai.reports import result_of
from sezoo.targets.stedgeai.tokens import token_file

__all__ = ["check_measurable", "measure"]

log = logging.getLogger(__name__)


def measure(
    model: Path, board: str, settings: STEdgeAI, folder: Path, patience: Patience | None = None
) -> StEdgeAiResult:
    """Memory, work and, from a benchmark, time of a model.

    With `on_cloud` the cloud's benchmark is tried first, then its analysis, then the program of this computer; a
    warning says why one was passed over. Otherwise only the program is asked.

    Parameters
    ----------
    model : ONNX, of fixed shape.
    folder : where logs and reports are kept.
    patience : with the cloud.

    Raises
    ------
    UserError : none of them has a result; what each said. Reports that were in `folder` are as they were.
    """
    if not settings.on_cloud:
        return measure_locally(model, board, settings.optimization, settings.path_to_stedgeai, folder)
    failures: list[str] = []
    with _log_failure(failures, "cloud"):
        cloud = Cloud(patience)
        version = cloud.version(settings.version)
        with cloud.upload(model) as name:
            arguments = {"model": name, **tool_arguments(board, settings.optimization)}
            with _log_failure(failures, "cloud benchmark"):
                answer = cloud.benchmark(board, arguments, version)
                return _result(cloud, answer, "cloud benchmark", version, folder)
            with _log_failure(failures, "cloud analyze"):
                answer = cloud.run("analyze", arguments, version)
                return _result(cloud, answer, "cloud analyze", version, folder)
    with _log_failure(failures, "local generate"):
        return measure_locally(model, board, settings.optimization, settings.path_to_stedgeai, folder)
    raise UserError(f"ST Edge AI cannot measure {model.name} for {board}: {'; '.join(failures)}")


def check_measurable(settings: STEdgeAI) -> None:
    """Check that there is something to measure with, before there is a model.

    Raises
    ------
    UserError : no program where the cloud is not wanted; neither an account nor a program where it is.
    """
    if not settings.on_cloud:
        find_program(STEDGEAI, settings.path_to_stedgeai)
        return
    if can_log_in() or token_file().is_file():
        return
    why = ", which is not there either"
    try:
        if try_program(STEDGEAI, settings.path_to_stedgeai) is not None:
            return
    except UserError as error:  # the model zoo's files name a program that the cloud makes needless
        why = f" ({error})"
    raise UserError(
        f"{NO_ACCOUNT}{why}; benchmarking.targets: host, cortex-m55, cortex-m7 and cortex-m4 need nothing of ST's"
    )


@contextmanager
def _log_failure(failures: list[str], what: str) -> Iterator[None]:
    """Note why one way did not lead to a result, and go on with the next."""
    try:
        yield
    except UserError as error:
        failures.append(f"{what}: {error}")
        log.warning("%s: no result: %s", what, error)


def _result(cloud: Cloud, answer: dict[str, object], obtained: str, version: str, folder: Path) -> StEdgeAiResult:
    """The result in an answer; the answer itself is kept."""
    answer = cloud.web.clean_document(answer)
    result = result_of(answer, f"{obtained}: the answer", obtained, version)
    write_json(folder / f"{obtained.replace(' ', '_')}.json", answer)
    if obtained == "cloud benchmark" and result.milliseconds is None:
        log.warning("%s: the answer has no time in it", obtained)
    return result
