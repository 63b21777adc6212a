"""Running a program on an emulated Cortex-M: QEMU counts its instructions, and gives it files of a folder."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sezoo.base.errors import UserError
from sezoo.base.files import display_path
from sezoo.targets.cores import Core
from sezoo.targets.programs import Program, find_program, run_program
from sezoo.targets.serial_line import TcpLine

__all__ = ["Figures", "emulate", "emulated_board", "find_emulator", "read_figures"]

START_SECONDS = 60

QEMU = Program(
    "qemu-system-arm",
    "tools.path_to_qemu",
    "install QEMU 7 or later (Debian and Ubuntu: qemu-system-arm; elsewhere qemu.org)",
)


@dataclass(frozen=True)
class Figures:
    """Measurements of the program `denoise_wav`.

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
    """Return the path of QEMU.

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
    command = [*_command(qemu, core, elf), "-serial", "none"]
    return run_program(command, log_file, timeout=timeout, folder=folder)


@contextmanager
def emulated_board(qemu: Path, core: Core, elf: Path, log_file: Path) -> Iterator[TcpLine]:
    """Run a program that talks over its board's serial line, until the block ends.

    Raises
    ------
    UserError : QEMU does not start.
    """
    log_file.parent.mkdir(parents=True, exist_ok=True)
    with socket.create_server(("127.0.0.1", 0)) as server, log_file.open("wb") as log:
        server.settimeout(START_SECONDS)
        command = [*_command(qemu, core, elf), "-serial", f"tcp:127.0.0.1:{server.getsockname()[1]}"]
        process = subprocess.Popen(
            [str(word) for word in command], stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
        )
        try:
            try:
                line = TcpLine(server.accept()[0], f"the emulated {core.name}")
            except TimeoutError as error:
                raise UserError(
                    f"{qemu} did not start within {START_SECONDS} s; its output is in {display_path(log_file)}"
                ) from error
            try:
                yield line
            finally:
                line.close()
        finally:
            process.kill()
            process.wait()


def _command(qemu: Path, core: Core, elf: Path) -> list[str | Path]:
    """QEMU's, without a serial line."""
    return [
        *(qemu.absolute(), "-M", core.machine, "-nographic", "-monitor", "none"),
        *("-semihosting-config", "enable=on,target=native", "-icount", "shift=0,sleep=off", "-kernel", elf.absolute()),
    ]


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
