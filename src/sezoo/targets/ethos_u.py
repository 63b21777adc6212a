"""Arm's Ethos-U NPUs, and their compiler vela (the package ethos-u-vela), which estimates how long a network takes."""

from __future__ import annotations

import csv
import importlib.util
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from sezoo.base.errors import UserError
from sezoo.config.npus import Npu
from sezoo.targets.programs import run_program

__all__ = ["NpuLayer", "Vela", "VelaEstimate", "compile_for_npu", "find_vela"]

INSTALL = "pip install 'sezoo[ethos-u]'"
OLDEST = (5, 0)
"""From here on it has all of the NPUs, and its summary the columns that are read."""

SECONDS = 600
MEMORY_MODE = "Shared_Sram"
"""Activations in the SRAM that the processor has as well, weights in flash."""

CLOCK_MHZ = 500
"""Of the systems below, as Arm describes them in vela's own configuration."""

KIB = 1024


@dataclass(frozen=True)
class Vela:
    """The compiler: the words that begin its command, and its version."""

    command: tuple[str, ...]
    version: str


@dataclass(frozen=True)
class NpuLayer:
    """An operator as vela runs it.

    Attributes
    ----------
    tensor : that it makes, by its name in the .tflite file.
    on_npu : else the processor computes it.
    """

    tensor: str
    kind: str
    on_npu: bool
    cycles: int
    macs: int


@dataclass(frozen=True)
class VelaEstimate:
    """Vela's estimates for a network; sizes in bytes.

    Attributes
    ----------
    cycles : of the NPU for a call, with what it waits for memory.
    sram, flash : activations, and weights as the NPU reads them.
    reasons : why an operator is left to the processor, by the name of its tensor.
    """

    cycles: int
    macs: int
    sram: int
    flash: int
    layers: tuple[NpuLayer, ...]
    reasons: dict[str, str]


def find_vela() -> Vela:
    """The compiler, of this Python or on the PATH.

    Raises
    ------
    UserError : there is none, or it is too old.
    """
    if importlib.util.find_spec("ethosu") is not None:
        command: tuple[str, ...] = (sys.executable, "-m", "ethosu.vela")
    elif (program := shutil.which("vela")) is not None:
        command = (program,)
    else:
        raise UserError(f"vela, Arm's compiler for the Ethos-U, was not found: {INSTALL}")
    try:
        done = subprocess.run(
            [*command, "--version"], capture_output=True, text=True, timeout=60, check=False, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UserError(f"cannot run vela: {error}; {INSTALL}") from error
    said = done.stdout.strip()
    version = tuple(int(part) for part in re.findall(r"\d+", said)[:2])
    if version < OLDEST:
        found = said if version else "broken, it does not say its version"
        raise UserError(f"vela is {found}; {OLDEST[0]}.{OLDEST[1]} or later is needed: {INSTALL}")
    return Vela(command, said)


def compile_for_npu(vela: Vela, network: Path, npu: Npu, folder: Path, log_file: Path) -> VelaEstimate:
    """Compile a .tflite file for an NPU: the result and vela's tables are in the folder.

    Raises
    ------
    UserError : vela fails; its last lines.
    """
    said = run_program(
        [
            *vela.command, network, "--accelerator-config", npu.name, "--config", "Arm/vela.ini", "--system-config",
            npu.system, "--memory-mode", MEMORY_MODE, "--output-dir", folder, "--verbose-performance",
            "--show-cpu-operations",
        ],
        log_file,
        timeout=SECONDS,
    )  # fmt: skip
    try:
        (summary,) = _rows(folder / f"{network.stem}_summary_{npu.system}.csv")
        return VelaEstimate(
            cycles=round(float(summary["cycles_total"])),
            macs=round(float(summary["nn_macs"])),
            sram=round(KIB * float(summary["sram_memory_used"])),
            flash=round(KIB * float(summary["off_chip_flash_memory_used"])),
            layers=tuple(_layer(row) for row in _rows(folder / f"{network.stem}_per-layer.csv")),
            reasons=dict(re.findall(r"operator: \w+, ofm: '(.*)'\n\s*(?:-\s*)?Reason: (.*)", said)),
        )
    except (OSError, KeyError, ValueError) as error:
        raise UserError(
            f"vela {vela.version}: its tables are not as expected ({type(error).__name__}: {error}); {INSTALL}"
        ) from error


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _layer(row: dict[str, str]) -> NpuLayer:
    return NpuLayer(
        tensor=row["Name"],
        kind=row["Original Operator"],
        on_npu=row["Target"] == "NPU",
        cycles=round(float(row["Op Cycles"])),
        macs=round(float(row["MAC Count"])),
    )
