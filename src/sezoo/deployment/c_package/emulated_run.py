"""Build a C package for a core, and run it in the emulator on its test vectors and on a recording."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from sezoo.audio.clip import read_clip, write_clip
from sezoo.base.progress import working
from sezoo.deployment.c_package.vectors import MAGNITUDES, MASKS
from sezoo.targets.c_compiler import CCompiler, build_program
from sezoo.targets.cores import Core
from sezoo.targets.elf import ProgramSize, size_of
from sezoo.targets.emulator import Figures, emulate, read_figures

__all__ = ["EmulatedRun", "Emulation", "run_emulated"]

VECTOR_SECONDS = 120
SECONDS_PER_SECOND = 30
"""Time-out of the emulator per second of audio."""


@dataclass(frozen=True)
class Emulation:
    """The tools of an emulation: compiler, path of QEMU, and the folder for their logs."""

    compiler: CCompiler
    qemu: Path
    logs: Path


@dataclass(frozen=True)
class EmulatedRun:
    """Result of an emulated run.

    Attributes
    ----------
    figures : instruction counts and stack depth, measured while the recording was denoised.
    size : size of the program, including its sample buffers.
    denoised : (samples,) float32
    """

    core: Core
    compiler: str
    figures: Figures
    size: ProgramSize
    denoised: np.ndarray


def run_emulated(
    emulation: Emulation, core: Core, package: Path, waveform: np.ndarray, sample_rate: int, folder: Path
) -> EmulatedRun:
    """Check the package's test vectors on an emulated core, and denoise a recording there.

    Parameters
    ----------
    waveform : (samples,) float32
    folder : folder for the programs and recordings (`noisy.wav`, `denoised.wav`); it is created if missing.

    Raises
    ------
    UserError : the package does not compile, or its masks differ from the test vectors.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as objects:

        def build(program: str) -> Path:
            elf = folder / f"{program}.elf"
            log_file = emulation.logs / f"build_{program}_{core.name}.log"
            with working(f"building {program} for a {core.name} with {emulation.compiler}", in_log=True):
                build_program(emulation.compiler, core, package, program, elf, log_file, Path(objects))
            return elf

        for name in (MAGNITUDES, MASKS):
            shutil.copyfile(package / "test_vectors" / name, folder / name)
        log_file = emulation.logs / f"check_vectors_{core.name}.log"
        elf = build("check_vectors")
        with working(f"checking the test vectors on an emulated {core.name}", in_log=True):
            emulate(emulation.qemu, core, elf, folder, log_file, timeout=VECTOR_SECONDS)
        for name in (MAGNITUDES, MASKS):
            (folder / name).unlink()
        write_clip(folder / "noisy.wav", waveform, sample_rate)
        elf = build("denoise_wav")
        seconds = VECTOR_SECONDS + SECONDS_PER_SECOND * len(waveform) / sample_rate
        log_file = emulation.logs / f"denoise_wav_{core.name}.log"
        with working(f"denoising {len(waveform) / sample_rate:.0f} s of audio on an emulated {core.name}", in_log=True):
            emulate(emulation.qemu, core, elf, folder, log_file, timeout=seconds)
    denoised = (
        read_clip(folder / "denoised.wav", sample_rate)
        if _has_sound(folder / "denoised.wav")
        else np.zeros_like(waveform)
    )
    return EmulatedRun(core, str(emulation.compiler), read_figures(folder / "figures.txt"), size_of(elf), denoised)


def _has_sound(path: Path) -> bool:
    """Return whether any sample is nonzero; a clip that lies below the gate throughout is no error here."""
    return any(path.read_bytes()[44:])
