"""What a person sees: the log on the terminal, in colour where that is possible, plain elsewhere."""

from __future__ import annotations

import logging
import sys
from functools import cache

__all__ = ["configure_logging", "console"]


@cache
def console():
    """The terminal: standard error, so that standard output holds results alone."""
    from rich.console import Console

    return Console(stderr=True, highlight=False)


def configure_logging(level: int = logging.INFO) -> None:
    """Show the package's log on standard error: coloured on a terminal, plain lines elsewhere."""
    logger = logging.getLogger("sezoo")
    logger.setLevel(level)
    logger.propagate = False
    for handler in [handler for handler in logger.handlers if not isinstance(handler, logging.FileHandler)]:
        logger.removeHandler(handler)
    logger.addHandler(_terminal_handler() if sys.stderr.isatty() else _plain_handler())


def _terminal_handler() -> logging.Handler:
    from rich.logging import RichHandler

    return RichHandler(console=console(), show_path=False, omit_repeated_times=False, log_time_format="%H:%M:%S")


def _plain_handler() -> logging.Handler:
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s", datefmt="%H:%M:%S"))
    return handler
