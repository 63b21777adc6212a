"""What is run, in order: the command words of every step, as data."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from sezoo.deployment.stm32n6.c_project import CProject
from sezoo.deployment.stm32n6.tools import Toolbox

__all__ = ["APPLICATION_SLOT", "FSBL_ADDRESS", "WEIGHTS_ADDRESS", "Places", "Step", "command_line", "steps_of"]

FSBL_ADDRESS, APPLICATION_ADDRESS, WEIGHTS_ADDRESS = 0x70000000, 0x70100000, 0x70180000
"""In the board's external flash, which begins with the first of them."""

APPLICATION_SLOT = WEIGHTS_ADDRESS - APPLICATION_ADDRESS
"""Bytes that the signed application may have: behind them are the weights."""

EXTERNAL_LOADER = "MX66UW1G45G_STM32N6570-DK.stldr"
MINUTE = 60


@dataclass(frozen=True)
class Places:
    """Where a deployment works, inside the run's folder.

    Attributes
    ----------
    folder : of this deployment.
    application : the program that is signed; the build makes it.
    """

    folder: Path
    application: Path

    @property
    def headers(self) -> Path:
        """Folder of the written C files."""
        return self.folder / "headers"

    @property
    def generated(self) -> Path:
        """Folder of what stedgeai writes."""
        return self.folder / "generated"

    @property
    def replaced(self) -> Path:
        """Folder of the C project's earlier files."""
        return self.folder / "replaced"

    @property
    def logs(self) -> Path:
        """Folder of what the programs say."""
        return self.folder / "logs"

    @property
    def signed(self) -> Path:
        """The signed application."""
        return self.folder / f"{self.application.stem}_signed.bin"

    @property
    def weights(self) -> Path:
        """The weights, under a name that STM32CubeProgrammer takes."""
        return self.folder / "network_data.bin"


@dataclass(frozen=True)
class Step:
    """A program that is run.

    Attributes
    ----------
    name : also of its log file.
    doing : for the progress: "compiling the model".
    words : the program and its arguments.
    makes : files and folders that have to be there afterwards; they are removed again where it fails.
    folder : to work in; ours if None.
    timeout : seconds.
    """

    name: str
    doing: str
    words: tuple[str, ...]
    makes: tuple[Path, ...] = ()
    folder: Path | None = None
    timeout: float = 10 * MINUTE


def steps_of(tools: Toolbox, model: Path, project: CProject, places: Places, serial_number: str | None) -> list[Step]:
    """All steps; every path in them is absolute."""
    generate = (
        *(tools.stedgeai, "generate", "-m", model, "--target", "stm32n6"),
        *("--st-neural-art", f"default@{project.neural_art}"),
        *("--output", places.generated, "--workspace", places.folder / "stedgeai_workspace"),
    )
    build = (
        *(tools.cubeide, "-nosplash", "-application", "org.eclipse.cdt.managedbuilder.core.headlessbuild"),
        *("-data", places.folder / "cubeide_workspace", "-import", project.location),
        *("-cleanBuild", f"{_literal(project.name)}/{_literal(project.build.cubeide_name)}"),
    )
    sign = (
        *(tools.signing_tool, "-s", "-bin", places.application, "-nk", "-t", "ssbl", "-hv", "2.3"),
        *("-o", places.signed),
    )
    probe = () if serial_number is None else (f"sn={serial_number}",)
    connect = (
        *(tools.programmer, "-c", "port=swd", "mode=HOTPLUG", *probe),
        *("--extload", _external_loader(tools.programmer), "-w"),
    )
    # The addresses are inside a .hex file, and STM32CubeProgrammer wants them for .bin files alone.
    fsbl = (project.fsbl,) if project.fsbl.suffix.lower() == ".hex" else (project.fsbl, f"{FSBL_ADDRESS:#x}")
    # The profile names files beside itself.
    beside_profile = project.neural_art.parent
    return [
        Step("version", "asking stedgeai for its version", _words(tools.stedgeai, "--version"), timeout=5 * MINUTE),
        Step(
            *("generate", "compiling the model", _words(*generate), (places.generated,)),
            folder=beside_profile,
            timeout=120 * MINUTE,
        ),
        Step("build", f"building {project.name}, {project.build.name}", _words(*build), timeout=120 * MINUTE),
        Step("sign", "signing the application", _words(*sign), (places.signed,)),
        Step("flash_fsbl", "flashing the first-stage boot loader", _words(*connect, *fsbl)),
        Step(
            *("flash_application", "flashing the application"),
            _words(*connect, places.signed, f"{APPLICATION_ADDRESS:#x}"),
        ),
        Step(
            *("flash_weights", "flashing the weights"),
            _words(*connect, places.weights, f"{WEIGHTS_ADDRESS:#x}"),
            timeout=30 * MINUTE,
        ),
    ]


def command_line(step: Step) -> str:
    """The step's command to copy into a shell: a POSIX one, on Windows its own."""
    return subprocess.list2cmdline(step.words) if sys.platform == "win32" else shlex.join(step.words)


def _words(*words: object) -> tuple[str, ...]:
    return tuple(str(word) for word in words)


def _literal(name: str) -> str:
    """CubeIDE takes the names of projects and configurations as regular expressions."""
    return re.sub(r"([\\()\[\]{}+*?^$|])", r"\\\1", name)


def _external_loader(programmer: Path) -> str:
    """The loader of the board's flash: where STM32CubeProgrammer has its loaders, else by its name alone."""
    beside = programmer.resolve().parent / "ExternalLoader" / EXTERNAL_LOADER
    return str(beside) if beside.is_file() else EXTERNAL_LOADER
