"""`sezoo report`.

Write a page for the browser of what a run found, or of several beside each
other.
"""

from __future__ import annotations

import argparse

from sezoo.commands.parser import Parser

__all__ = ["add_arguments", "run"]


def add_arguments(parser: Parser) -> None:
    """Its words."""
    from sezoo.report import command

    command.add_arguments(parser)


def run(options: argparse.Namespace) -> int | None:
    """Write it."""
    from sezoo.report.command import report_command

    return report_command(options)
