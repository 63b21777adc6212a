"""What a person sees: the log on the terminal, in colour where that is possible, plain elsewhere."""

from __future__ import annotations

import logging
import sys
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["RESULT_WIDTH", "configure_logging", "console", "results"]

RESULT_WIDTH = 140
"""Columns of results where standard output is no terminal."""


@cache
def console() -> Console:
    """The terminal: standard error, so that standard output holds results alone.

    Bars of progress are drawn on it, unless only warnings are wanted; what it is given to print or to ask it does
    in any case.
    """
    from rich.console import Console

    quiet = logging.getLogger("sezoo").level > logging.INFO
    return Console(stderr=True, highlight=False, force_terminal=False if quiet else None)


def results() -> Console:
    """Standard output, where results go: as wide as the terminal, or wide enough for a table where there is none."""
    from rich.console import Console

    return Console(file=sys.stdout, highlight=False, width=None if sys.stdout.isatty() else RESULT_WIDTH)


def configure_logging(level: int = logging.INFO) -> None:
    """Show the package's log on standard error: coloured on a terminal, plain lines elsewhere."""
    logger = logging.getLogger("sezoo")
    logger.setLevel(level)
    logger.propagate = False
    for handler in [handler for handler in logger.handlers if not isinstance(handler, logging.FileHandler)]:
        logger.removeHandler(handler)
    console.cache_clear()  # the level decides about its bars
    logger.addHandler(_terminal_handler(level) if sys.stderr.isatty() else _plain_handler())


def _terminal_handler(level: int) -> logging.Handler:
    from rich.console import Console
    from rich.logging import RichHandler

    # Where there are bars the log has to go through the same console, which then moves them out of its way.
    target = console() if level <= logging.INFO else Console(stderr=True, highlight=False)
    return RichHandler(console=target, show_path=False, omit_repeated_times=False, log_time_format="%H:%M:%S")


def _plain_handler() -> logging.Handler:
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s", datefmt="%H:%M:%S"))
    return handler
