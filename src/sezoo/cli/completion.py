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
import os
import sys
from collections.abc import Iterable
from typing import Any

from sezoo.cli.parser import Parser, add_everywhere
from sezoo.cli.section_options import KeyValue

__all__ = ["add_arguments", "complete", "is_requested", "run"]

SHELLS = ("bash", "zsh", "fish", "powershell")
SHELL_VARIABLE = "_ARGCOMPLETE"
"""Set by the script when the shell asks: the number of the word that is the program's name."""


def add_arguments(parser: Parser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("shell", choices=SHELLS, metavar="SHELL", help=f"one of {', '.join(SHELLS)}")


def run(options: argparse.Namespace) -> None:
    """Print the script."""
    from argcomplete.shell_integration import shellcode

    sys.stdout.write(shellcode(["sezoo"], shell=options.shell))


def is_requested() -> bool:
    """Whether a shell asks for completions, which `complete` answers."""
    return SHELL_VARIABLE in os.environ


def complete(**how: Any) -> None:
    """Answer a shell with what can stand at the cursor, and exit.

    Parameters
    ----------
    how : other arguments of `argcomplete.autocomplete`.
    """
    import argcomplete

    from sezoo.cli.table import COMMANDS

    words = os.environ["COMP_LINE"][: int(os.environ["COMP_POINT"])].lstrip().partition(" ")[2]
    name, behind, _ = words.lstrip().partition(" ")
    if behind and name in COMMANDS:
        parser = COMMANDS[name].parser()
        os.environ[SHELL_VARIABLE] = "2"  # the name of this parser is the second word
    else:
        parser = _without_a_command(COMMANDS)
    for action in parser._actions:  # argparse has no other way to list them
        if isinstance(action.type, KeyValue):
            action.completer = _of_its_key
        elif values := getattr(action, "known", ()):
            action.completer = argcomplete.ChoicesCompleter(values)
    argcomplete.autocomplete(parser, always_complete_options=False, **how)


def _without_a_command(commands: Iterable[str]) -> Parser:
    parser = Parser("sezoo")
    parser.add_argument("command", choices=list(commands), nargs="?")
    for flag in ("--config-path", "--config-name"):
        parser.add_argument(flag)
    for flag in ("--multirun", "--dry-run", "--version"):
        parser.add_argument(flag, action="store_true")
    add_everywhere(parser)
    return parser


def _of_its_key(prefix: str, action: argparse.Action, **_: object) -> list[str]:
    """The values of a key; of several with commas between them, the last one is completed."""
    before, comma, _last = prefix.rpartition(",") if action.type.several else ("", "", "")
    return [before + comma + value for value in action.type.names()]
