"""Metrics of denoised clips: PESQ, STOI, ESTOI, SNR, SI-SNR, MSE, CSIG, CBAK, COVL, DNSMOS, and user-defined ones.

Training and evaluation share these functions. Each takes the clean clip first, then the denoised one, as
one-dimensional float arrays of equal length with full scale at 1.0, and gives one number. DNSMOS needs no clean
clip. A clip that a metric cannot score raises `MetricError` with the reason: there is no stand-in value, so that a
mean over a test set never holds a number that nobody measured.

Each file in `measures` is a metric.
"""

from sezoo.config.metric_facts import MetricFacts
from sezoo.metrics.checks import MetricError
from sezoo.metrics.composite import CompositeParts, composite_parts, composite_score
from sezoo.metrics.definition import Metric, metric
from sezoo.metrics.dnsmos import dnsmos_p808, dnsmos_p835
from sezoo.metrics.known import METRICS, NO_REFERENCE_METRICS, REFERENCE_METRICS, load_metrics
from sezoo.metrics.scoring import score_clip
from sezoo.metrics.speech_guard import GUARD_BANDS, speech_guard

__all__ = [
    "GUARD_BANDS",
    "METRICS",
    "NO_REFERENCE_METRICS",
    "REFERENCE_METRICS",
    "CompositeParts",
    "Metric",
    "MetricError",
    "MetricFacts",
    "composite_parts",
    "composite_score",
    "dnsmos_p808",
    "dnsmos_p835",
    "load_metrics",
    "metric",
    "score_clip",
    "speech_guard",
]


def __getattr__(name: str) -> Metric:
    """Our own metrics by their names: `sezoo.metrics.pesq`."""
    if name in METRICS:
        return METRICS[name]
    raise AttributeError(f"module 'sezoo.metrics' has no attribute {name!r}")
