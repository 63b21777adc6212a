"""One run for a verb: a configuration built from its settings, a folder for it, and the services set to work."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from sezoo.api.sections import Settings
from sezoo.base.errors import UserError
from sezoo.base.yaml_text import dump_yaml, load_yaml

if TYPE_CHECKING:
    import numpy as np

__all__ = ["DEFAULT_FOLDER", "NAMED_BY_TIME", "is_begun", "run_settings", "was_finished", "yaml_of"]

DEFAULT_FOLDER = Path("experiment_outputs")
NAMED_BY_TIME = "%Y_%m_%d_%H_%M_%S"


def run_settings(
    settings: Settings,
    folder: str | Path | None,
    *,
    tables: bool = False,
    function: Callable[[np.ndarray], np.ndarray] | None = None,
) -> Path:
    """Do what the settings say.

    Parameters
    ----------
    folder : of the results, a new or an empty one, or that of an unfinished training, which goes on; one named by the
        time in experiment_outputs if None.
    tables : print the tables of results on standard output.
    function : the denoiser that the settings name as `model.function`.

    Returns
    -------
    folder : of the results.

    Raises
    ------
    UserError : a setting, a model or a recording is not fit for it; the folder holds something already.
    """
    from sezoo.config.validation import build_config
    from sezoo.results.unfinished import is_unfinished_training, settings_to_resume

    folder = None if folder is None else Path(folder)
    is_resumed = False
    if folder is not None and settings.get("operation_mode") == "training" and is_unfinished_training(folder):
        is_resumed, settings = True, settings_to_resume(folder, settings)
    config = build_config(settings)
    from sezoo.base.files import check_new_folder, write_text
    from sezoo.base.processes import process_count
    from sezoo.run.folder import (
        CONFIG_NAME,
        HYDRA_FOLDER,
        claim_run_folder,
        is_at_work_in,
        mark_as_running,
        remove_without_results,
    )
    from sezoo.services import run_services

    if process_count() > 1:
        raise UserError("several processes (torchrun) need a YAML file: --save-config writes it, --config-name runs it")
    text = yaml_of(settings)
    if folder is not None and not is_resumed and not _goes_on_in(folder, text):
        check_new_folder(folder, "folder")
    named_by_time = folder is None
    path = (DEFAULT_FOLDER / time.strftime(NAMED_BY_TIME) if folder is None else folder).absolute()
    path = claim_run_folder(path, named_by_time=named_by_time)
    try:
        with (
            mark_as_running(path),
            _fill_log_files(),
        ):
            write_text(path / HYDRA_FOLDER / CONFIG_NAME, text)  # as a run from a YAML file has it
            run_services(config, path, tables=tables, function=function)
    except (UserError, KeyboardInterrupt):
        if not is_at_work_in(path):
            remove_without_results(path)
        raise
    return path


def is_begun(parent: Path, runs: Mapping[Path, Settings], result: str) -> bool:
    """Whether a folder holds nothing but some of these runs, each with its settings, finished or killed.

    Parameters
    ----------
    result : name of the file that a run writes at its end.
    """
    if not parent.is_dir():
        return False
    there = [path for path in parent.iterdir() if not path.name.startswith(".")]
    return all(
        path in runs and (was_finished(path, runs[path], result) or _goes_on_in(path, yaml_of(runs[path])))
        for path in there
    )


def was_finished(folder: Path, settings: Settings, result: str) -> bool:
    """Whether the folder holds a run with these settings that has come to its end, and has written its result."""
    from sezoo.base.files import file_text, read_text
    from sezoo.run.folder import CONFIG_NAME, HYDRA_FOLDER, is_marked_as_running

    config = folder / HYDRA_FOLDER / CONFIG_NAME
    if not config.is_file() or not (folder / result).is_file() or is_marked_as_running(folder):
        return False
    return read_text(config) == file_text(yaml_of(settings))


def _goes_on_in(folder: Path, text: str) -> bool:
    """Whether the folder holds nothing but a run with the same settings that was ended before it had all results.

    Settings that say only where the work is done may differ: after a cluster is lost, this machine can go on.
    """
    from sezoo.base.files import read_text
    from sezoo.results.unfinished import is_unfinished_evaluation
    from sezoo.run.folder import CONFIG_NAME, HYDRA_FOLDER, was_killed

    if not folder.is_dir():
        return False
    config = folder / HYDRA_FOLDER / CONFIG_NAME
    if not config.is_file():  # it had only just begun
        return all(path.name == HYDRA_FOLDER for path in folder.iterdir())
    is_ended = was_killed(folder) or is_unfinished_evaluation(folder)
    return is_ended and _without_places(read_text(config)) == _without_places(text)


def _without_places(text: str) -> object:
    """The settings of a YAML text without those that say which machines and how many processes do the work."""
    settings = load_yaml(text, "the settings")
    if not isinstance(settings, dict):
        return settings
    rest = {}
    for section, entries in settings.items():
        if isinstance(entries, dict):
            entries = {key: entry for key, entry in entries.items() if key not in ("executor", "num_workers")}
        if entries != {}:
            rest[section] = entries
    return rest


def yaml_of(settings: Settings, *, ascii_only: bool = False) -> str:
    """The settings as the text of a YAML file, from which Hydra makes the same run."""
    return dump_yaml(_plain(settings), flow_lists=True, for_hydra=True, ascii_only=ascii_only)


def _plain(value: object) -> object:
    match value:
        case dict():
            return {key: _plain(entry) for key, entry in value.items()}
        case list() | tuple():
            return [_plain(entry) for entry in value]
        case Path():
            return value.as_posix()
    return value


@contextmanager
def _fill_log_files() -> Iterator[None]:
    """Write all log records to the run's log file, whatever the level of sezoo's logger.

    The handlers of the calling program still receive only the records that pass their levels.
    """
    logger = logging.getLogger("sezoo")
    level, handlers, propagate = logger.level, list(logger.handlers), logger.propagate
    if level == logging.DEBUG:
        yield
        return
    forward = _Forward(level, handlers, propagate)
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    logger.handlers[:] = [forward]
    try:
        yield
    finally:
        logger.setLevel(level)
        logger.propagate = propagate
        logger.handlers[:] = handlers


class _Forward(logging.Handler):
    """Forwards records to the existing handlers and the root logger, according to their levels."""

    def __init__(self, level: int, handlers: Sequence[logging.Handler], propagate: bool):
        super().__init__()
        self.lowest, self.handlers, self.propagate = level, handlers, propagate

    def emit(self, record: logging.LogRecord) -> None:
        root = logging.getLogger()
        if record.levelno < (self.lowest or root.getEffectiveLevel()):
            return
        for handler in self.handlers:
            if record.levelno >= handler.level:
                handler.handle(record)
        if self.propagate:
            root.handle(record)
