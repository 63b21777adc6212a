"""Lookup of the ST programs that a deployment needs."""

from __future__ import annotations

import logging
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from sezoo.base.errors import UserError
from sezoo.config.sections import Config
from sezoo.targets.c_compiler import ARM_GCC
from sezoo.targets.programs import Program, find_program, try_program
from sezoo.targets.stedgeai.local import STEDGEAI

__all__ = ["CUBEIDE", "MAKE", "PROGRAMMER", "SIGNING_TOOL", "Toolbox", "find_tools", "plain_tools"]

log = logging.getLogger(__name__)

CUBEIDE = Program(
    ("stm32cubeidec", "stm32cubeide") if sys.platform == "win32" else "stm32cubeide",
    "tools.path_to_cubeIDE",
    "install STM32CubeIDE from st.com",
    "STM32_CUBE_IDE_EXE",
)
MAKE = Program(
    ("make", "mingw32-make") if sys.platform == "win32" else "make",
    "tools.path_to_make",
    "install GNU make (Debian and Ubuntu: make; Windows: STM32CubeIDE brings one)",
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
    """Paths of the programs; None for the builder that is not used."""

    stedgeai: Path
    programmer: Path
    signing_tool: Path
    cubeide: Path | None = None
    make: Path | None = None
    gcc: Path | None = None


def find_tools(config: Config) -> Toolbox:
    """Find all programs in the configuration, in the environment or on the PATH.

    Raises
    ------
    UserError : programs are missing; the message lists all of them and how to install each.
    """
    found, problems = _search(config)
    if problems:
        raise UserError("; ".join(problems))
    return Toolbox(**found)


def plain_tools(config: Config) -> Toolbox:
    """Find the programs as `find_tools`, with the plain name for a missing one; the result is only for display."""
    found, problems = _search(config)
    for problem in problems:
        log.warning("%s", problem)
    names = {key: Path(program.names[0]) for key, (program, _) in _programs(config).items()}
    return Toolbox(**{**names, **found})


def _programs(config: Config) -> dict[str, tuple[Program, Path | None]]:
    tools = config.tools
    builders = {
        "cubeide": {"cubeide": (CUBEIDE, tools.path_to_cubeIDE)},
        "make": {"make": (MAKE, tools.path_to_make), "gcc": (ARM_GCC, tools.path_to_arm_gcc)},
    }
    return {
        "stedgeai": (STEDGEAI, tools.stedgeai.path_to_stedgeai),
        **builders[config.deployment.builder],
        "programmer": (PROGRAMMER, tools.path_to_cubeprogrammer),
        "signing_tool": (SIGNING_TOOL, tools.path_to_signing_tool),
    }


def _search(config: Config) -> tuple[dict[str, Path], list[str]]:
    """Return the absolute paths of the programs found, and messages on the missing ones."""
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
            hint = " (deployment.builder: make needs no IDE)" if key == "cubeide" else ""
            problems.append(f"{error}{hint}")
    return found, problems


def _beside(programmer: Path | None) -> Path | None:
    """Return the signing tool in the folder of STM32CubeProgrammer, with which it is installed."""
    found = shutil.which(SIGNING_TOOL.names[0], path=str(programmer.parent)) if programmer is not None else None
    return Path(found) if found else None


def _headless(cubeide: Path) -> Path:
    """Return `stm32cubeidec` on Windows, where `stm32cubeide` exits before the build ends, without output."""
    beside = cubeide.with_name(f"stm32cubeidec{cubeide.suffix}")
    return beside if sys.platform == "win32" and cubeide.stem == "stm32cubeide" and beside.is_file() else cubeide
