"""The command line: a command and its options, or a YAML file and overrides; errors in one line, and exit codes."""

from __future__ import annotations

import errno
import gc
import logging
import os
import signal
import sys
import threading
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from sezoo.base.errors import UserError
from sezoo.base.foreign_text import without_passwords
from sezoo.base.processes import is_helper
from sezoo.base.terminal import configure_logging, escape_unencodable
from sezoo.base.text import closest_match
from sezoo.base.version import __version__
from sezoo.cli import completion
from sezoo.cli.table import COMMANDS, GROUPS, run_command

__all__ = ["main"]

EXIT_USER_ERROR = 2
EXIT_INTERRUPTED = 130

LEVELS = {"--debug": logging.DEBUG, "--verbose": logging.DEBUG, "--quiet": logging.WARNING}
"""Words that may stand anywhere, the strongest first."""

HELP = """\
usage: {command} COMMAND ...
       {command} [FILE.yaml] [SECTION.KEY=VALUE ...]

Takes a speech-enhancement network from recordings to a microcontroller.
{commands}

Each command has its own help: {command} quantize --help

runs described by a YAML file, with every setting (docs/configuration.md):
  FILE.yaml            the file, or its folder and name:
  --config-path DIR    folder of the file (default: {folder})
  --config-name NAME   its name, with or without .yaml (default: user_config)
  SECTION.KEY=VALUE    a key for this run: quantization.random_seed=3
                       (null, or nothing: not set; a list: '[Conv,Add]')
  --multirun, -m       a run for each combination of values: a.key=1,2
  --dry-run            with ST's tools: only show the commands

options of every command:
  --quiet              only warnings and errors
  --verbose, --debug   a more detailed log; --debug adds tracebacks
  --version, --help
Results are in experiment_outputs/<date and time>/; -o DIR of a command, or
hydra.run.dir=DIR of a YAML run, puts them elsewhere. Relative paths, in YAML
files too, are relative to the working directory.
"""


def main(arguments: Sequence[str] | None = None, *, config_folder: Path | None = None, command: str = "sezoo") -> None:
    """Run the command line and exit: 0 done, 2 bad input, 130 interrupted, 1 a fault of the program.

    Parameters
    ----------
    config_folder : of the YAML file where --config-path is not given; the working directory if None.
    command : how the user called it, for the help.
    """
    if completion.is_requested():
        completion.complete()
    # Starting up makes hundreds of thousands of objects that live on; to look through them for garbage again and
    # again takes a fifth of that time.
    gc.set_threshold(100_000, 20, 20)
    # numpy's products here are small: a second thread of its library would spin and wait for them.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # a batch system that ends a job means Ctrl-C
    words = list(sys.argv[1:] if arguments is None else arguments)
    end = words.index("--") if "--" in words else len(words)  # behind it are files, whatever they are called
    debug = "--debug" in words[:end]
    level = next((level for flag, level in LEVELS.items() if flag in words[:end]), logging.INFO)
    words = [*(word for word in words[:end] if word not in LEVELS), *words[end:]]
    escape_unencodable()
    configure_logging(logging.ERROR if is_helper() and not debug else level)
    try:
        with _report_long_names():
            code = _dispatch(words, config_folder or Path(), command)
    except UserError as error:
        if debug:
            _show_traceback()
        if not is_helper():  # the first process reports it
            sys.stderr.write("\n  ".join([f"{command}: error: {error.message}", *error.lines]) + "\n")
        sys.exit(EXIT_USER_ERROR)
    except KeyboardInterrupt:
        if debug:
            _show_traceback()
        if not is_helper():
            sys.stderr.write(f"{command}: interrupted; no incomplete files are left\n")
        sys.exit(EXIT_INTERRUPTED)
    except BrokenPipeError:  # the reader of our output has seen enough
        sys.stderr.close()
        return
    if code:
        sys.exit(code)


@contextmanager
def _report_long_names() -> Iterator[None]:
    """Report a name that is too long for the operating system, whichever access to a file meets it."""
    try:
        yield
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
        raise UserError(f"{error.filename}: the name is too long for a file") from error


def _show_traceback() -> None:
    """The traceback of the error in hand, without the passwords of addresses that messages in it quote."""
    sys.stderr.write(without_passwords(traceback.format_exc()))


def _dispatch(words: list[str], config_folder: Path, command: str) -> int | None:
    first = words[0] if words else ""
    if first in COMMANDS:
        return run_command(first, words[1:], command)
    if first == "help" and len(words) == 2 and words[1] in COMMANDS:
        return run_command(words[1], ["--help"], command)
    if {"-h", "--help"} & set(words) or words == ["help"]:
        sys.stdout.write(_help(config_folder, command))
    elif words[:1] in (["--version"], ["version"]):
        sys.stdout.write(f"sezoo {__version__}\n")
    else:
        _run_yaml(_words_of_file(words), config_folder)
    return None


def _words_of_file(words: list[str]) -> list[str]:
    """A YAML file as the first word is that of --config-path and --config-name."""
    path = Path(words[0]) if words else Path()
    if path.suffix.lower() not in (".yaml", ".yml") or "=" in path.name or not path.is_file():
        return words
    return ["--config-path", str(path.parent), "--config-name", path.name, *words[1:]]


def _help(config_folder: Path, command: str) -> str:
    folder = "the working directory" if config_folder == Path() else f"that of {command.split()[-1]}"
    lines = []
    for title, commands in GROUPS.items():
        lines += ["", f"{title}:"]
        lines += [f"  {each.usage:38}  {each.summary}" for each in commands]
    return HELP.format(command=command, folder=folder, commands="\n".join(lines))


def _run_yaml(words: list[str], config_folder: Path) -> None:
    for word in words:
        if not word.startswith("-") and "=" not in word and not word.startswith("~"):
            _check_no_value(words, word)
    from sezoo.cli.hydra_run import run_with_hydra
    from sezoo.services import check_folder, run_services

    words = ["++deployment.dry_run=True" if word == "--dry-run" else word for word in words]
    run_with_hydra(words, config_folder, run_services, check_folder)


def _check_no_value(words: list[str], word: str) -> None:
    """Refuse a lone word that is not the value of an option before it."""
    index = words.index(word)
    if index and words[index - 1].startswith("-") and "=" not in words[index - 1]:
        return
    if Path(word).suffix.lower() in (".yaml", ".yml"):
        raise UserError(f"there is no file {word}")
    near = closest_match(word, COMMANDS)
    others = f"the commands are {', '.join(COMMANDS)}; overrides are SECTION.KEY=VALUE"
    hint = f"did you mean {near}?" if near else others
    raise UserError(f"{word!r} is neither a command nor an override; {hint}")
