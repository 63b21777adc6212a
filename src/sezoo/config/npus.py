"""Arm's Ethos-U NPUs that a network can be compiled for."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["NPUS", "Npu"]


@dataclass(frozen=True)
class Npu:
    """An NPU in a system of Arm's: memories and their speed, as vela.ini describes them."""

    name: str
    system: str


NPUS: dict[str, Npu] = {
    npu.name: npu
    for npu in (
        *(Npu(f"ethos-u55-{macs}", "Ethos_U55_High_End_Embedded") for macs in (32, 64, 128, 256)),
        *(Npu(f"ethos-u65-{macs}", "Ethos_U65_Embedded") for macs in (256, 512)),
        *(Npu(f"ethos-u85-{macs}", "Ethos_U85_SYS_Flash_High") for macs in (128, 256, 512, 1024, 2048)),
    )
}
"""By name; the number is of multiplications a cycle."""
