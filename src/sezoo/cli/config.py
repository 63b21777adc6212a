"""`sezoo config`.

Check or show a configuration file without running it, upgrade its keys, or
write the JSON Schema of all keys, with which editors complete and check files.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

from sezoo.base.errors import UserError
from sezoo.base.terminal import write
from sezoo.cli.output import STANDARD_OUTPUT, print_json
from sezoo.cli.parser import Parser, add_json

__all__ = ["add_arguments", "run"]


def add_arguments(parser: Parser) -> None:
    """Add the arguments of the command."""
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--check", type=Path, metavar="FILE", help="check it and report every error")
    what.add_argument("--print", type=Path, metavar="FILE", help="show it with all defaults and variables filled in")
    what.add_argument("--upgrade", type=Path, metavar="FILE", help="rewrite it with the key names of version 4")
    what.add_argument("--schema", action="store_true", help="the JSON Schema of configuration files")
    parser.add_argument(
        "-o", "--output", type=Path, metavar="NEW",
        help="with --upgrade: file to write, or - for standard output (default: FILE, kept as FILE.old); with "
        "--schema: new file to write (default: standard output)",
    )  # fmt: skip
    parser.add_argument(
        "overrides", nargs="*", default=[], metavar="SECTION.KEY=VALUE", help="keys to set in addition to those of FILE"
    )
    add_json(parser)


def run(options: argparse.Namespace) -> None:
    """Check, show, or rewrite."""
    if options.schema:
        _write_schema(options)
        return
    if options.output is not None and options.upgrade is None:
        raise UserError("-o: --check and --print write no file; it is for --upgrade and --schema")
    if options.upgrade is not None:
        _upgrade(options)
        return
    from sezoo.cli.hydra_run import compose_file
    from sezoo.config.modes import steps
    from sezoo.config.plain_data import to_dict, to_yaml
    from sezoo.config.validation import missing_paths

    path = options.check or options.print
    config = compose_file(path, options.overrides)
    if options.check and "q" in steps(config.operation_mode):
        from sezoo.quantization.service import check_quantization_settings
        from sezoo.run.run import use_file_key_names

        with use_file_key_names(config):
            check_quantization_settings(config)
    if options.print:
        if options.json:
            print_json(to_dict(config, filled_in=True))
        else:
            write(to_yaml(config, filled_in=True).rstrip("\n"))
        return
    if options.json:
        print_json({"operation_mode": config.operation_mode, "missing": dict(missing_paths(config))})
        return
    write(f"{path} is fine: {config.operation_mode}")
    for key, missing in missing_paths(config):
        write(f"but {key}: there is no {missing}")


def _write_schema(options: argparse.Namespace) -> None:
    """Print the schema, or write it to a new file."""
    from sezoo.base.files import json_text, write_text
    from sezoo.config.schema import configuration_schema

    if options.overrides:
        raise UserError(f"{options.overrides[0]}: --schema takes no SECTION.KEY=VALUE")
    text = json_text(configuration_schema())
    if options.output is None or options.output == STANDARD_OUTPUT:
        sys.stdout.write(text)
    elif options.output.exists():
        raise UserError(f"{options.output} already exists and is not overwritten; name another file with -o")
    else:
        write_text(options.output, text)


def _upgrade(options: argparse.Namespace) -> None:
    """Write the upgraded file, and say what is new in it."""
    from sezoo.base.files import atomic_write
    from sezoo.cli.yaml_file import path_of, read_checked
    from sezoo.config.upgrade import upgrade_text

    if options.overrides:
        raise UserError(f"{options.overrides[0]}: --upgrade only changes names, and takes no SECTION.KEY=VALUE")
    path = path_of(options.upgrade)
    read_checked(path)
    with path.open(encoding="utf-8", newline="") as file:  # the ends of its lines stay as they are
        text = file.read()
    try:
        result = upgrade_text(text)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    if options.output == STANDARD_OUTPUT:
        sys.stdout.write(result.text)
        return
    kept = None
    if result.changes:
        target = options.output or path
        if options.output is None:
            kept = path.with_name(f"{path.name}.old")
        if (there := kept or target).exists():
            raise UserError(f"{there} already exists and is not overwritten; name another file with -o")
        if kept is not None:
            shutil.copyfile(path, kept)
        with atomic_write(target) as temporary:
            temporary.write_bytes(result.text.encode("utf-8"))
    if options.json:
        changes = [{"before": before, "now": now} for before, now in result.changes]
        print_json({"changes": changes, "notes": result.notes, "kept": kept})
        return
    for before, now in result.changes:
        write(f"{before} -> {now}")
    for note in result.notes:
        write(f"not renamed: {note}")
    if not result.changes:
        there = f"{options.output} is not written" if options.output is not None else "it stays as it is"
        names = "that can be done here" if result.notes else "it has the names of version 4"
        write(f"{path}: nothing to rename, {names}; {there}")
    else:
        was = f"; the original is kept as {kept}" if kept is not None else ""
        write(f"{options.output or path} now has the names of version 4{was}")
