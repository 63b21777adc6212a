"""Parsing of the command line: the configuration file, and overrides in Hydra's syntax."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from sezoo.base.errors import UserError
from sezoo.base.text import closest_match

__all__ = ["DEFAULT_NAME", "config_file", "keys_of", "quote", "to_override", "without_ending", "words_for_hydra"]

DEFAULT_NAME = "user_config"
HYDRA_FLAGS = (
    *("--multirun", "-m", "--run", "-r", "--cfg", "-c", "--resolve", "--package", "-p", "--config-dir", "-cd"),
)

OVERRIDE = re.compile(r"(?P<sign>\+{0,2}|~)(?P<key>[\w$][\w$./@:-]*)(=(?P<value>.*))?", re.DOTALL)


def config_file(arguments: Sequence[str], folder: Path) -> tuple[Path, list[str]]:
    """The configuration file that the arguments name, and the arguments that are left.

    Parameters
    ----------
    folder : of the file where --config-path does not say otherwise; relative ones are the working directory's.

    Raises
    ------
    UserError : an option without its value.
    """
    import argparse

    options = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    options.add_argument("--config-path", "-cp", type=Path, default=folder)
    options.add_argument("--config-name", "-cn", default=DEFAULT_NAME)
    try:
        known, rest = options.parse_known_args(list(arguments))
    except argparse.ArgumentError as error:
        raise UserError(f"command line: {error}") from error
    path = (known.config_path / known.config_name).absolute()  # Hydra would take a folder in the name for a section
    return path.with_name(without_ending(path.name) + ".yaml"), rest


def without_ending(name: str) -> str:
    """The name of a configuration as Hydra wants it."""
    return re.sub(r"\.ya?ml$", "", name)


def words_for_hydra(words: Sequence[str]) -> list[str]:
    """The words for Hydra, those that begin with `-` being known to it."""
    for word in words:
        flag = word.partition("=")[0]
        if flag.startswith("-") and flag not in HYDRA_FLAGS:
            near = closest_match(flag, [*HYDRA_FLAGS, "--config-path", "--config-name", "--debug"])
            raise UserError(f"{flag}: unknown option; {f'did you mean {near}?' if near else 'see --help'}")
    # The word after a flag may be its value ("--cfg job"): what is no override is left as it is.
    return [to_override(word) if "=" in word and not word.startswith("-") else word for word in words]


def to_override(override: str) -> str:
    """An override with Hydra's `++`, so that it may set a key that the file does not mention.

    A value that Hydra's grammar cannot read, such as `größe (1).onnx`, is taken as it is.
    """
    found = OVERRIDE.fullmatch(override)
    if not found:
        raise UserError(f"{override!r} is not an override; SECTION.KEY=VALUE is expected")
    sign, key, value = found["sign"], found["key"], found["value"]
    if not sign and key.partition(".")[0] not in ("hydra", "") and "/" not in key:
        sign = "++"
    if value and value[0] not in "[{'\"" and not _is_readable(f"{sign}{key}={value}"):
        value = quote(value)
    return f"{sign}{key}" if value is None else f"{sign}{key}={value}"


def keys_of(overrides: Iterable[str]) -> set[str]:
    """The paths of the keys that overrides set: `quantization.per_channel`."""
    return {found["key"] for found in map(OVERRIDE.fullmatch, overrides) if found and found["value"] is not None}


def _is_readable(override: str) -> bool:
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    try:
        OverridesParser.create().parse_override(override)
    except HydraException:
        return False
    return True


def quote(value: str) -> str:
    """A value that Hydra's grammar takes as it is, but for `${...}` in it."""
    from hydra.core.override_parser.types import Quote, QuotedString

    return QuotedString(value, Quote.single).with_quotes()
