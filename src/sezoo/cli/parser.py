"""Parsing a command's words: errors name what was meant, and wrong settings the option that sets them."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from sezoo.base.errors import UserError
from sezoo.base.text import closest_match
from sezoo.cli.section_options import HelpFormatter, add_setting
from sezoo.cli.shipped import static_model_path

__all__ = [
    "BY_TARGET",
    "Parser",
    "add_board",
    "add_everywhere",
    "add_json",
    "add_metrics",
    "add_output",
    "add_overrides",
    "add_program",
    "add_run_options",
    "add_save_config",
    "add_spectrum",
    "add_static_model",
    "metrics_of",
    "spectrum_of",
]

BY_TARGET = "stm32n6 for a model of that target, else portable-c"
"""The backend of the commands."""

REQUIRED = "the following arguments are required: "
"""How argparse begins a message about missing arguments."""
CHOICE = re.compile(r"invalid choice: '(?P<word>.*?)' \(choose from (?P<choices>.*?)\)")


class Parser(argparse.ArgumentParser):
    """Raises `UserError` instead of exiting, and knows which option sets which key of the configuration.

    Parameters
    ----------
    prog, usage, description : of argparse.
    example : a whole command, for the help and for the message about missing arguments.
    """

    def __init__(self, prog: str, usage: str | None = None, description: str | None = None, example: str = ""):
        epilog = f"example: {example}" if example else None
        super().__init__(prog, usage, description, epilog, allow_abbrev=False, formatter_class=HelpFormatter)
        self.example = example
        self.hints: dict[str, str] = {}
        """What fixes an error, by words in it, where that is a command rather than an option."""
        self.words: list[str] = []
        """What is parsed, up to `--`."""
        self.needed: list[argparse.Action] = []
        """Options that have to be given."""

    def error(self, message: str) -> None:
        """Name what was probably meant, and where to read on."""
        if found := CHOICE.search(message):
            choices = [choice.strip("' ") for choice in found["choices"].split(",")]
            message += _suggestion(found["word"], choices)
        if message.startswith(REQUIRED):
            message = self._missing([name for name in message.removeprefix(REQUIRED).split(", ") if name])
        more = " See" if message.endswith("?") else "; see"
        raise UserError(f"{message}{more} {self.prog} --help")

    def _missing(self, names: Sequence[str]) -> str:
        """Name these arguments and all options that are missing, with a command that has them."""
        names = [*names, *(_name(action) for action in self.needed if not _is_given(action, self.words))]
        listed = " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
        message = f"{listed} {'are' if len(names) > 1 else 'is'} missing"
        message += f": {self.usage % {'prog': self.prog}}" if self.usage else ""
        message += f"; for example, {self.example}" if self.example else ""
        file = next((word for word in self.words if re.fullmatch(r"-.*\.\w+", word) and "=" not in word), None)
        return f"{message}; is {file} a file? Put -- before it" if file else message

    def parse(self, words: Sequence[str]) -> argparse.Namespace:
        """Parse; settings (SECTION.KEY=VALUE) and files may stand anywhere between the options.

        What stands behind `--` is no option, whatever it begins with.
        """
        words = list(words)
        end = words.index("--") if "--" in words else len(words)
        behind = [f"./{word}" if word.startswith("-") else word for word in words[end + 1 :]]
        self.words = words[:end]
        self.needed = [action for action in self._actions if action.required and action.option_strings]
        for action in self.needed:
            action.required = False  # argparse would name these alone
        options, rest = self.parse_known_intermixed_args([*self.words, *behind])
        if rest:
            word = next((word for word in rest if word.startswith("-")), rest[0])
            flag = word.partition("=")[0]
            flags = [string for action in self._actions for string in action.option_strings]
            near = _suggestion(flag, [string for string in flags if string.startswith("--") or len(flag) < 3])
            what = "unknown option" if word.startswith("-") else "unexpected argument"
            self.error(f"{flag}: {what}{near}")
        if not all(_is_given(action, self.words) for action in self.needed):
            self.error(REQUIRED)
        return options

    @contextmanager
    def name_options_in_errors(self) -> Iterator[None]:
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
            name = _name(action)
            if name in message:
                raise
            raise error.with_message(f"{message} ({name})") from error


def _name(action: argparse.Action) -> str:
    return str(max(action.option_strings, key=len, default=action.metavar))


def _is_given(action: argparse.Action, words: Sequence[str]) -> bool:
    """Whether one of the words is the option, or begins with it: `--data=DIR`, `-mMODEL`."""
    long = [f"{flag}=" if flag.startswith("--") else flag for flag in action.option_strings]
    return any(word in action.option_strings or word.startswith(tuple(long)) for word in words)


def _suggestion(word: str, words: Sequence[str]) -> str:
    near = closest_match(word, words)
    return f"; did you mean {near}?" if near else ""


# -- arguments that several commands have ------------------------------------------------------------------


def add_spectrum(parser: Parser) -> None:
    """The spectrum that the model was trained with."""
    group = parser.add_argument_group("the spectrum that the model was trained with")
    bins = "as the model's bins say, 512 for 257"
    add_setting(group, "--sample-rate", key="preprocessing.sample_rate", metavar="HZ", dest="sample_rate")
    add_setting(group, "--n-fft", key="preprocessing.n_fft", metavar="N", dest="n_fft", default_is=bins)
    add_setting(group, "--hop", key="preprocessing.hop_length", metavar="N", dest="hop_length")
    add_setting(group, "--win", key="preprocessing.win_length", metavar="N", dest="win_length")


def spectrum_of(options: argparse.Namespace):
    """The `Spectrum` of these options."""
    from sezoo.api.sections import Spectrum

    given = {key: getattr(options, key) for key in ("sample_rate", "n_fft", "hop_length", "win_length")}
    return Spectrum(**{key: value for key, value in given.items() if value is not None})


def add_output(parser: Parser) -> None:
    """Add the option for the output folder of a run."""
    add_setting(
        parser, "-o", "--output", key="folder", type=Path, metavar="DIR",
        help="new folder for the results (default: experiment_outputs/<date and time>)",
    )  # fmt: skip


def add_metrics(parser: Parser) -> None:
    """Add the option for the metrics, which need clean speech."""
    add_setting(
        parser, "--metrics", key="evaluation.metrics", several=True, metavar="NAMES",
        default_is="pesq, stoi and si_snr; stoi and si_snr at rates that PESQ is not for; dnsmos without clean speech",
    )  # fmt: skip
    parser.add_argument("--all-metrics", action="store_true", help="score all metrics that need clean speech (slower)")


def metrics_of(options: argparse.Namespace) -> list[str] | None:
    """Return the metrics of a command, three by default; None for all that the clips allow.

    Raises
    ------
    UserError : both options.
    """
    if options.metrics is not None and options.all_metrics:
        raise UserError("--metrics, --all-metrics: give one of them")
    if options.metrics is not None or options.all_metrics or options.clean is None:
        return options.metrics
    has_pesq = options.sample_rate in (None, 8000, 16000)
    return ["pesq", "stoi", "si_snr"] if has_pesq else ["stoi", "si_snr"]


def add_program(parser: Parser) -> None:
    """The program that runs the models on the board, of commands that emulate it."""
    add_setting(
        parser, "--target", key="quantization.target", metavar="TARGET",
        help="quantization.target that the models are taken to be made for (default: what they say)",
    )  # fmt: skip
    add_board(parser, BY_TARGET, board="none; any board of the target")


def add_board(parser: Parser, backend: str, board: str = "") -> None:
    """The board, and the backend by which models get there.

    Parameters
    ----------
    backend, board : what is taken without the option; for the board, that of the configuration if this is empty.
    """
    add_setting(parser, "--board", key="deployment.hardware_setup.board", metavar="BOARD", default_is=board)
    add_setting(parser, "--backend", key="deployment.backend", metavar="BACKEND", default_is=backend)


def add_overrides(parser: Parser) -> None:
    """Settings that have no option of their own."""
    parser.add_argument(
        "overrides", nargs="*", default=[], metavar="SECTION.KEY=VALUE",
        help="any other setting of a YAML file, such as quantization.per_channel=False (docs/configuration.md)",
    )  # fmt: skip


def add_save_config(parser: Parser) -> None:
    """The YAML file of what a short command does."""
    parser.add_argument(
        "--save-config", type=Path, metavar="FILE", help="also write the YAML file of this run; - prints it"
    )


def add_json(parser: Parser) -> None:
    """Add the --json option, for scripts."""
    parser.add_argument(
        "--json", action="store_true", help="print the result on standard output as one JSON object, and nothing else"
    )


def add_run_options(parser: Parser) -> None:
    """What commands have that run a service on one model: results, YAML file, JSON, spectrum and other settings."""
    for add in (add_output, add_save_config, add_json, add_spectrum, add_overrides):
        add(parser)


def add_static_model(parser: Parser, words: str) -> None:
    """The static int8 model that a command takes; where there is none, errors say how to make one.

    Parameters
    ----------
    words : the help.
    """
    add_setting(parser, "model", key="model.onnx_path", type=static_model_path, metavar="MODEL", help=words)
    parser.hints["static int8 model is needed"] = "sezoo quantize MODEL --data DIR makes it"


def add_everywhere(parser: Parser) -> None:
    """Add the global options, which `sezoo.cli.main` has already parsed, for help and completion."""
    group = parser.add_argument_group("options of every command")
    group.add_argument("--quiet", action="store_true", help="only warnings and errors")
    group.add_argument("--verbose", action="store_true", help="a more detailed log")
    group.add_argument("--debug", action="store_true", help="like --verbose, with the traceback of an error")
