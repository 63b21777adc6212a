"""Every metric's name, its order among the others, and how people write its values."""

from __future__ import annotations

from typing import NamedTuple

__all__ = [
    "HIGHER_IS_BETTER",
    "METRIC_FACTS",
    "NO_REFERENCE_METRICS",
    "REFERENCE_METRICS",
    "MetricFacts",
    "facts_of_metric",
]


class MetricFacts(NamedTuple):
    """How a metric is shown.

    Attributes
    ----------
    label : its name in the field.
    unit : "" where it has none.
    form : format of a value, such as "{:.2f}".
    higher_is_better : whether a larger value means a better clip.
    needs_clean : it compares with the clean clip; else it is of the denoised clip alone.
    """

    label: str
    unit: str
    form: str
    higher_is_better: bool
    needs_clean: bool = True


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
    "dnsmos_sig": MetricFacts("DNSMOS SIG", "", "{:.3f}", True, needs_clean=False),
    "dnsmos_bak": MetricFacts("DNSMOS BAK", "", "{:.3f}", True, needs_clean=False),
    "dnsmos_ovrl": MetricFacts("DNSMOS OVRL", "", "{:.3f}", True, needs_clean=False),
    "dnsmos_p808": MetricFacts("DNSMOS P.808", "", "{:.3f}", True, needs_clean=False),
}
"""Facts by metric, in the order in which they are shown."""

REFERENCE_METRICS = tuple(name for name, facts in METRIC_FACTS.items() if facts.needs_clean)
"""Metrics that compare with the clean clip."""

NO_REFERENCE_METRICS = tuple(name for name, facts in METRIC_FACTS.items() if not facts.needs_clean)
"""Metrics of the denoised clip alone; they need the package `speechmos` (see `dnsmos_is_installed`)."""

HIGHER_IS_BETTER: dict[str, bool] = {name: facts.higher_is_better for name, facts in METRIC_FACTS.items()}
"""Whether a larger value of the metric means a better clip."""


def facts_of_metric(name: str) -> MetricFacts:
    """How a metric is shown; one that is not known here by its name alone."""
    return METRIC_FACTS.get(name, MetricFacts(name, "", "{:.3g}", True))
