"""Runs of a model on small inputs: a graph may not do what it declares."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sezoo.base.errors import UserError
from sezoo.models.mask_model import MaskModel, ShapeError
from sezoo.models.spectra import random_input
from sezoo.models.state_loop import StateLengthError

if TYPE_CHECKING:
    from sezoo.models.contract import Contract

__all__ = ["KEPT_LENGTH", "try_model"]

KEPT_LENGTH = "with torch.onnx.export(..., dynamo=False) if dynamo=True leaves the length of its example"
"""What helps where a graph was exported for one length only."""

OTHER_SIZE = r"LSTM node.* must have shape \{.*\b(?P<wanted>\d+)\}\. Actual:\{.*\b(?P<found>\d+)\}"
"""What onnxruntime says of a recurrent layer whose states are of another size."""


def try_model(mask_model: MaskModel, contract: Contract) -> None:
    """Run the model on two shapes, with states two calls each.

    Raises
    ------
    UserError : it fails, or takes one length only.
    """
    lengths = (contract.frames, contract.frames) if isinstance(contract.frames, int) else (24, 37)
    # Clips of models with states are run one by one: that one batches is of no importance.
    for batch, frames in ((1, lengths[0]), (1 if contract.batch == 1 or contract.states else 2, lengths[1])):
        magnitude = random_input(frames, (batch, contract.bins, frames), mask_model.layout)
        try:
            run = mask_model.fresh()
            for _ in range(2 if contract.states else 1):
                run(magnitude)
        except ShapeError as error:
            if isinstance(error.__cause__, StateLengthError):  # it says itself what to do
                raise
            if (sizes := re.search(OTHER_SIZE, str(error))) and sizes["wanted"] != sizes["found"]:
                raise UserError(
                    f"{error}; PyTorch writes an LSTM with a projection so, and leaves the projection out: export one "
                    "without proj_size, with a linear layer behind it, or write the cell out, with states in and out"
                ) from error
            raise UserError(
                f"{error}; the graph hard-codes an axis that it declares dynamic: re-export it with dynamic axes "
                f"({KEPT_LENGTH}); of a loop over frames export one frame a call, with states in and out"
            ) from error
    while (seen := mask_model.multiple) > 1:  # 40 frames are a multiple of 4, and of 8
        mask_model(random_input(0, (1, contract.bins, 9 * seen), mask_model.layout))
        if mask_model.multiple == seen:
            break
