"""Display properties of metrics: label, unit, number format, and whether higher is better."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from sezoo.config.registries import METRICS

__all__ = ["MetricFacts", "facts_of_metric", "register_facts"]

FORM = re.compile(r"\{:\.\d[efg]\}")


@dataclass(frozen=True)
class MetricFacts:
    """Display properties of a metric.

    Attributes
    ----------
    label : its name in the field.
    unit : "" where it has none.
    form : format of a value, such as "{:.2f}".
    higher_is_better : whether a larger value means a better clip.
    """

    label: str
    unit: str = ""
    form: str = "{:.3g}"
    higher_is_better: bool = True

    def __post_init__(self) -> None:
        if not FORM.fullmatch(self.form):
            raise ValueError(f"form: found {self.form!r}; allowed: a format such as {{:.2f}}, {{:.3g}} or {{:.1e}}")

    @property
    def heading(self) -> str:
        """The label with the unit, as above a column."""
        return f"{self.label} {self.unit}".strip()


_loaded: dict[str, MetricFacts] = {}


def facts_of_metric(name: str) -> MetricFacts:
    """Return how a metric is displayed; metrics of users are shown by name until they are registered."""
    if name in METRICS.own:
        facts: MetricFacts = METRICS.load(name).facts
        return facts
    return _loaded.get(name) or MetricFacts(name)


def register_facts(facts: Mapping[str, MetricFacts]) -> None:
    """Register how loaded metrics, or those of a result file, are displayed; built-in ones are unchanged."""
    _loaded.update({name: each for name, each in facts.items() if name not in METRICS.own})
