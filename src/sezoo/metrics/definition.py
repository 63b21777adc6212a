"""Definition of metrics: a function of a clip with a name, a unit, and whether higher is better."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import wraps
from importlib.util import find_spec
from typing import Any, TypeVar

import numpy as np

from sezoo.base.user_code import exception_line
from sezoo.config.metric_facts import MetricFacts
from sezoo.metrics.checks import MetricError

__all__ = ["Metric", "as_metric", "cache_per_clip", "metric", "share_results"]

T = TypeVar("T")

TAKEN = ("clean", "denoised", "sample_rate")
"""The parameters of a metric's function, of which it has those that it needs."""


@dataclass(frozen=True)
class Metric:
    """A metric; called as (clean, denoised, sample_rate) it gives a number, or raises `MetricError` with the reason.

    Attributes
    ----------
    name : in the configuration, in tables and in files.
    compute : takes those of `clean`, `denoised` (samples,) and `sample_rate` that it needs, by these names.
    needs : the package without which it cannot score anything; "" for none.
    install : what pip installs to have it, where that has another name.
    infinite : why its value is infinite, by the value; a clip with such a value is not scored.
    """

    name: str
    compute: Callable[..., float]
    facts: MetricFacts
    needs: str = ""
    install: str = ""
    infinite: Mapping[float, str] = field(default_factory=dict)

    def __call__(self, clean: np.ndarray | None, denoised: np.ndarray, sample_rate: int = 0) -> float:
        """The value for a clip; (samples,) float each, the rate in Hz."""
        arguments = {"clean": clean, "denoised": denoised, "sample_rate": sample_rate}
        return self.compute(**{name: arguments[name] for name in inspect.signature(self.compute).parameters})

    @property
    def needs_clean(self) -> bool:
        """Return whether it needs the clean clip."""
        return "clean" in inspect.signature(self.compute).parameters

    @property
    def is_installed(self) -> bool:
        """Return whether the package that it needs is installed."""
        return not self.needs or _is_importable(self.needs)


def metric(
    label: str = "",
    *,
    unit: str = "",
    form: str = "{:.3g}",
    higher_is_better: bool = True,
    needs: str = "",
    install: str = "",
    infinite: Mapping[float, str] | None = None,
) -> Callable[[Callable[..., float]], Metric]:
    """Decorator that turns a function into a metric.

    The function takes those of `clean`, `denoised` and `sample_rate` that it needs, by these names: both clips as
    float arrays (samples,) of the same length with full scale at 1.0, the rate in Hz. It gives a number. A metric that
    does not take `clean` can score recordings without clean speech. A clip that it cannot score is left out of its
    means with the message of whatever it raises.

    Parameters
    ----------
    label : its name in tables and on the page; the function's name if that is empty.
    unit, form, higher_is_better : see `MetricFacts`.
    needs, install, infinite : see `Metric`.

    Raises
    ------
    ValueError, TypeError : a form that is none, a function with parameters of other names.
    """

    def decorate(compute: Callable[..., float]) -> Metric:
        facts = MetricFacts(label or compute.__name__, unit, form, higher_is_better)
        return as_metric(compute, facts, needs=needs, install=install, infinite=infinite or {})

    return decorate


def as_metric(compute: Callable[..., float], facts: MetricFacts | None = None, **more: Any) -> Metric:
    """Convert a function, or a class with callable instances, to a `Metric`; a `Metric` is returned unchanged.

    Raises
    ------
    TypeError : it cannot be called, or has parameters of other names; it is a class that cannot be instantiated.
    """
    if isinstance(compute, Metric):
        return compute
    if not callable(compute):
        raise TypeError("it is no function")
    name = getattr(compute, "__name__", type(compute).__name__)
    if inspect.isclass(compute):
        compute = _instance_of(compute)
    parameters = inspect.signature(compute).parameters.values()
    if others := [p.name for p in parameters if p.name not in TAKEN]:
        raise TypeError(f"it takes {', '.join(others)}; allowed: {', '.join(TAKEN)}, those that it needs")
    if "denoised" not in (p.name for p in parameters):
        raise TypeError("it does not take denoised, the clip that is scored")
    return Metric(name, compute, facts or MetricFacts(name), **more)


def _instance_of(kind: type) -> Callable[..., float]:
    try:
        decorate = kind()
    except (Exception, SystemExit) as error:  # the user's own code
        raise TypeError(f"{kind.__name__}() fails: {exception_line(error)}") from error
    if not callable(decorate):
        raise TypeError(f"instances of its class {kind.__name__} cannot be called")
    return decorate


def _is_importable(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except (ImportError, ValueError):
        return False


# -- what metrics of one clip have in common --------------------------------------------------------------

_results: ContextVar[dict[tuple, Any] | None] = ContextVar("results", default=None)


@contextmanager
def share_results():
    """Context in which functions under `cache_per_clip` are computed once for the same arrays."""
    token = _results.set({})
    try:
        yield
    finally:
        _results.reset(token)


def cache_per_clip(compute: Callable[..., T]) -> Callable[..., T]:
    """Cache a function that several metrics need, per clip; a MetricError is raised again.

    Arrays are told apart by which they are, not by what is in them, and only while `score_clip` is at work on one
    clip, which changes none. Arguments have the same order in all calls, by position or by name.
    """

    @wraps(compute)
    def compute_once(*arguments: Any, **named: Any) -> T:
        results = _results.get()
        if results is None:
            return compute(*arguments, **named)
        given = (*arguments, *named.values())
        key = (compute, *(id(each) if isinstance(each, np.ndarray) else each for each in given))
        if key not in results:
            try:
                results[key] = given, compute(*arguments, **named)  # held, so that no other array gets its id
            except MetricError as error:
                results[key] = given, error
        outcome = results[key][1]
        if isinstance(outcome, MetricError):
            raise outcome
        return outcome

    return compute_once
