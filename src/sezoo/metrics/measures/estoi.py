"""ESTOI, intelligibility in fluctuating noise."""

from __future__ import annotations

import numpy as np

from sezoo.metrics.definition import metric
from sezoo.metrics.measures.stoi import intelligibility

__all__ = ["estoi"]


@metric("ESTOI", form="{:.4f}")
def estoi(clean: np.ndarray, denoised: np.ndarray, sample_rate: int) -> float:
    """Extended STOI, up to 1.0 (Jensen and Taal, IEEE/ACM TASLP 24(11), 2016); errors as for `stoi`.

    `pystoi` adds random noise of 2e-16 to the spectra, which decides over frames of digital silence, as a silence
    gate leaves them. It is always the same noise here, so that a clip has one score.
    """
    return intelligibility(clean, denoised, sample_rate, extended=True)
