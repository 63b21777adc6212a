"""Parsing a command's words: errors name what was meant, and wrong settings the option that sets them."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sezoo.base.errors import UserError
from sezoo.base.registry import Registry
from sezoo.base.text import nearest
from sezoo.base.user_code import forms

__all__ = [
    "Parser",
    "add_everywhere",
    "add_json",
    "add_output",
    "add_overrides",
    "add_save_config",
    "add_spectrum",
    "one_of",
    "registered",
    "setting",
    "some_of",
    "spectrum_of",
]

CHOICE = re.compile(r"invalid choice: '(?P<word>.*?)' \(choose from (?P<choices>.*?)\)")


class Parser(argparse.ArgumentParser):
    """Raises `UserError` instead of exiting, and knows which option sets which key of the configuration."""

    def __init__(self, prog: str, usage: str | None = None, description: str | None = None):
        how = argparse.RawDescriptionHelpFormatter  # the descriptions are short of 80 columns as they are
        super().__init__(prog, usage, description, allow_abbrev=False, formatter_class=how)
        self.hints: dict[str, str] = {}
        """What fixes an error, by words in it, where that is a command rather than an option."""
        self.like_options: list[str] = []
        """Words that begin like an option and end like a file."""

    def error(self, message: str) -> None:
        """Name what was probably meant, and where to read on."""
        if found := CHOICE.search(message):
            choices = [choice.strip("' ") for choice in found["choices"].split(",")]
            message += _meant(found["word"], choices)
        if "arguments are required" in message and self.like_options:
            message += f"; is {self.like_options[0]} a file? Put -- before it"
        raise UserError(f"{message}; see {self.prog} --help")

    def parse(self, words: Sequence[str]) -> argparse.Namespace:
        """Parse; settings (SECTION.KEY=VALUE) and files may stand anywhere between the options.

        What stands behind `--` is no option, whatever it begins with.
        """
        words = list(words)
        if "--" in words:
            end = words.index("--")
            behind = [f"./{word}" if word.startswith("-") else word for word in words[end + 1 :]]
            words = [*words[:end], *behind]
        self.like_options = [word for word in words if re.fullmatch(r"-.*\.\w+", word) and "=" not in word]
        options, rest = self.parse_known_intermixed_args(words)
        if rest:
            word = next((word for word in rest if word.startswith("-")), rest[0])
            flag = word.partition("=")[0]
            flags = [string for action in self._actions for string in action.option_strings]
            near = _meant(flag, [string for string in flags if string.startswith("--") or len(flag) < 3])
            what = "unknown option" if word.startswith("-") else "unexpected argument"
            self.error(f"{flag}: {what}{near}")
        return options

    @contextmanager
    def options_named(self) -> Iterator[None]:
        """End an error about keys of the configuration with the option that sets the first of them."""
        try:
            yield
        except UserError as error:
            message = error.message
            if hint := next((hint for words, hint in self.hints.items() if words in message), None):
                raise error.with_message(f"{message}; {hint}") from error
            places = [
                (found.start(), action)
                for action in self._actions
                for key in getattr(action, "keys", ())
                if (found := re.search(rf"(?<![\w.]){re.escape(key)}(?=:)", message))
            ]
            if not places:
                raise
            _, action = min(places, key=lambda place: place[0])
            name = max(action.option_strings, key=len, default=action.metavar)
            if name in message:
                raise
            raise error.with_message(f"{message} ({name})") from error


def _meant(word: str, words: Sequence[str]) -> str:
    near = nearest(word, words)
    return f"; did you mean {near}?" if near else ""


# -- arguments that several commands have ------------------------------------------------------------------


def setting(container: Any, *flags: str, key: str | Sequence[str], **how: Any) -> None:
    """Add an argument that sets one key of the configuration, or several."""
    container.add_argument(*flags, **how).keys = (key,) if isinstance(key, str) else tuple(key)


class some_of:  # noqa: N801 - used as a function: type=some_of("a", "b")
    """Reads names with commas between them, out of a set or of those that a registry knows.

    Parameters
    ----------
    registry : where users' own names are, beside the values.
    """

    def __init__(self, *values: str, registry: Registry | None = None):
        self.values, self.registry = values, registry

    def __call__(self, text: str) -> list[str]:
        """The names."""
        names = [self.found(name) for name in text.split(",") if name.strip()]
        if not names:
            raise argparse.ArgumentTypeError(f"no names; allowed: {self.allowed}")
        return names

    def found(self, text: str) -> str:
        """One of them."""
        name = in_any_case(text.strip(), self.values)
        if name in self.values or (self.registry is not None and self.registry.knows(name)):
            return name
        near = nearest(name, self.values)
        raise argparse.ArgumentTypeError(
            f"found {name!r}; allowed: {self.allowed}" + (f" (did you mean {near}?)" if near else "")
        )

    @property
    def allowed(self) -> str:
        """What it takes, in words."""
        own = f", or your own as {forms(self.registry.kind)}" if self.registry is not None else ""
        return ", ".join(self.values) + own


class registered:  # noqa: N801 - used as a function: type=registered(TARGETS)
    """Reads one name that a registry knows."""

    def __init__(self, registry: Registry):
        self.values = tuple(registry.own)
        self.known = some_of(*self.values, registry=registry)

    def __call__(self, text: str) -> str:
        """The name."""
        return self.known.found(text)


class one_of:  # noqa: N801 - used as a function: type=one_of("a", "b")
    """Reads a name out of a fixed set, whatever the case of its letters; for `choices` of the same names."""

    def __init__(self, *names: str):
        self.names = names

    def __call__(self, text: str) -> str:
        """The name as it is in the set, or the text itself."""
        return in_any_case(text.strip(), self.names)


def in_any_case(word: str, words: Iterable[str]) -> str:
    """The one of some words that differs by the case of its letters alone; else the word itself."""
    return next((each for each in words if each.lower() == word.lower()), word)


def add_spectrum(parser: Parser) -> None:
    """The spectrum that the model was trained with."""
    group = parser.add_argument_group("the spectrum that the model was trained with")
    lengths = (
        ("--sample-rate", "sample_rate", "HZ", "in Hz; recordings are resampled to it (default: 16000)"),
        ("--n-fft", "n_fft", "N", "FFT length, in samples (default: from the model's bins, 512 for 257)"),
        ("--hop", "hop_length", "N", "hop length, in samples (default: 160)"),
        ("--win", "win_length", "N", "window length, in samples (default: 400)"),
    )
    for flag, key, metavar, words in lengths:
        setting(group, flag, key=f"preprocessing.{key}", type=int, metavar=metavar, dest=key, help=words)


def spectrum_of(options: argparse.Namespace):
    """The `Spectrum` of these options."""
    from sezoo.api.sections import Spectrum

    given = {key: getattr(options, key) for key in ("sample_rate", "n_fft", "hop_length", "win_length")}
    return Spectrum(**{key: value for key, value in given.items() if value is not None})


def add_output(parser: Parser) -> None:
    """Where the results of a run go."""
    setting(
        parser, "-o", "--output", key="folder", type=Path, metavar="DIR",
        help="new folder for the results (default: experiment_outputs/<date and time>)",
    )  # fmt: skip


def add_overrides(parser: Parser) -> None:
    """Settings that have no option of their own."""
    parser.add_argument(
        "overrides", nargs="*", metavar="SECTION.KEY=VALUE",
        help="any other setting of a YAML file, such as quantization.per_channel=False (docs/configuration.md)",
    )  # fmt: skip


def add_save_config(parser: Parser) -> None:
    """The YAML file of what a short command does."""
    parser.add_argument(
        "--save-config", type=Path, metavar="FILE", help="also write the YAML file of this run; - prints it"
    )


def add_json(parser: Parser) -> None:
    """For scripts."""
    parser.add_argument(
        "--json", action="store_true", help="print the result on standard output as one JSON object, and nothing else"
    )


def add_everywhere(parser: Parser) -> None:
    """What `sezoo.cli.main` has taken out before; here it is for the help, and for completion."""
    group = parser.add_argument_group("options of every command")
    group.add_argument("--quiet", action="store_true", help="only warnings and errors")
    group.add_argument("--verbose", action="store_true", help="a more detailed log")
    group.add_argument("--debug", action="store_true", help="like --verbose, with the traceback of an error")
