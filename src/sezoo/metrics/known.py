"""Known metrics: built-in ones, and those of users and packages once they are loaded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sezoo.base.errors import UserError
from sezoo.base.user_code import is_reference, name_of
from sezoo.config.metric_facts import register_facts
from sezoo.config.registries import METRICS as REGISTRY
from sezoo.metrics.definition import Metric, as_metric

__all__ = ["METRICS", "NO_REFERENCE_METRICS", "REFERENCE_METRICS", "load_metrics"]

METRICS: dict[str, Metric] = {name: REGISTRY.load(name) for name in REGISTRY.own}
"""Our own by name, in the order in which they are shown."""

REFERENCE_METRICS = tuple(name for name, metric in METRICS.items() if metric.needs_clean)
"""Our own that compare with the clean clip."""

NO_REFERENCE_METRICS = tuple(name for name, metric in METRICS.items() if not metric.needs_clean)
"""Our own that score the denoised clip alone."""

RESERVED = ("noisy_", "file_name", "not_scored")
"""What the columns of the table of clips begin with that are no metrics."""


def load_metrics(names: Sequence[str]) -> dict[str, Metric]:
    """Metrics by their own names: `my_metrics.py:snr_a` is then `snr_a`.

    Parameters
    ----------
    names : ours, those of packages, and `path/to/file.py:name` or `package.module:name` of a user's.

    Raises
    ------
    UserError : one that cannot be imported or is no metric, or two of the same name.
    """
    found: dict[str, Metric] = {}
    for name in dict.fromkeys(names):
        metric = METRICS[name] if name in METRICS else _load_user_metric(name)
        if metric.name in found or (metric.name in METRICS and name not in METRICS):
            raise UserError(
                f"{REGISTRY.key}: {name} has the name of another metric, {metric.name}; give the function a name of "
                "its own"
            )
        found[metric.name] = metric
    register_facts({metric.name: metric.facts for metric in found.values()})
    return found


def _load_user_metric(name: str) -> Metric:
    try:
        metric = as_metric(REGISTRY.load(name))
    except (TypeError, ValueError) as error:  # ValueError: a callable without a signature
        raise UserError(f"{REGISTRY.key}: {name} is no metric: {error}") from error
    own = name_of(name) if is_reference(name) else name
    if own.startswith(RESERVED):
        raise UserError(f"{REGISTRY.key}: {name}: the table of clips has columns that begin so; give it another name")
    return replace(metric, name=own)
