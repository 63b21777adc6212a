"""Diagnosis of the installation: required and optional packages, external programs, folders."""

from __future__ import annotations

import platform
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from sezoo.base.errors import UserError
from sezoo.base.processors import available_processors
from sezoo.base.version import __version__
from sezoo.targets.programs import Program, try_program

__all__ = ["Diagnosis", "Finding", "diagnosis"]

SECONDS = 10
"""After which a program that is asked for its version is given up."""

OPTIONAL = {
    "torch": ("training (sezoo train) and torch weights", "pip install 'sezoo[train]'"),
    "pyroomacoustics": ("simulated rooms to train in (dataset.rooms: image)", "pip install 'sezoo[rooms]'"),
    "speechmos": ("DNSMOS, scores without clean speech", "pip install 'sezoo[dnsmos]'"),
    "ziglang": ("sezoo live, and a C compiler where there is no arm-none-eabi-gcc", "pip install 'sezoo[mcu]'"),
    "pyserial": ("testing C packages on boards (sezoo board-test)", "pip install 'sezoo[board]'"),
    "ai-edge-litert": ("running .tflite files, to check their integers", "pip install 'sezoo[litert]'"),
    "tflite-micro": ("running .tflite files by TensorFlow Lite Micro itself", "pip install 'sezoo[tflm]'"),
    "ethos-u-vela": ("estimates for Arm's Ethos-U (sezoo benchmark)", "pip install 'sezoo[ethos-u]'"),
    "sounddevice": ("microphone and headphones (sezoo live --audio)", "pip install 'sezoo[live]'"),
    "tensorboard": ("event files of trainings (training.tensorboard)", "pip install 'sezoo[tensorboard]'"),
    "mlflow": ("looking at tracked runs, tracking on a server", "pip install 'sezoo[mlflow]'"),
    "clearml": ("tracking in ClearML (tracking.clearml)", "pip install 'sezoo[clearml]', then clearml-init"),
    "distributed": ("scoring and denoising on a Dask cluster (general.executor)", "pip install 'sezoo[dask]'"),
    "ray": ("scoring and denoising on a Ray cluster (general.executor)", "pip install 'sezoo[ray]'"),
    "notebook": ("the notebooks of the documentation", "pip install 'sezoo[notebooks]'"),
    "pandas": ("results as tables (to_dataframe)", "pip install 'sezoo[notebooks]'"),
}
"""Packages, what each is for, and how to get it."""


@dataclass(frozen=True)
class Finding:
    """Something that was looked for.

    Attributes
    ----------
    purpose : what it is for.
    remedy : how to get it.
    problem : why what is there cannot be used.
    """

    name: str
    found: bool
    version: str | None = None
    path: Path | None = None
    purpose: str = ""
    remedy: str = ""
    problem: str = ""


@dataclass(frozen=True)
class Diagnosis:
    """All of it."""

    sezoo: str
    python: str
    system: str
    cores: int
    packages: list[Finding]
    optional_packages: list[Finding]
    programs: list[Finding]
    folders: list[Finding]


def diagnosis() -> Diagnosis:
    """Look for everything; programs are asked for their versions."""
    return Diagnosis(
        sezoo=__version__,
        python=platform.python_version(),
        system=f"{platform.system()} {platform.machine()}",
        cores=available_processors(),
        packages=[
            _package(name, "sezoo itself", "pip install --force-reinstall sezoo") for name in _required_packages()
        ],
        optional_packages=[_package(name, *facts) for name, facts in OPTIONAL.items()],
        programs=_programs(),
        folders=_folders(),
    )


def _required_packages() -> list[str]:
    """The packages that sezoo's own metadata requires."""
    try:
        lines = requires("sezoo") or []
    except PackageNotFoundError:  # run from its sources
        return []
    return [re.match(r"[\w.-]+", line)[0] for line in lines if "extra ==" not in line]


def _package(name: str, purpose: str, remedy: str) -> Finding:
    try:
        return Finding(name, True, version(name), None, purpose, remedy)
    except PackageNotFoundError:
        return Finding(name, False, None, None, purpose, remedy)


def _programs() -> list[Finding]:
    from sezoo.deployment.stm32n6.tools import CUBEIDE, MAKE, PROGRAMMER, SIGNING_TOOL
    from sezoo.targets.c_compiler import ARM_GCC
    from sezoo.targets.emulator import QEMU
    from sezoo.targets.stedgeai.local import STEDGEAI

    flash = "the STM32N6 with ST's tools"
    asked = (
        (ARM_GCC, "compiling for a Cortex-M (sezoo deploy, benchmark)", ("-dumpfullversion",)),
        (QEMU, "emulating a Cortex-M (sezoo deploy, benchmark)", ("--version",)),
        (STEDGEAI, "ST's own figures, and the STM32N6 (--on stedgeai)", ("--version",)),
        (CUBEIDE, f"building for {flash}", None),  # a version would open its window
        (MAKE, f"building for {flash}, without the IDE", ("--version",)),
        (PROGRAMMER, f"writing to {flash}", ("--version",)),
        (SIGNING_TOOL, f"signing for {flash}", ("--version",)),
    )
    return [_program(*each) for each in asked]


def _program(program: Program, purpose: str, question: Sequence[str] | None) -> Finding:
    name = program.names[0]
    remedy = f"{program.install}; on the PATH{f', in {program.variable},' if program.variable else ''} or {program.key}"
    try:
        path = try_program(program)
    except UserError as error:  # the environment names something that is none
        return Finding(name, False, None, None, purpose, remedy, str(error))
    if path is None:
        return Finding(name, False, None, None, purpose, remedy)
    return Finding(name, True, _version_of(path, question) if question else None, path, purpose, remedy)


def _version_of(path: Path, question: Sequence[str]) -> str | None:
    """The first number with a point in the version text of a program."""
    try:
        done = subprocess.run(
            [path, *question], stdin=subprocess.DEVNULL, capture_output=True, timeout=SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.search(r"\d+(\.\d+)+", (done.stdout + done.stderr).decode("utf-8", errors="replace"))
    return found[0] if found else None


def _folders() -> list[Finding]:
    from platformdirs import user_cache_path

    from sezoo.base.shipped import ZOO

    cache = user_cache_path("sezoo", appauthor=False)
    size = sum(path.stat().st_size for path in cache.rglob("*") if path.is_file()) if cache.is_dir() else 0
    purpose = "scores of noisy recordings, compiled C kernels and the login at ST, from run to run; made when needed"
    return [
        Finding("Python", True, None, Path(sys.prefix), "the environment"),
        Finding("model zoo", True, None, ZOO, "the shipped models"),
        Finding("cache", cache.is_dir(), f"{size / 2**20:.1f} MiB" if cache.is_dir() else None, cache, purpose),
    ]
