"""Which commands there are, in the order of the help; their modules are imported when they are needed."""

from __future__ import annotations

import sys
from contextlib import nullcontext, redirect_stdout
from dataclasses import dataclass
from importlib import import_module

from sezoo.cli.output import STANDARD_OUTPUT
from sezoo.cli.parser import Parser, add_everywhere

__all__ = ["COMMANDS", "GROUPS", "Command", "run_command"]


@dataclass(frozen=True)
class Command:
    """A command.

    Attributes
    ----------
    arguments : the ones that everybody needs, for the overview.
    summary : in half a line.
    """

    name: str
    arguments: str
    summary: str

    @property
    def usage(self) -> str:
        """Its name and those arguments."""
        return f"{self.name} {self.arguments}".rstrip()

    @property
    def module(self):
        """The module of that name, imported now."""
        return import_module(f"sezoo.cli.{self.name}")

    def parser(self, called: str = "sezoo") -> Parser:
        """Its parser.

        Parameters
        ----------
        called : how the user called the program.
        """
        module = self.module
        parser = Parser(
            f"{called} {self.name}",
            usage=f"%(prog)s {f'{self.arguments} [options]'.strip()}",
            description=module.__doc__.strip().partition("\n\n")[2],
        )
        module.add_arguments(parser)
        add_everywhere(parser)
        return parser


GROUPS: dict[str, tuple[Command, ...]] = {
    "start here, with a float ONNX model and a folder of noisy recordings": (
        Command("quantize", "MODEL --data DIR", "int8 models, and what they cost"),
        Command("evaluate", "MODEL --noisy DIR --clean DIR", "scores: PESQ, STOI, SI-SNR ..."),
        Command("benchmark", "MODEL [--on TARGET]", "memory and time, here or on a core"),
        Command("deploy", "MODEL [--board BOARD]", "C sources, tried out in an emulator"),
    ),
    "and more": (
        Command("demo", "", "quantize what comes with sezoo"),
        Command("denoise", "FILE -m MODEL -o OUT", "recordings, as a PC or a board does"),
        Command("train", "--speech DIR --noise DIR", "a network"),
        Command("report", "RUN ...", "a page for the browser"),
        Command("model", "FILE [--fix-axes]", "what an ONNX model is"),
        Command("compare", "VECTORS OUTPUT", "where a board leaves what the PC has"),
        Command("zoo", "list | show | get NAME", "the models that come with sezoo"),
        Command("config", "--check|--print|--upgrade FILE", "check, show or upgrade a YAML file"),
        Command("doctor", "", "what is installed, and what is not"),
        Command("completion", "SHELL", "commands completed by your shell"),
    ),
}
COMMANDS: dict[str, Command] = {command.name: command for group in GROUPS.values() for command in group}


def run_command(name: str, words: list[str], called: str) -> int | None:
    """Do a command, and give its exit code if it has one.

    Raises
    ------
    UserError : bad words, or what the command cannot do; where a setting of the configuration is wrong, the option
        that sets it is named as well.
    """
    command = COMMANDS[name]
    parser = command.parser(called)
    options = parser.parse(words)
    options.words = ["sezoo", name, *words]
    options.standard_output = sys.stdout
    # Where the YAML file goes to standard output, it is alone there.
    aside = redirect_stdout(sys.stderr) if getattr(options, "save_config", None) == STANDARD_OUTPUT else nullcontext()
    with parser.options_named(), aside:
        return command.module.run(options)
