"""One run: its folder, its log, its progress, and its entry in the experiment tracking."""

from __future__ import annotations

import errno
import logging
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from sezoo.base.errors import UserError
from sezoo.base.files import reason_of, write_text
from sezoo.base.progress import counted, working
from sezoo.base.terminal import OneLine
from sezoo.base.version import __version__
from sezoo.config.plain_data import to_yaml
from sezoo.config.sections import Config
from sezoo.run.folder import (
    LOG_NAME,
    RESOLVED_NAME,
    is_at_work_in,
    is_being_repeated,
    mark_as_running,
    remove_without_results,
)
from sezoo.run.tracking import Tracker, start_tracking

if TYPE_CHECKING:
    import numpy as np

__all__ = ["Artefacts", "ClipCount", "Run", "open_run", "use_file_key_names"]

log = logging.getLogger(__name__)

BEYOND_THE_PROGRAM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM}
"""Errors of the operating system that a user can fix: a full disk, a limit, a missing permission."""

Item = TypeVar("Item")


@dataclass
class Artefacts:
    """The models that services of a run have made, for those after them; None as long as there is none."""

    float_model: Path | None = None
    int8: Path | None = None
    int8_static: Path | None = None


@dataclass(frozen=True)
class ClipCount:
    """Number of clips used by a service, their seconds in total (None: not counted), and unusable clips."""

    clips: int
    seconds: float | None = None
    left_out: int = 0


@dataclass(frozen=True)
class Run:
    """State shared by the services: the folder of the results, the trackers, and the models of earlier services.

    Attributes
    ----------
    clips : that were used, by what for: training, validation, calibration, evaluation.
    tables : print the tables of results on standard output.
    function : the denoiser that `model.function` names, if a caller passed it.
    """

    config: Config
    folder: Path
    tracker: Tracker
    artefacts: Artefacts = field(default_factory=Artefacts)
    clips: dict[str, ClipCount] = field(default_factory=dict)
    tables: bool = True
    function: Callable[[np.ndarray], np.ndarray] | None = None

    @property
    def models_folder(self) -> Path:
        """Folder of the run's models."""
        return self.folder / self.config.general.saved_models_dir

    def progress(self, items: Iterable[Item], total: int, what: str) -> Iterator[Item]:
        """Pass `items` on, telling how far it is: a bar with the remaining time, or a few plain lines."""
        return counted(items, total, what)


@contextmanager
def open_run(config: Config, folder: Path, **given: Any) -> Iterator[Run]:
    """Open a run in `folder`: log file, resolved configuration, tracking.

    Parameters
    ----------
    given : further fields of `Run`.

    A run that fails is marked so in the tracking. If bad input ended it before it had any result, its
    folder is removed; the folder of a run with results, or of one that crashed, stays. So does one where
    another run's log is already, be it from earlier or from a run that was started in the same second.
    """
    shared = is_at_work_in(folder)
    try:
        with mark_as_running(folder), _log_file(folder / LOG_NAME):
            if is_being_repeated(folder):
                log.warning("%s: replacing a run that was terminated before its end", folder)
            log.info("sezoo %s, %s, results in %s", __version__, config.operation_mode, folder)
            write_text(folder / RESOLVED_NAME, to_yaml(config))
            with use_file_key_names(config), start_tracking(config, folder) as tracker, working(config.operation_mode):
                yield Run(config, folder, tracker, **given)
    except (UserError, KeyboardInterrupt):
        if not shared:
            remove_without_results(folder)
        raise
    except OSError as error:
        if error.errno not in BEYOND_THE_PROGRAM:
            raise
        if not shared:
            remove_without_results(folder)
        raise UserError(f"cannot write {error.filename or folder}: {reason_of(error)}") from error


@contextmanager
def use_file_key_names(config: Config) -> Iterator[None]:
    """Errors that are raised inside name keys as the user's file does."""
    try:
        yield
    except UserError as error:
        config.respell(error)
        raise


class _RunLog(logging.FileHandler):
    """The run's log file. Where it cannot be written on (a full disk), the run's own files tell it soon enough."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """Nothing to do."""

    def close(self) -> None:
        """Close it, also when what is left to write does not fit any more."""
        with suppress(OSError):
            super().close()


@contextmanager
def _log_file(path: Path) -> Iterator[None]:
    """Everything that is logged goes to this file as well; how the run ended goes only there."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handler = _RunLog(path, encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise UserError(f"cannot write {path}: {reason_of(error)}") from error
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    handler.addFilter(OneLine())
    logger = logging.getLogger("sezoo")
    logger.addHandler(handler)

    def note(words: str, trace: bool = False) -> None:
        # Whoever catches the exception reports it on the terminal.
        trace_info = sys.exc_info() if trace else None
        handler.handle(logger.makeRecord(log.name, logging.ERROR, __file__, 0, words, (), trace_info))

    try:
        yield
    except UserError as error:
        note(str(error))
        raise
    except KeyboardInterrupt:
        note("interrupted")
        raise
    except Exception:
        note("the run failed", trace=True)
        raise
    finally:
        logger.removeHandler(handler)
        handler.close()
