"""`sezoo completion`.

Print a script that lets your shell complete commands, options, the values of
options, and files:

  ~/.bashrc    source <(sezoo completion bash)
  ~/.zshrc     source <(sezoo completion zsh)       (after compinit)
  config.fish  sezoo completion fish | source
  $PROFILE     sezoo completion powershell | Out-String | Invoke-Expression
"""

from __future__ import annotations

import argparse
import sys

from sezoo.cli import shells
from sezoo.cli.parser import Parser

__all__ = ["add_arguments", "run"]


def add_arguments(parser: Parser) -> None:
    """Its words."""
    parser.add_argument(
        "shell", choices=tuple(shells.SCRIPTS), metavar="SHELL", help=f"one of {', '.join(shells.SCRIPTS)}"
    )


def run(options: argparse.Namespace) -> None:
    """Print the script."""
    from sezoo.cli.table import COMMANDS

    words = [shells.words_of(command.name, command.summary, command.parser()) for command in COMMANDS.values()]
    sys.stdout.write(shells.SCRIPTS[options.shell](words))
