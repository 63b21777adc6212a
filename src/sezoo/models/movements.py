"""Operators that move values about without looking at them."""

from __future__ import annotations

__all__ = ["RESHAPING", "SELECTING"]

RESHAPING = frozenset({"Flatten", "Identity", "Reshape", "Squeeze", "Transpose", "Unsqueeze"})
"""Every value stays, in another shape or order."""

SELECTING = frozenset({"Gather", "Slice", "Split"})
"""Some values are taken out of others."""
