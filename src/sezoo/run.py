"""One run: its folder, its log, its progress, and its entry in the experiment tracking."""

from __future__ import annotations

import logging
import shutil
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from sezoo import __version__
from sezoo.config.sections import Config
from sezoo.config.validation import to_yaml
from sezoo.errors import UserError
from sezoo.files import reason_of, write_text
from sezoo.tracking import Tracker, start_tracking

__all__ = ["LOG_NAME", "Run", "open_run", "remove_without_results"]

log = logging.getLogger(__name__)

LOG_NAME = "stm32ai_main.log"
RESOLVED_NAME = "resolved_config.yaml"
NO_RESULTS = {LOG_NAME, RESOLVED_NAME, ".hydra"}
"""What every run's folder holds before the first service has done anything."""

SECONDS_A_LINE = 5
"""Between lines of progress where there is no terminal to draw a bar on."""

Item = TypeVar("Item")


@dataclass(frozen=True)
class Run:
    """What the services share: where results go, and who is told."""

    config: Config
    folder: Path
    tracker: Tracker

    @property
    def models_folder(self) -> Path:
        """Where the run's models are written."""
        return self.folder / self.config.general.saved_models_dir

    def progress(self, items: Iterable[Item], total: int, what: str) -> Iterator[Item]:
        """Pass `items` on, telling how far it is: a bar with the remaining time, or a few plain lines."""
        return _bar(items, total, what) if sys.stderr.isatty() else _lines(items, total, what)


def _bar(items: Iterable[Item], total: int, what: str) -> Iterator[Item]:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from sezoo.terminal import console

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(compact=True))
    with Progress(*columns, console=console(), transient=True) as progress:
        yield from progress.track(items, total=total, description=what)


def _lines(items: Iterable[Item], total: int, what: str) -> Iterator[Item]:
    started = told = time.monotonic()
    for done, item in enumerate(items, 1):
        yield item
        now = time.monotonic()
        if now - told >= SECONDS_A_LINE and done < total:
            told = now
            log.info("%s: %d of %d, %.0f s to go", what, done, total, (now - started) / done * (total - done))


@contextmanager
def open_run(config: Config, folder: Path) -> Iterator[Run]:
    """Open a run in `folder`: log file, resolved configuration, tracking.

    A run that fails is marked so in the tracking. If bad input ended it before it had any result, its
    folder is removed; the folder of a run with results, or of one that crashed, stays.
    """
    try:
        with _log_file(folder / LOG_NAME):
            log.info("sezoo %s, %s, results in %s", __version__, config.operation_mode, folder)
            write_text(folder / RESOLVED_NAME, to_yaml(config))
            with start_tracking(config, folder) as tracker:
                yield Run(config, folder, tracker)
    except (UserError, KeyboardInterrupt):
        remove_without_results(folder)
        raise


@contextmanager
def _log_file(path: Path) -> Iterator[None]:
    """Everything that is logged goes to this file as well."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handler = logging.FileHandler(path, encoding="utf-8")
    except OSError as error:
        raise UserError(f"cannot write {path}: {reason_of(error)}") from error
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logger = logging.getLogger("sezoo")
    logger.addHandler(handler)
    try:
        yield
    except UserError as error:
        logger.error("%s", error)
        raise
    except KeyboardInterrupt:
        logger.error("interrupted")
        raise
    except Exception:
        logger.exception("the run failed")
        raise
    finally:
        logger.removeHandler(handler)
        handler.close()


def remove_without_results(folder: Path) -> None:
    """Remove a run's folder, and the folders above it that are empty then, unless it holds results."""
    if not folder.is_dir() or any(_is_result(path) for path in folder.iterdir()):
        return
    shutil.rmtree(folder, ignore_errors=True)
    for parent in folder.parents:
        if parent == Path.cwd() or not parent.is_dir() or any(parent.iterdir()):
            return
        parent.rmdir()


def _is_result(path: Path) -> bool:
    if path.name in NO_RESULTS:
        return False
    return path.is_file() or any(path.iterdir())
