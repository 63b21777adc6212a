"""Record of a run, `run.json`: version, command, times, data and warnings, written by `record_run`."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import PlainSerializer

from sezoo.base.errors import UserError
from sezoo.base.processes import is_helper
from sezoo.base.terminal import OneLine
from sezoo.base.version import __version__
from sezoo.config.plain_data import without_environment
from sezoo.results.environment import invocation
from sezoo.results.result_file import ResultFile
from sezoo.run.folder import RECORD_NAME
from sezoo.run.run import ClipCount, Run

__all__ = ["LOOK_AHEAD", "SILENCE_GATE", "RunRecord", "RunWarning", "record_run"]

LOOK_AHEAD, SILENCE_GATE = "look-ahead", "silence gate"
"""What a warning can be about: `log.warning(..., extra={"about": LOOK_AHEAD})`."""

Time = Annotated[datetime, PlainSerializer(lambda time: time.isoformat(timespec="seconds"), return_type=str)]


Outcome = Literal["running", "done", "failed", "interrupted"]


@dataclass(frozen=True)
class RunWarning:
    """A warning of the log.

    Attributes
    ----------
    text : as it is in the log.
    about : look-ahead or silence gate, where the report's page has a place for it.
    """

    text: str
    about: str = ""


@dataclass(frozen=True, kw_only=True)
class RunRecord(ResultFile):
    """The last run of a folder.

    Attributes
    ----------
    version : of sezoo.
    operation_mode : as in the configuration.
    command, directory : what was called, and the working directory; empty where another program called sezoo.
    start, end : with the time zone; `end` is null as long as the run lasts, or where it was killed.
    outcome : running, done, failed or interrupted.
    error : why it failed.
    clips : how many the services have used, by what for: training, validation, calibration, evaluation.
    warnings : of the log, in order, each once.
    """

    file_name: ClassVar[str] = RECORD_NAME

    version: str = ""
    operation_mode: str = ""
    command: str = ""
    directory: str = ""
    start: Time | None = None
    end: Time | None = None
    outcome: Outcome = "done"
    error: str = ""
    clips: Mapping[str, ClipCount] = field(default_factory=dict)
    warnings: Sequence[RunWarning] = ()

    @property
    def seconds(self) -> float | None:
        """Duration of the run in seconds; None if it has not ended."""
        return None if self.start is None or self.end is None else (self.end - self.start).total_seconds()

    def warnings_about(self, what: str) -> list[str]:
        """The texts of those warnings."""
        return [warning.text for warning in self.warnings if warning.about == what]


@contextmanager
def record_run(run: Run) -> Iterator[None]:
    """Keep `run.json` of a run: written at its start, and again at its end, whatever that is."""
    if is_helper():  # the first process writes
        yield
        return
    command, directory = invocation()
    record = RunRecord(
        version=__version__,
        operation_mode=run.config.operation_mode,
        command=command,
        directory=directory,
        start=_now(),
        outcome="running",
    )
    record.write(run.folder, again=True)
    handler = _Warnings()
    logger = logging.getLogger("sezoo")
    logger.addHandler(handler)
    outcome: Outcome = "done"
    error = ""
    try:
        yield
    except KeyboardInterrupt:
        outcome = "interrupted"
        raise
    except Exception as raised:
        outcome, error = "failed", str(raised) or type(raised).__name__
        raise
    finally:
        logger.removeHandler(handler)
        warnings = [replace(each, text=without_environment(run.config, each.text)) for each in handler.found]
        ended = replace(
            record,
            end=_now(),
            outcome=outcome,
            error=without_environment(run.config, error),
            clips=run.clips,
            warnings=warnings,
        )
        _write_at_end(ended, run.folder, outcome)


def _write_at_end(record: RunRecord, folder: Path, outcome: str) -> None:
    """A full disk is reported by the write that filled it, unless another error is reported."""
    try:
        record.write(folder, again=True)
    except UserError:
        if outcome == "done":
            raise


def _now() -> datetime:
    return datetime.now().astimezone()


class _Warnings(logging.Handler):
    """Keeps the warnings, each once."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.addFilter(OneLine())
        self.found: dict[RunWarning, None] = {}

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno == logging.WARNING:
            self.found.setdefault(RunWarning(record.getMessage(), getattr(record, "about", "")))
