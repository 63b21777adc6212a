"""Whether a model makes a mask of silence, and what to do about one that gives no numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sezoo.base.errors import UserError

if TYPE_CHECKING:
    from sezoo.models.mask_model import MaskModel

__all__ = ["NOT_FINITE_REMEDY", "problem_with_silence"]

NOT_FINITE_REMEDY = (
    "where the network takes a logarithm or divides, add a small number, 1e-7 or more "
    "(torch.onnx.export(dynamo=True) drops smaller ones)"
)
"""Of NaN and infinite values. The optimizer of PyTorch's exporter takes an addition of 1e-8 or less for one of nothing
(torch 2.13 with onnxscript 0.7), and the logarithm of a silent frame is infinite then."""


def problem_with_silence(model: MaskModel, shape: tuple[int, int, int]) -> str | None:
    """Return why a model that runs makes no finite mask of magnitudes that are all 0, or None if it does.

    Recordings have such frames: before a microphone is on, and between words where a codec leaves nothing.

    Parameters
    ----------
    shape : (batch, bins, frames) that the model takes.
    """
    silence = np.zeros(shape, np.complex64 if model.layout.is_complex else np.float32)
    try:
        model.fresh()(silence)
    except UserError:
        return f"the mask of silence has NaN or infinite values; {NOT_FINITE_REMEDY}"
    return None
