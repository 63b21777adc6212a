"""Running a program on an emulated Cortex-M: QEMU counts its instructions, and gives it files of a folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sezoo.base.errors import UserError
from sezoo.targets.cores import Core
from sezoo.targets.programs import Program, find_program, run_program

__all__ = ["Figures", "emulate", "find_emulator", "read_figures"]

QEMU = Program(
    "qemu-system-arm",
    "tools.path_to_qemu",
    "install QEMU 7 or later (Debian and Ubuntu: qemu-system-arm; elsewhere qemu.org)",
)


@dataclass(frozen=True)
class Figures:
    """What the program `denoise_wav` counted.

    Attributes
    ----------
    calls : of the denoiser.
    instructions, worst : of all calls together, and of the longest one.
    stack : bytes, at its deepest.
    spectra : instructions of the transforms, windows and samples, in all calls.
    steps : instructions of each of the network's operators, in all calls.
    """

    calls: int
    instructions: int
    worst: int
    stack: int
    spectra: int
    steps: tuple[int, ...]


def find_emulator(configured: Path | None) -> Path:
    """Where QEMU is.

    Raises
    ------
    UserError : it is not there; how to install it.
    """
    return find_program(QEMU, configured)


def emulate(qemu: Path, core: Core, elf: Path, folder: Path, log_file: Path, *, timeout: float) -> str:
    """Run a program to its end; its files are those of `folder`.

    Returns
    -------
    said : what it printed.

    Raises
    ------
    UserError : it ends with an error, or not in time.
    """
    command = [
        *(qemu.absolute(), "-M", core.machine, "-nographic", "-monitor", "none", "-serial", "none"),
        *("-semihosting-config", "enable=on,target=native", "-icount", "shift=0,sleep=off", "-kernel", elf.absolute()),
    ]
    return run_program(command, log_file, timeout=timeout, folder=folder)


def read_figures(path: Path) -> Figures:
    """Read `figures.txt`.

    Raises
    ------
    UserError : the program did not write it.
    """
    try:
        lines = [line.split() for line in path.read_text(encoding="ascii").splitlines()]
    except OSError as error:
        raise UserError(f"the emulated program has not written {path.name}") from error
    steps = tuple(int(number) for name, number in lines if name == "step")
    return Figures(**{name: int(number) for name, number in lines if name != "step"}, steps=steps)
