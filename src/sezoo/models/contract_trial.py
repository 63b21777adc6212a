"""Runs of a model on small inputs: a graph may not do what it declares."""

from __future__ import annotations

import re

from sezoo.base.errors import UserError
from sezoo.models.mask_model import MaskModel, ShapeError
from sezoo.models.spectra import random_input
from sezoo.models.state_loop import StateLengthError

__all__ = ["KEPT_LENGTH", "try_model"]

KEPT_LENGTH = "with torch.onnx.export(..., dynamo=False) if dynamo=True leaves the length of its example"
"""What helps where a graph was exported for one length only."""

OTHER_SIZE = r"LSTM node.* must have shape \{.*\b(?P<wanted>\d+)\}\. Actual:\{.*\b(?P<found>\d+)\}"
"""What onnxruntime says of a recurrent layer whose states are of another size."""


def try_model(mask_model: MaskModel, bins: int, frames: str | int, *, batch: int, calls: int) -> None:
    """Run the model on two shapes, the second of them with this batch, for this number of calls each.

    Parameters
    ----------
    frames : that it takes; two numbers of frames are tried where it is the name of an axis.

    Raises
    ------
    UserError : it fails, or takes one length only.
    """
    lengths = (frames, frames) if isinstance(frames, int) else (24, 37)
    for clips, length in zip((1, batch), lengths, strict=True):
        magnitude = random_input(length, (clips, bins, length), mask_model.layout)
        try:
            run = mask_model.fresh()
            for _ in range(calls):
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
        mask_model(random_input(0, (1, bins, 9 * seen), mask_model.layout))
        if mask_model.multiple == seen:
            break
