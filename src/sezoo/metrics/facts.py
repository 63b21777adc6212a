"""Every metric's name, its order among the others, and how people write its values."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["HIGHER_IS_BETTER", "METRIC_FACTS", "NO_REFERENCE_METRICS", "REFERENCE_METRICS", "MetricFacts"]

REFERENCE_METRICS = ("pesq", "stoi", "estoi", "snr", "si_snr", "mse", "csig", "cbak", "covl")
"""Metrics that compare with the clean clip, in the order in which they are shown."""

NO_REFERENCE_METRICS = ("dnsmos_sig", "dnsmos_bak", "dnsmos_ovrl", "dnsmos_p808")
"""Metrics that need only the denoised clip; they need the package `speechmos` (see `dnsmos_is_installed`)."""


class MetricFacts(NamedTuple):
    """How a metric is shown.

    Attributes
    ----------
    label : its name in the field.
    unit : "" where it has none.
    form : format of a value, such as "{:.2f}".
    higher_is_better : whether a larger value means a better clip.
    """

    label: str
    unit: str
    form: str
    higher_is_better: bool


METRIC_FACTS: dict[str, MetricFacts] = {
    "pesq": MetricFacts("PESQ", "", "{:.3f}", True),
    "stoi": MetricFacts("STOI", "", "{:.4f}", True),
    "estoi": MetricFacts("ESTOI", "", "{:.4f}", True),
    "snr": MetricFacts("SNR", "dB", "{:.2f}", True),
    "si_snr": MetricFacts("SI-SNR", "dB", "{:.2f}", True),
    "mse": MetricFacts("MSE", "", "{:.2e}", False),
    "csig": MetricFacts("CSIG", "", "{:.3f}", True),
    "cbak": MetricFacts("CBAK", "", "{:.3f}", True),
    "covl": MetricFacts("COVL", "", "{:.3f}", True),
    "dnsmos_sig": MetricFacts("DNSMOS SIG", "", "{:.3f}", True),
    "dnsmos_bak": MetricFacts("DNSMOS BAK", "", "{:.3f}", True),
    "dnsmos_ovrl": MetricFacts("DNSMOS OVRL", "", "{:.3f}", True),
    "dnsmos_p808": MetricFacts("DNSMOS P.808", "", "{:.3f}", True),
}
"""Facts by metric, in the order of REFERENCE_METRICS and NO_REFERENCE_METRICS."""

HIGHER_IS_BETTER: dict[str, bool] = {name: facts.higher_is_better for name, facts in METRIC_FACTS.items()}
"""Whether a larger value of the metric means a better clip."""
