"""What is run, in order: the command words of every step, as data."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from sezoo.base.processors import available_processors
from sezoo.deployment.stm32n6.c_project import CProject
from sezoo.deployment.stm32n6.tools import Toolbox

__all__ = ["Places", "Step", "command_line", "steps_of"]

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
        return self.folder / "network_atonbuf.xSPI2.bin"


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
    environment : variables in addition to ours.
    timeout : seconds.
    """

    name: str
    doing: str
    words: tuple[str, ...]
    makes: tuple[Path, ...] = ()
    folder: Path | None = None
    environment: dict[str, str] | None = None
    timeout: float = 10 * MINUTE


def steps_of(tools: Toolbox, model: Path, project: CProject, places: Places, serial_number: str | None) -> list[Step]:
    """All steps; every path in them is absolute."""
    generate = (
        *(tools.stedgeai, "generate", "-m", model, "--target", "stm32n6"),
        *("--st-neural-art", f"{project.build.profile}@{project.neural_art}"),
        # the application writes int8 magnitudes, and reads the mask as float
        *("--input-data-type", "int8", "--output-data-type", "float32"),
        *("--output", places.generated, "--workspace", places.folder / "stedgeai_workspace"),
    )
    sign = (
        *(tools.signing_tool, "-s", "-bin", places.application, "-nk", "-t", "ssbl", "-hv", "2.3"),
        *("-o", places.signed),
    )
    probe = () if serial_number is None else (f"sn={serial_number}",)
    connect = (
        *(tools.programmer, "-c", "port=swd", "mode=HOTPLUG", *probe),
        *("--extload", _external_loader(tools.programmer, project.build.external_loader), "-hardRst", "-w"),
    )
    addresses = project.build.addresses
    # The addresses are inside a .hex file, and STM32CubeProgrammer wants them for .bin files alone.
    fsbl = (project.fsbl,) if project.fsbl.suffix.lower() == ".hex" else (project.fsbl, f"{addresses.fsbl:#x}")
    # The profile names files beside itself.
    beside_profile = project.neural_art.parent
    return [
        Step("version", "asking stedgeai for its version", _words(tools.stedgeai, "--version"), timeout=5 * MINUTE),
        Step(
            *("generate", "compiling the model", _words(*generate), (places.generated,)),
            folder=beside_profile,
            timeout=120 * MINUTE,
        ),
        _build_step(tools, project, places),
        Step("sign", "signing the application", _words(*sign), (places.signed,)),
        Step(
            *("flash_application", "flashing the application"),
            _words(*connect, places.signed, f"{addresses.application:#x}"),
        ),
        Step(
            *("flash_weights", "flashing the weights"),
            _words(*connect, places.weights, f"{addresses.weights:#x}"),
            timeout=30 * MINUTE,
        ),
        Step("flash_fsbl", "flashing the first-stage boot loader", _words(*connect, *fsbl)),
    ]


def _build_step(tools: Toolbox, project: CProject, places: Places) -> Step:
    """By CubeIDE without its window, or by the project's Makefile with the compiler first on the PATH."""
    doing = f"building {project.name}, {project.build.name}"
    if tools.make is not None and tools.gcc is not None:
        words = _words(tools.make, "-C", project.location, f"-j{available_processors()}", project.make_target)
        path = os.pathsep.join([str(tools.gcc.parent), os.environ.get("PATH", "")])
        return Step("build", doing, words, folder=project.location, environment={"PATH": path}, timeout=120 * MINUTE)
    words = _words(
        *(tools.cubeide, "-nosplash", "-application", "org.eclipse.cdt.managedbuilder.core.headlessbuild"),
        *("-data", places.folder / "cubeide_workspace", "-import", project.location),
        *("-cleanBuild", f"{_literal(project.name)}/{_literal(project.build.cubeide_name)}"),
    )
    return Step("build", doing, words, timeout=120 * MINUTE)


def command_line(step: Step) -> str:
    """The step's command to copy into a shell: a POSIX one, on Windows its own."""
    return subprocess.list2cmdline(step.words) if sys.platform == "win32" else shlex.join(step.words)


def _words(*words: object) -> tuple[str, ...]:
    return tuple(str(word) for word in words)


def _literal(name: str) -> str:
    """CubeIDE takes the names of projects and configurations as regular expressions."""
    return re.sub(r"([\\()\[\]{}+*?^$|])", r"\\\1", name)


def _external_loader(programmer: Path, named: str | None) -> str:
    """The loader of the board's flash: where STM32CubeProgrammer has its loaders, else where the project has it."""
    loader = Path(named or EXTERNAL_LOADER)
    beside = programmer.resolve().parent / "ExternalLoader" / loader.name
    return str(next((path for path in (beside, loader) if path.is_file()), loader.name))
