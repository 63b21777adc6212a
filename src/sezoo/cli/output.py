"""Additional output of a short command: its YAML file, JSON, and a summary."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from sezoo.base.errors import UserError
from sezoo.base.files import display_path, json_text, write_text
from sezoo.base.foreign_text import to_encodable, to_printable, without_passwords
from sezoo.base.terminal import write

__all__ = ["PAGE", "STANDARD_OUTPUT", "print_json", "print_results", "run_of", "save_config"]

PAGE = "open it in a browser"

STANDARD_OUTPUT = Path("-")


def save_config(options: argparse.Namespace, settings: dict) -> None:
    """Do what --save-config asks for, once the settings are known to make a configuration.

    Raises
    ------
    UserError : wrong settings; a file that already exists, or that Hydra would not read.
    """
    path: Path | None = options.save_config
    if path is None:
        return
    if path == STANDARD_OUTPUT and getattr(options, "json", False):
        raise UserError("--save-config: standard output is for --json; name a file")
    if path != STANDARD_OUTPUT and path.suffix != ".yaml":
        raise UserError(f"--save-config: {path} would not be found as a configuration; name a file that ends in .yaml")
    if path != STANDARD_OUTPUT and path.exists():
        raise UserError(f"--save-config: {path} already exists; name another file, or - for standard output")
    from sezoo.api.running import yaml_of
    from sezoo.config.validation import build_config

    build_config(settings)
    folder = path.parent.as_posix() if path != STANDARD_OUTPUT else "DIR"
    name = path.stem if path != STANDARD_OUTPUT else "NAME"
    head = [
        f"# {shlex.join(options.words)}",
        f"# Run it from this file: sezoo --config-path {shlex.quote(folder)} --config-name {shlex.quote(name)}",
    ]
    if getattr(options, "output", None) is not None:
        head[-1] += " hydra.run.dir=DIR"
    comments = [to_printable(line) for line in head]
    text = "\n".join([*comments, yaml_of(settings)])
    if path != STANDARD_OUTPUT:
        write_text(path, text)
        return
    if to_encodable(text, encoding := options.standard_output.encoding or "utf-8") != text:
        text = "\n".join([*(to_encodable(line, encoding) for line in comments), yaml_of(settings, ascii_only=True)])
    options.standard_output.write(without_passwords(text))


def run_of(options: argparse.Namespace, settings: dict) -> Path:
    """The folder of the run that the settings describe, its YAML saved if that is asked for.

    Raises
    ------
    UserError : a setting, a model or a recording is not fit for it.
    """
    from sezoo.api.running import run_settings

    save_config(options, settings)
    return run_settings(settings, options.output, tables=not options.json)


def print_json(result: object) -> None:
    """One JSON object on standard output."""
    from sezoo.api.results import plain

    text = json_text(plain(result))
    if to_encodable(text, sys.stdout.encoding or "utf-8") != text:  # JSON has an escape of its own for what is lacking
        text = json_text(plain(result), ascii_only=True)
    sys.stdout.write(text)


def print_results(folder: Path, rows: Sequence[tuple[Path | None, str]], notes: Sequence[str] = ()) -> None:
    """Say where the results are, what each of them is, and what else there is to say.

    Parameters
    ----------
    rows : files or folders in `folder`, and what each is; None are left out.
    """
    there = [(to_printable(path.relative_to(folder).as_posix()), words) for path, words in rows if path is not None]
    width = max((len(name) for name, _ in there), default=0)
    lines = [f"results: {display_path(folder)}"]
    lines += [f"  {name:{width}}  {words}".rstrip() for name, words in there]
    write("\n".join([*lines, *notes]))
