"""Selection of the best epoch by one metric or several weighted ones, optionally guarded against losses in others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sezoo.config.sections import Training
from sezoo.training.history import LOWER_IS_BETTER, SCORE, Row

__all__ = ["Selection"]


@dataclass(frozen=True)
class Selection:
    """Gives each epoch a score: the higher, the better.

    Attributes
    ----------
    reference : the metric that decides where there are no weights.
    weights : of the metrics that are added up; those of metrics where less is better count negative.
    guards : by how much a metric may be worse than it has been in an epoch that was the best so far: 0 or less for a
        metric where more is better, else 0 or more.
    """

    reference: str
    weights: Mapping[str, float]
    guards: Mapping[str, float]

    @classmethod
    def of(cls, training: Training) -> Selection:
        """Return the configured selection."""
        return cls(training.reference_metric, training.select_by, training.guards)

    @property
    def is_plain(self) -> bool:
        """Whether a single metric decides; the score then needs no column."""
        return not self.weights and not self.guards

    @property
    def metrics(self) -> tuple[str, ...]:
        """All metrics that are looked at."""
        return tuple(dict.fromkeys((*(self.weights or (self.reference,)), *self.guards)))

    @property
    def name(self) -> str:
        """Name of the criterion, for messages and as a column."""
        return self.reference if self.is_plain else SCORE

    def key(self, metric: str) -> str:
        """The key of the configuration that looks at a metric, for messages."""
        if metric in self.guards:
            return f"training.guards.{metric}"
        return f"training.select_by.{metric}" if metric in self.weights else "training.reference_metric"

    def missing(self, row: Row) -> str | None:
        """A metric that is looked at and could not be measured."""
        return next((metric for metric in self.metrics if row.get(metric) is None), None)

    def score(self, row: Row) -> float:
        """Return the score of an epoch with all metrics."""
        weights = self.weights or {self.reference: 1.0}
        return float(sum(weight * _sign(metric) * row[metric] for metric, weight in weights.items()))

    def rejection_reason(self, row: Row, held: Mapping[str, float]) -> str | None:
        """Return why an epoch cannot be the best, or None if it can.

        Parameters
        ----------
        held : the best that each guarded metric has been in an epoch that was the best so far.
        """
        for metric, allowed in self.guards.items():
            if metric in held:
                change = row[metric] - held[metric]
                if _sign(metric) * (change - allowed) < 0:
                    return (
                        f"{metric} {row[metric]:.4g} is {change:+.3g} from {held[metric]:.4g}, {allowed:+g} is allowed"
                    )
        return None

    def guard_values(self, row: Row, held: Mapping[str, float]) -> dict[str, float]:
        """Return the values against which later epochs are guarded if this one is the best."""
        return {
            metric: _sign(metric) * max(_sign(metric) * row[metric], _sign(metric) * held.get(metric, row[metric]))
            for metric in self.guards
        }


def _sign(metric: str) -> int:
    return -1 if metric in LOWER_IS_BETTER else 1
