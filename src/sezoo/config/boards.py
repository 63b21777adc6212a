"""Boards that a configuration can name: processor, clock, and memory for the program.

Sources: the data sheets of the microcontrollers and the user manuals of the boards (st.com).
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["BOARDS", "BoardFacts"]

KIB, MIB = 1024, 1024 * 1024


@dataclass(frozen=True)
class BoardFacts:
    """A board.

    Attributes
    ----------
    chip : the microcontroller.
    core : its processor, as the compilers call it.
    clock_mhz : the fastest clock of the core.
    flash : bytes for program and weights. The STM32N6 has none of its own: there it is the board's external one.
    ram : bytes of the microcontroller's own memory.
    """

    chip: str
    core: str
    clock_mhz: float
    flash: int
    ram: int


BOARDS: dict[str, BoardFacts] = {
    "STM32N6570-DK": BoardFacts("STM32N657X0", "cortex-m55", 800, 128 * MIB, 4200 * KIB),
    "STM32H747I-DISCO": BoardFacts("STM32H747XI", "cortex-m7", 480, 2 * MIB, 1 * MIB),
    "STM32H7B3I-DK": BoardFacts("STM32H7B3LI", "cortex-m7", 280, 2 * MIB, 1376 * KIB),
    "STM32H735G-DK": BoardFacts("STM32H735IG", "cortex-m7", 550, 1 * MIB, 564 * KIB),
    "NUCLEO-H743ZI2": BoardFacts("STM32H743ZI", "cortex-m7", 480, 2 * MIB, 1 * MIB),
    "STM32F469I-DISCO": BoardFacts("STM32F469NI", "cortex-m4", 180, 2 * MIB, 384 * KIB),
    "STM32F746G-DISCO": BoardFacts("STM32F746NG", "cortex-m7", 216, 1 * MIB, 340 * KIB),
    "STM32F769I-DISCO": BoardFacts("STM32F769NI", "cortex-m7", 216, 2 * MIB, 532 * KIB),
    "NUCLEO-F401RE": BoardFacts("STM32F401RE", "cortex-m4", 84, 512 * KIB, 96 * KIB),
    "NUCLEO-G474RE": BoardFacts("STM32G474RE", "cortex-m4", 170, 512 * KIB, 128 * KIB),
    "STM32L4R9I-DISCO": BoardFacts("STM32L4R9AI", "cortex-m4", 120, 2 * MIB, 640 * KIB),
    "B-U585I-IOT02A": BoardFacts("STM32U585AI", "cortex-m33", 160, 2 * MIB, 786 * KIB),
}
