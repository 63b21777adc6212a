"""DNSMOS P.835 OVRL, predicted overall rating, without a clean clip (see `sezoo.metrics.dnsmos`)."""

from __future__ import annotations

import numpy as np

from sezoo.metrics.definition import metric
from sezoo.metrics.dnsmos import dnsmos_p835

__all__ = ["dnsmos_ovrl"]


@metric("DNSMOS OVRL", form="{:.3f}", needs="speechmos", install="sezoo[dnsmos]")
def dnsmos_ovrl(denoised: np.ndarray, sample_rate: int) -> float:
    """1 (bad) to 5 (excellent); errors as for `dnsmos_p835`."""
    return dnsmos_p835(denoised, sample_rate)["dnsmos_ovrl"]
