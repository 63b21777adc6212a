"""DNSMOS P.808, predicted overall rating, without a clean clip (see `sezoo.metrics.dnsmos`)."""

from __future__ import annotations

import numpy as np

from sezoo.metrics import dnsmos
from sezoo.metrics.definition import metric

__all__ = ["dnsmos_p808"]


@metric("DNSMOS P.808", form="{:.3f}", needs="speechmos", install="sezoo[dnsmos]")
def dnsmos_p808(denoised: np.ndarray, sample_rate: int) -> float:
    """1 (bad) to 5 (excellent); errors as for `sezoo.metrics.dnsmos.dnsmos_p808`."""
    return dnsmos.dnsmos_p808(denoised, sample_rate)
