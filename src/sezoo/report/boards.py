"""Boards that a run's program or model fits, and the load of their cores."""

from __future__ import annotations

from dataclasses import dataclass

from sezoo.config.boards import BOARDS, BoardFacts
from sezoo.results.run_results import RunFacts

__all__ = ["BoardFit", "board_fits"]

SAME_INSTRUCTIONS = ({"cortex-m4", "cortex-m7", "cortex-m33"},)
"""Cores that the kernels take the same instructions of: those with the DSP extension and no vectors."""

INT8 = "quantized_model_int8.onnx"


@dataclass(frozen=True)
class BoardFit:
    """A board and what of it would be taken; shares of 1, None where it is unknown.

    Attributes
    ----------
    load : of the core's time, an instruction a cycle; None where no core with its instructions was emulated.
    """

    name: str
    facts: BoardFacts
    flash: float
    ram: float | None
    load: float | None

    @property
    def fits(self) -> bool:
        """Whether all that is known fits, and keeps up."""
        return all(share <= 1 for share in (self.flash, self.ram, self.load) if share is not None)

    @property
    def too_much(self) -> list[str]:
        """Resources of which the board has too little: flash, RAM, time."""
        shares = {"flash": self.flash, "RAM": self.ram, "time": self.load}
        return [name for name, share in shares.items() if share is not None and share > 1]


def board_fits(facts: RunFacts) -> list[BoardFit]:
    """Every board, held against the program with the model; where none was built, against the int8 model's file."""
    sizes, model = facts.sizes, facts.models.get(INT8)
    if not sizes and model is None:
        return []
    by_core, any_size = {size.core: size for size in sizes}, sizes[0] if sizes else None
    fits = []
    for name, board in BOARDS.items():
        alike = next((cores for cores in SAME_INSTRUCTIONS if board.core in cores), {board.core})
        size = by_core.get(board.core) or next((by_core[core] for core in by_core if core in alike), any_size)
        if size is None:
            fits.append(BoardFit(name, board, model / board.flash, None, None))
            continue
        runs = size.instructions_a_second if size.core in alike else None
        load = None if runs is None else runs / (board.clock_mhz * 1e6)
        fits.append(BoardFit(name, board, size.flash / board.flash, size.ram / board.ram, load))
    return fits
