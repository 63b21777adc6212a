"""ST's programs: which are needed, where they are, and whether stedgeai is new enough."""

from __future__ import annotations

import logging
import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from sezoo.config.sections import Config
from sezoo.errors import UserError
from sezoo.targets.programs import Program, find_program, try_program

__all__ = ["STEDGEAI", "Toolbox", "check_version", "find_tools", "plain_tools"]

log = logging.getLogger(__name__)

OLDEST_STEDGEAI = (2, 0, 0)
"""The first ST Edge AI Core that compiles for the STM32N6."""

VERSION = r"\d+\.\d+(?:\.\d+)?"

STEDGEAI = Program(
    "stedgeai",
    "tools.stedgeai.path_to_stedgeai",
    f"install ST Edge AI Core {'.'.join(map(str, OLDEST_STEDGEAI))} or newer from st.com",
    "STM32_AI_EXE",
)
CUBEIDE = Program(
    ("stm32cubeidec", "stm32cubeide") if sys.platform == "win32" else "stm32cubeide",
    "tools.path_to_cubeIDE",
    "install STM32CubeIDE from st.com",
    "STM32_CUBE_IDE_EXE",
)
PROGRAMMER = Program(
    "STM32_Programmer_CLI",
    "tools.path_to_cubeprogrammer",
    "install STM32CubeProgrammer from st.com",
    "STM32_CUBE_PROG_EXE",
)
SIGNING_TOOL = Program(
    "STM32_SigningTool_CLI",
    "tools.path_to_signing_tool",
    "install STM32CubeProgrammer from st.com, which has it beside its own program",
    "STM32_SIGNINGTOOL_CLI",
)


@dataclass(frozen=True)
class Toolbox:
    """The programs, where they are."""

    stedgeai: Path
    cubeide: Path
    programmer: Path
    signing_tool: Path


def find_tools(config: Config) -> Toolbox:
    """Find all programs, as configured, by the environment or on the PATH.

    Raises
    ------
    UserError : those that are missing, all of them, and how to install each.
    """
    found, problems = _found(config)
    if problems:
        raise UserError("; ".join(problems))
    return Toolbox(**found)


def plain_tools(config: Config) -> Toolbox:
    """As `find_tools`, but what is missing stands there with its plain name: to be shown, not to be run."""
    found, problems = _found(config)
    for problem in problems:
        log.warning("%s", problem)
    names = {key: Path(program.names[0]) for key, (program, _) in _programs(config).items()}
    return Toolbox(**{**names, **found})


def _programs(config: Config) -> dict[str, tuple[Program, Path | None]]:
    tools = config.tools
    return {
        "stedgeai": (STEDGEAI, tools.stedgeai.path_to_stedgeai),
        "cubeide": (CUBEIDE, tools.path_to_cubeIDE),
        "programmer": (PROGRAMMER, tools.path_to_cubeprogrammer),
        "signing_tool": (SIGNING_TOOL, tools.path_to_signing_tool),
    }


def _found(config: Config) -> tuple[dict[str, Path], list[str]]:
    """The programs that are there, as absolute paths, and what there is to say about the others."""
    found: dict[str, Path] = {}
    problems: list[str] = []
    for key, (program, configured) in _programs(config).items():
        try:
            path = try_program(program, configured)
            if path is None and key == "signing_tool":
                path = _beside(found.get("programmer"))
            path = (path or find_program(program, configured)).absolute()
            found[key] = _headless(path) if key == "cubeide" else path
        except UserError as error:
            problems.append(str(error))
    return found, problems


def _beside(programmer: Path | None) -> Path | None:
    """The signing tool in the folder of STM32CubeProgrammer, with which it is installed."""
    found = shutil.which(SIGNING_TOOL.names[0], path=str(programmer.parent)) if programmer is not None else None
    return Path(found) if found else None


def _headless(cubeide: Path) -> Path:
    """On Windows `stm32cubeide` ends before the build does, and says nothing; `stm32cubeidec` is for that."""
    beside = cubeide.with_name(f"stm32cubeidec{cubeide.suffix}")
    return beside if sys.platform == "win32" and cubeide.stem == "stm32cubeide" and beside.is_file() else cubeide


def check_version(said: str, program: Path) -> str:
    """The version in what `stedgeai --version` says.

    Raises
    ------
    UserError : there is none, or one that does not know the STM32N6.
    """
    needed = ".".join(map(str, OLDEST_STEDGEAI))
    # A tool may name the version of its Python as well.
    found = re.search(rf"edge\s*ai[^\d\n]*({VERSION})", said, re.IGNORECASE) or re.search(rf"({VERSION})", said)
    if found is None:
        lines = said.split("\n")
        raise UserError(
            f"{program} --version: no version in what it says ({lines[0][:80]!r}); {needed} or newer is needed"
        )
    if tuple(map(int, found[1].split("."))) < OLDEST_STEDGEAI[: found[1].count(".") + 1]:
        raise UserError(
            f"{program}: version {found[1]} was found, {needed} or newer is needed for an STM32N6: {STEDGEAI.install}, "
            f"and set {STEDGEAI.key} or {STEDGEAI.variable}"
        )
    return found[1]
