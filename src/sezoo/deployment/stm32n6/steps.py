"""The steps of a deployment in order, with their commands as data."""

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
    """Paths of a deployment inside the run's folder.

    Attributes
    ----------
    folder : folder of this deployment.
    application : program to sign, the output of the build.
    """

    folder: Path
    application: Path

    @property
    def headers(self) -> Path:
        """Folder of the C files that sezoo writes."""
        return self.folder / "headers"

    @property
    def generated(self) -> Path:
        """Folder of the files that stedgeai writes."""
        return self.folder / "generated"

    @property
    def replaced(self) -> Path:
        """Folder of the C project's replaced files."""
        return self.folder / "replaced"

    @property
    def logs(self) -> Path:
        """Folder of the programs' logs."""
        return self.folder / "logs"

    @property
    def signed(self) -> Path:
        """The signed application."""
        return self.folder / f"{self.application.stem}_signed.bin"

    @property
    def weights(self) -> Path:
        """The weights, with a file name that STM32CubeProgrammer accepts."""
        return self.folder / "network_atonbuf.xSPI2.bin"


@dataclass(frozen=True)
class Step:
    """A program to run.

    Attributes
    ----------
    name : name of the step and of its log file.
    doing : description for the progress display: "compiling the model".
    words : program and arguments.
    makes : files and folders that must exist afterwards; they are removed if the step fails.
    folder : working directory; None for the current one.
    environment : additional environment variables.
    timeout : time-out in seconds.
    """

    name: str
    doing: str
    words: tuple[str, ...]
    makes: tuple[Path, ...] = ()
    folder: Path | None = None
    environment: dict[str, str] | None = None
    timeout: float = 10 * MINUTE


def steps_of(tools: Toolbox, model: Path, project: CProject, places: Places, serial_number: str | None) -> list[Step]:
    """Return all steps, with absolute paths."""
    generate = (
        *(tools.stedgeai, "generate", "-m", model, "--target", "stm32n6"),
        *("--st-neural-art", f"{project.build.profile}@{project.neural_art}"),
        # the application passes int8 magnitudes, and reads the mask as float
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
    # A .hex file contains its addresses; STM32CubeProgrammer requires one only for .bin files.
    fsbl = (project.fsbl,) if project.fsbl.suffix.lower() == ".hex" else (project.fsbl, f"{addresses.fsbl:#x}")
    # The profile refers to files in its own folder.
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
    """Return the build step: headless CubeIDE, or the project's Makefile with the compiler first on the PATH."""
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
    """Return the step's command line for a POSIX shell, or on Windows for cmd."""
    return subprocess.list2cmdline(step.words) if sys.platform == "win32" else shlex.join(step.words)


def _words(*words: object) -> tuple[str, ...]:
    return tuple(str(word) for word in words)


def _literal(name: str) -> str:
    """Escape a name, as CubeIDE interprets names of projects and configurations as regular expressions."""
    return re.sub(r"([\\()\[\]{}+*?^$|])", r"\\\1", name)


def _external_loader(programmer: Path, named: str | None) -> str:
    """Return the flash loader from STM32CubeProgrammer's loaders, else from the project."""
    loader = Path(named or EXTERNAL_LOADER)
    beside = programmer.resolve().parent / "ExternalLoader" / loader.name
    return str(next((path for path in (beside, loader) if path.is_file()), loader.name))
