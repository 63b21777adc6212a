"""The Cortex-M cores that can be emulated, and what compilers and the emulator call them."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["CORES", "Core"]


@dataclass(frozen=True)
class Core:
    """A processor core on a board of the emulator's.

    Attributes
    ----------
    gcc, zig : options for the compilers.
    machine : QEMU's.
    script : the linker script in the C package.
    instructions_per_tick : of its SysTick, when QEMU counts an instruction as a nanosecond.
    kernels : which of the package's kernels it gets.
    clock_mhz : that many of its microcontrollers run at, where no board of ours has the core.
    """

    name: str
    gcc: tuple[str, ...]
    zig: str
    machine: str
    script: str
    instructions_per_tick: float
    kernels: str
    clock_mhz: float


CORES: dict[str, Core] = {
    core.name: core
    for core in (
        Core(
            "cortex-m55",
            ("-mcpu=cortex-m55", "-mfloat-abi=hard"),
            "cortex_m55+mve+mve_fp",
            "mps3-an547",
            "an547.ld",
            31.25,
            "Helium (MVE)",
            800,
        ),
        Core(
            "cortex-m7",
            ("-mcpu=cortex-m7", "-mfloat-abi=hard", "-mfpu=fpv5-d16"),
            "cortex_m7+fp_armv8d16",
            "mps2-an500",
            "an500.ld",
            40,
            "DSP extension",
            480,
        ),
        Core(
            "cortex-m4",
            ("-mcpu=cortex-m4", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16"),
            "cortex_m4+vfp4d16sp",
            "mps2-an386",
            "an500.ld",
            40,
            "DSP extension",
            180,
        ),
        Core(
            "cortex-m33",
            ("-mcpu=cortex-m33", "-mfloat-abi=hard"),
            "cortex_m33+dsp+fp_armv8d16sp",
            "mps2-an505",
            "an505.ld",
            50,
            "DSP extension",
            160,
        ),
    )
}
