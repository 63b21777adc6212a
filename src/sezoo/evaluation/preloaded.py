"""Modules that scoring processes need, loaded once for all of them. This module itself imports nothing heavy."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["modules_to_score"]

SCORING = "sezoo.evaluation.scoring"
PACKAGES = {"pesq": ("pesq", "csig", "cbak", "covl"), "pystoi": ("stoi", "estoi")}
"""Packages that metrics load when they are first used, and the metrics."""


def modules_to_score(metrics: Sequence[str]) -> list[str]:
    """Modules to load before the workers part."""
    return [SCORING, *(package for package, needing in PACKAGES.items() if set(needing) & set(metrics))]
