"""What a person sees: the log on the terminal, in colour where that is possible, plain elsewhere."""

from __future__ import annotations

import logging
import sys
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING

from sezoo.base.foreign_text import one_line, printable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

__all__ = [
    "RESULT_WIDTH",
    "OneLine",
    "configure_logging",
    "console",
    "encode_anything",
    "is_verbose",
    "results",
    "styled",
    "write",
]

RESULT_WIDTH = 140
"""Columns of results where standard output is no terminal."""


@cache
def console() -> Console:
    """The terminal: standard error, so that standard output holds only results.

    Bars of progress are drawn on it, unless only warnings are wanted; what it is given to print or to ask it does
    in any case.
    """
    shown_by = _shown_by()
    quiet = bool(shown_by) and all(handler.level > logging.INFO for handler in shown_by)
    return _console(stderr=True, force_terminal=False if quiet else None)


def results(width: int | None = RESULT_WIDTH, **how: object) -> Console:
    """Standard output, where results go: as wide as the terminal, or wide enough for a table where there is none.

    Parameters
    ----------
    width : columns where standard output is no terminal.
    how : other arguments of rich's `Console`.
    """
    _make_room()
    return _console(file=sys.stdout, width=None if sys.stdout.isatty() else width, **how)


def styled(*parts: str | tuple[str, str]) -> Text:
    """Text for a console or a cell of a table, of parts with a style, `("fits", "green")`, and parts without one."""
    from rich.text import Text

    words = ((part, "") if isinstance(part, str) else part for part in parts)
    return Text.assemble(*((printable(text, lines=True), style) for text, style in words))


def write(text: str) -> None:
    """Lines for a person on standard output, as they are: printable, without markup, each with its newline."""
    _make_room()
    sys.stdout.write(printable(text, lines=True) + "\n")


def _make_room() -> None:
    """Take what moves at the bottom of the terminal away, as results are about to be written there."""
    progress = sys.modules.get("sezoo.base.progress")  # not imported: nothing moves
    if progress is not None and sys.stdout.isatty():
        progress.rest()


def encode_anything() -> None:
    r"""Let the standard streams write characters that their code page lacks as `\u4e2d`, where they would raise."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, ValueError, OSError):  # replaced by another kind of file, closed
            stream.reconfigure(errors="backslashreplace")


def _console(**how: object) -> Console:
    """A console that prints text as it is: no markup, no emoji codes, nothing unprintable.

    What is in colour is `styled`, or printed with a style.
    """
    from rich.console import Console

    class PlainConsole(Console):
        def render_str(self, text: str, **how: object) -> Text:  # every string goes through here, those of tables too
            return super().render_str(printable(text, lines=True), **{**how, "markup": False, "emoji": False})

    return PlainConsole(highlight=False, markup=False, emoji=False, **how)


def configure_logging(level: int = logging.INFO) -> None:
    """Show the package's log on standard error: coloured on a terminal, plain lines elsewhere.

    The level is that of the terminal alone: a run's log file has everything in any case.
    """
    logger = logging.getLogger("sezoo")
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    for handler in _shown_by():
        logger.removeHandler(handler)
    console.cache_clear()  # the level decides about its bars
    handler = _terminal_handler(level) if sys.stderr.isatty() else _plain_handler()
    handler.setLevel(level)
    handler.addFilter(OneLine())
    logger.addHandler(handler)


def is_verbose() -> bool:
    """Whether details are shown to a person (--verbose, --debug)."""
    return any(logging.NOTSET < handler.level <= logging.DEBUG for handler in _shown_by())


def _shown_by() -> list[logging.Handler]:
    """What shows the package's log to a person."""
    handlers = logging.getLogger("sezoo").handlers
    return [handler for handler in handlers if not isinstance(handler, logging.FileHandler)]


class OneLine(logging.Filter):
    """Makes what is logged one printable line each, whatever names are in it; every handler of ours has it."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Let everything through."""
        record.msg, record.args = one_line(record.getMessage()), None
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
