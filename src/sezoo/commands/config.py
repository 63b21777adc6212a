"""`sezoo config`.

Check or show a configuration file without running it.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from sezoo.commands.output import print_json
from sezoo.commands.parser import Parser, add_json
from sezoo.terminal import write

__all__ = ["add_arguments", "run"]


def add_arguments(parser: Parser) -> None:
    """Its words."""
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--check", type=Path, metavar="FILE", help="say what is wrong with it")
    what.add_argument("--print", type=Path, metavar="FILE", help="show it with all defaults and variables filled in")
    parser.add_argument("overrides", nargs="*", metavar="SECTION.KEY=VALUE", help="keys to set besides those of FILE")
    add_json(parser)


def run(options: argparse.Namespace) -> None:
    """Check, or show."""
    from sezoo.config.composition import compose_file
    from sezoo.config.plain_data import to_dict, to_yaml
    from sezoo.config.validation import missing_paths

    path = options.check or options.print
    config = compose_file(path, options.overrides)
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
