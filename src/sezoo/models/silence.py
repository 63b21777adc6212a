"""Whether a model makes a mask of silence."""

from __future__ import annotations

import numpy as np

from sezoo.base.errors import UserError
from sezoo.models.mask_model import NOT_FINITE_REMEDY, MaskModel

__all__ = ["problem_with_silence"]


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
