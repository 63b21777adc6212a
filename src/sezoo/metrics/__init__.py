"""How good a denoised clip is: PESQ, STOI, ESTOI, SNR, SI-SNR, MSE, CSIG, CBAK, COVL and DNSMOS.

Training and evaluation share these functions. Each takes the clean clip first, then the denoised one, as
one-dimensional float arrays of equal length with full scale at 1.0, and gives one number. DNSMOS needs no clean
clip. A clip that a metric cannot score raises `MetricError` with the reason: there is no stand-in value, so that a
mean over a test set never holds a number that nobody measured.
"""

from sezoo.config.metric_facts import (
    HIGHER_IS_BETTER,
    METRIC_FACTS,
    NO_REFERENCE_METRICS,
    REFERENCE_METRICS,
    MetricFacts,
)
from sezoo.metrics.checks import MetricError
from sezoo.metrics.composite import CompositeParts, cbak, composite_parts, composite_score, covl, csig
from sezoo.metrics.dnsmos import dnsmos_is_installed, dnsmos_p808, dnsmos_p835
from sezoo.metrics.intelligibility import estoi, stoi
from sezoo.metrics.perceptual_quality import pesq
from sezoo.metrics.scoring import METRICS, score_clip
from sezoo.metrics.speech_guard import GUARD_BANDS, speech_guard
from sezoo.metrics.waveform import mse, si_snr, snr

__all__ = [
    "GUARD_BANDS",
    "HIGHER_IS_BETTER",
    "METRICS",
    "METRIC_FACTS",
    "NO_REFERENCE_METRICS",
    "REFERENCE_METRICS",
    "CompositeParts",
    "MetricError",
    "MetricFacts",
    "cbak",
    "composite_parts",
    "composite_score",
    "covl",
    "csig",
    "dnsmos_is_installed",
    "dnsmos_p808",
    "dnsmos_p835",
    "estoi",
    "mse",
    "pesq",
    "score_clip",
    "si_snr",
    "snr",
    "speech_guard",
    "stoi",
]
