"""Progress display of long operations.

On a terminal one line moves as long as there is work, with a bar where the number of steps is known; in a notebook
there is a bar below the cell; elsewhere the log has a line every few seconds.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any, TypeVar

from sezoo.base.foreign_text import to_one_line
from sezoo.base.terminal import console

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

__all__ = ["counted", "rest", "working"]

log = logging.getLogger(__name__)

Item = TypeVar("Item")

SECONDS_A_LINE = 5
"""Between lines of progress where there is no terminal to draw a bar on."""
SECONDS_OF_SILENCE = 3
"""After which the log says again what is being done, where no steps are counted."""
SECONDS_A_CELL = 0.2
"""Between two states of the bar in a notebook."""


@contextmanager
def working(what: str, *, in_log: bool = False) -> Iterator[None]:
    """Show on a terminal that something is being done, and for how long, until this context ends.

    Inside another one, or where `counted` is at work inside, the innermost is shown.

    Parameters
    ----------
    in_log : where there is no terminal, the log says it every few seconds. For work in which nothing is counted or
        logged: a compiler, an emulator.
    """
    if _is_terminal():
        with _DISPLAY.showing(_Work(to_one_line(what))):
            yield
    elif in_log and not _is_notebook():
        with _log_regularly(to_one_line(what)):
            yield
    else:
        yield


def counted(items: Iterable[Item], total: int, what: str) -> Iterator[Item]:
    """Pass `items` on, of which there are `total`, and show how far it is."""
    if _is_terminal():
        return _bar(items, total, what)
    return _cell(items, total, what) if _is_notebook() else _lines(items, total, what)


def rest() -> None:
    """Take the moving line off the terminal, before something else is written there; the next step brings it back."""
    _DISPLAY.rest()


@dataclass(eq=False)
class _Work:
    """An operation in progress; `total` is None if the number of steps is unknown."""

    what: str
    total: int | None = None
    done: int = 0


class _Display:
    """The line at the bottom of the terminal: the innermost of all that is being done."""

    def __init__(self) -> None:
        self._works: list[_Work] = []
        self._progress: Progress | None = None
        self._task: TaskID | None = None
        self._shown: _Work | None = None

    @contextmanager
    def showing(self, work: _Work) -> Iterator[None]:
        self._works.append(work)
        self._show()
        try:
            yield
        finally:
            self._works.remove(work)
            self._show()

    def advance(self, work: _Work) -> None:
        work.done += 1
        if self._progress is not None and self._shown is work:
            self._progress.update(self._task, completed=work.done)
        else:
            self._show()

    def rest(self) -> None:
        progress, self._progress, self._shown = self._progress, None, None
        if progress is not None:
            progress.stop()

    def _show(self) -> None:
        if not self._works:
            self.rest()
            return
        if self._progress is None:
            self._progress = _new_progress()
            self._progress.start()
        work = self._works[-1]
        if work is not self._shown:
            if self._shown is not None:
                self._progress.remove_task(self._task)
            self._task = self._progress.add_task(work.what, total=work.total, completed=work.done)
            self._shown = work


_DISPLAY = _Display()


def _new_progress() -> Progress:
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        SpinnerColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text

    class Bar(BarColumn):
        def render(self, task: Any) -> Any:
            return Text() if task.total is None else super().render(task)

    class Count(MofNCompleteColumn):
        def render(self, task: Any) -> Text:
            return Text() if task.total is None else super().render(task)

    class Time(TimeRemainingColumn):
        def render(self, task: Any) -> Text:
            return TimeElapsedColumn().render(task) if task.total is None else super().render(task)

    columns = (
        SpinnerColumn("line"),  # of ASCII; it moves while a step of many seconds is at work
        TextColumn("{task.description}", markup=False),
        Bar(),
        Count(),
        Time(compact=True),
    )
    # What goes to standard output stays there, wherever that leads: see `rest`.
    return Progress(*columns, console=console(), transient=True, redirect_stdout=False)


def _is_terminal() -> bool:
    return sys.stderr is not None and sys.stderr.isatty() and console().is_terminal


def _bar(items: Iterable[Item], total: int, what: str) -> Iterator[Item]:
    work = _Work(to_one_line(what), total)
    with _DISPLAY.showing(work):
        for item in items:
            yield item
            _DISPLAY.advance(work)


def _lines(items: Iterable[Item], total: int, what: str) -> Iterator[Item]:
    first = logged = time.monotonic()
    for done, item in enumerate(items, 1):
        yield item
        now = time.monotonic()
        if done == 1:
            first = now  # the first one also waits for processes that start: it is no measure of the others
        if now - logged >= SECONDS_A_LINE and done < total:
            logged = now
            rest = "" if done == 1 else f", {(now - first) / (done - 1) * (total - done):.0f} s to go"
            log.info("%s: %d of %d%s", what, done, total, rest)


_LOGGED: list[str] = []
"""What `_log_regularly` is at work on, the innermost last."""


@contextmanager
def _log_regularly(what: str) -> Iterator[None]:
    """Say every few seconds what is being done and since when; only the innermost does."""
    ended, begun = threading.Event(), time.monotonic()

    def say() -> None:
        while not ended.wait(SECONDS_OF_SILENCE):
            if _LOGGED[-1:] == [what]:
                log.info("%s, for %.0f s now", what, time.monotonic() - begun)

    _LOGGED.append(what)
    thread = threading.Thread(target=say, daemon=True)
    thread.start()
    try:
        yield
    finally:
        _LOGGED.remove(what)
        ended.set()
        thread.join()


def _is_notebook() -> bool:
    """Whether this is a Jupyter kernel, which shows HTML below the cell."""
    module = sys.modules.get("IPython")
    shell = module.get_ipython() if module is not None else None
    return getattr(shell, "kernel", None) is not None


def _cell(items: Iterable[Item], total: int, what: str) -> Iterator[Item]:
    """A bar below the cell, of plain HTML: no widgets have to be installed. It goes when the work is done."""
    from IPython.display import HTML, display

    def bar(done: int) -> HTML:
        words = f"{escape(to_one_line(what))}: {done} of {total}"
        return HTML(f'<progress value="{done}" max="{total}" aria-label="{words}"></progress> {words}')

    handle = display(bar(0), display_id=True)
    shown = time.monotonic()
    try:
        for done, item in enumerate(items, 1):
            yield item
            if (now := time.monotonic()) - shown >= SECONDS_A_CELL:
                shown = now
                handle.update(bar(done))
    finally:
        handle.update(HTML(""))
