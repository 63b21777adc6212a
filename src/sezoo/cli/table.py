"""The commands in the order of the help; their modules are imported on demand."""

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
    example : the same with what comes with sezoo, so that it runs anywhere.
    """

    name: str
    arguments: str
    summary: str
    example: str = ""

    @property
    def usage(self) -> str:
        """Its name and those arguments."""
        return f"{self.name} {self.arguments}".rstrip()

    @property
    def module(self):
        """The module of that name, imported now."""
        return import_module(f"sezoo.cli.{self.name.replace('-', '_')}")

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
            example=f"{called} {self.name} {self.example}" if self.example else "",
        )
        module.add_arguments(parser)
        add_everywhere(parser)
        return parser


GROUPS: dict[str, tuple[Command, ...]] = {
    "start here, with a float ONNX model and a folder of noisy recordings": (
        Command("quantize", "MODEL --data DIR", "make int8 models, report their cost", "utcn_small --data demo"),
        Command(
            "evaluate",
            "MODEL --noisy DIR --clean DIR",
            "score models: PESQ, STOI, SI-SNR ...",
            "utcn_small --noisy demo --clean demo",
        ),
        Command("benchmark", "MODEL [--on TARGET]", "measure memory and time", "utcn_small"),
        Command("deploy", "MODEL [--board BOARD]", "write C sources and test them", "utcn_small"),
        Command("score", "DENOISED_DIR --clean DIR", "score what a board has denoised"),
    ),
    "other commands": (
        Command("demo", "", "run the built-in example"),
        Command(
            "denoise",
            "FILE -m MODEL -o OUT",
            "denoise recordings as a PC or a board",
            "demo -m utcn_small -o denoised",
        ),
        Command("train", "--speech DIR --noise DIR", "train a network"),
        Command("live", "MODEL", "hear the C code live, in a browser", "utcn_live_small"),
        Command("report", "RUN ...", "write the HTML report of runs"),
        Command("model", "FILE [--fix-axes]", "inspect an ONNX model", "utcn_small"),
        Command("export", "MODEL [--fp16]", "write a model for another runtime", "utcn_small --fp16"),
        Command("board-test", "PACKAGE --port PORT", "compare a board with an emulated core"),
        Command("compare", "VECTORS OUTPUT", "find where a board's output diverges"),
        Command("zoo", "list | show | get NAME", "list and copy the shipped models"),
        Command("config", "--check|--print|--upgrade FILE", "check, show or upgrade a YAML file"),
        Command("doctor", "", "check the installation"),
        Command("completion", "SHELL", "print a completion script"),
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
    output = redirect_stdout(sys.stderr) if getattr(options, "save_config", None) == STANDARD_OUTPUT else nullcontext()
    with parser.name_options_in_errors(), output:
        return command.module.run(options)
