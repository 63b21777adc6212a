"""Terminal output: the log, in colour where the terminal supports it, and results."""

from __future__ import annotations

import logging
import sys
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING

from sezoo.base.foreign_text import to_one_line, to_printable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

__all__ = [
    "RESULT_WIDTH",
    "OneLine",
    "configure_logging",
    "console",
    "escape_unencodable",
    "is_verbose",
    "stdout_console",
    "styled_text",
    "write",
]

RESULT_WIDTH = 140
"""Columns of results where standard output is no terminal."""


@cache
def console() -> Console:
    """Console on standard error; standard output is for results only.

    Bars of progress are drawn on it, unless only warnings are wanted; what it is given to print or to ask it does
    in any case.
    """
    shown_by = _log_handlers()
    quiet = bool(shown_by) and all(handler.level > logging.INFO for handler in shown_by)
    return _console(stderr=True, force_terminal=False if quiet else None)


def stdout_console(width: int | None = RESULT_WIDTH, **how: object) -> Console:
    """Console on standard output, for results: as wide as the terminal, or wide enough for a table without one.

    Parameters
    ----------
    width : columns where standard output is no terminal.
    how : other arguments of rich's `Console`.
    """
    _make_room()
    return _console(file=sys.stdout, width=None if sys.stdout.isatty() else width, **how)


def styled_text(*parts: str | tuple[str, str]) -> Text:
    """Text for a console or a cell of a table, of parts with a style, `("fits", "green")`, and parts without one."""
    from rich.text import Text

    words = ((part, "") if isinstance(part, str) else part for part in parts)
    return Text.assemble(*((to_printable(text, lines=True), style) for text, style in words))


def write(text: str) -> None:
    """Write lines to standard output, printable and without markup, each with a newline."""
    _make_room()
    sys.stdout.write(to_printable(text, lines=True) + "\n")


def _make_room() -> None:
    """Take what moves at the bottom of the terminal away, as results are about to be written there."""
    progress = sys.modules.get("sezoo.base.progress")  # not imported: nothing moves
    if progress is not None and sys.stdout.isatty():
        progress.rest()


def escape_unencodable() -> None:
    r"""Let the standard streams escape characters that their code page lacks (`\u4e2d`) instead of raising."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, ValueError, OSError):  # replaced by another kind of file, closed
            stream.reconfigure(errors="backslashreplace")


def _console(**how: object) -> Console:
    """A console that prints text as it is: no markup, no emoji codes, nothing unprintable.

    What is in colour is `styled_text`, or printed with a style.
    """
    from rich.console import Console

    class PlainConsole(Console):
        def render_str(self, text: str, **how: object) -> Text:  # every string goes through here, those of tables too
            return super().render_str(to_printable(text, lines=True), **{**how, "markup": False, "emoji": False})

    return PlainConsole(highlight=False, markup=False, emoji=False, **how)


def configure_logging(level: int = logging.INFO) -> None:
    """Show the package's log on standard error: coloured on a terminal, plain lines elsewhere.

    The level is that of the terminal alone: a run's log file has everything in any case.
    """
    logger = logging.getLogger("sezoo")
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    for handler in _log_handlers():
        logger.removeHandler(handler)
    console.cache_clear()  # the level decides about its bars
    handler = _terminal_handler(level) if sys.stderr.isatty() else _plain_handler()
    handler.setLevel(level)
    handler.addFilter(OneLine())
    logger.addHandler(handler)


def is_verbose() -> bool:
    """Return whether details are shown (--verbose, --debug)."""
    return any(logging.NOTSET < handler.level <= logging.DEBUG for handler in _log_handlers())


def _log_handlers() -> list[logging.Handler]:
    """Handlers that show the package's log to the user."""
    handlers = logging.getLogger("sezoo").handlers
    return [handler for handler in handlers if not isinstance(handler, logging.FileHandler)]


class OneLine(logging.Filter):
    """Filter that turns each log record into one printable line; all handlers of the package use it."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Let everything through."""
        record.msg, record.args = to_one_line(record.getMessage()), None
        return True


def _terminal_handler(level: int) -> logging.Handler:
    from rich.highlighter import NullHighlighter
    from rich.logging import RichHandler

    # Where there are bars the log has to go through the same console, which then moves them out of its way.
    target = console() if level <= logging.INFO else _console(stderr=True)
    return RichHandler(
        console=target, show_path=False, omit_repeated_times=False, log_time_format="%H:%M:%S",
        highlighter=NullHighlighter(), keywords=[],
    )  # fmt: skip


def _plain_handler() -> logging.Handler:
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s", datefmt="%H:%M:%S"))
    return handler
