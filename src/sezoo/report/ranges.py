"""Small drawings of an activation's range: that of its quantizer, the values seen, and their histogram."""

from __future__ import annotations

import math

from markupsafe import Markup

from sezoo.results.quantization import Tensor

__all__ = ["range_drawing"]

WIDTH, HEIGHT = 180, 26
BAR = 8
BASE = HEIGHT - BAR
"""Where the bar begins; the histogram stands on it."""


def range_drawing(tensor: Tensor) -> Markup | None:
    """An SVG; None where nothing of the range is known."""
    ends = (tensor.low, tensor.high, tensor.seen_low, tensor.seen_high, tensor.histogram_low, tensor.histogram_high)
    known = [end for end in ends if end is not None]
    if not known or max(known) == min(known):
        return None
    low, high = min(0.0, *known), max(0.0, *known)

    def x(value: float) -> float:
        return round((value - low) / (high - low) * WIDTH, 1)

    top = 0 if len(tensor.histogram) > 1 else BASE - 3
    opening = '<svg class="range" viewBox="0 {} {} {}" width="{}" height="{}" aria-hidden="true">'
    parts = [Markup(opening).format(top, WIDTH, HEIGHT - top, WIDTH, HEIGHT - top)]
    if tensor.low is not None:
        parts.append(_bar("used", x(tensor.low), x(tensor.high), BASE, BAR))
    if len(tensor.histogram) > 1 and tensor.histogram_low is not None and tensor.histogram_high is not None:
        parts.append(_histogram(tensor, x))
    if tensor.seen_low is not None:
        parts.append(_bar("seen", x(tensor.seen_low), x(tensor.seen_high), BASE + BAR / 2 - 1, 2))
    parts.append(Markup('<path class="zero" d="M{} {}V{}"/></svg>').format(x(0.0), BASE - 3, HEIGHT))
    return Markup("").join(parts)


def _bar(name: str, start: float, stop: float, top: float, height: float) -> Markup:
    width = max(round(stop - start, 1), 0.8)
    form = '<rect class="{}" x="{}" y="{}" width="{}" height="{}"/>'
    return Markup(form).format(name, start, top, width, height)


def _histogram(tensor: Tensor, x) -> Markup:
    """Draw the counts on a logarithmic scale, as saturated values are rare."""
    most = math.log1p(max(tensor.histogram)) or 1
    step = (tensor.histogram_high - tensor.histogram_low) / len(tensor.histogram)
    path = [f"M{x(tensor.histogram_low)} {BASE}"]
    for index, count in enumerate(tensor.histogram):
        top = round(BASE - (BASE - 2) * math.log1p(count) / most, 1)
        path.append(f"V{top}H{x(tensor.histogram_low + (index + 1) * step)}")
    path.append(f"V{BASE}Z")
    return Markup('<path class="histogram" d="{}"/>').format("".join(path))
