"""Numbers with units, as the table and the picture show them."""

from __future__ import annotations

from sezoo.results.benchmark import LayerCost, Measurement

__all__ = ["costs_of_layers", "milliseconds_text", "percent_text"]

MEASURES = (("milliseconds", "ms"), ("instructions", "instructions"), ("macs", "MAC"))
"""The units of a layer's share, the best first."""


def milliseconds_text(milliseconds: float) -> str:
    """`53.8 ms`, `1.2 s`, `0.048 ms`."""
    if milliseconds >= 1000:
        return f"{milliseconds / 1000:.3g} s"
    return f"{milliseconds:.3g} ms" if milliseconds >= 0.1 else f"{milliseconds:.2g} ms"


def percent_text(share: float) -> str:
    """`4.2 %`, `137 %`."""
    return f"{100 * share:.2g} %" if share < 0.995 else f"{100 * share:.0f} %"


def costs_of_layers(measurement: Measurement) -> tuple[str, list[tuple[LayerCost, float]]] | None:
    """The unit of the layers' costs, and the layers with them, the heaviest first; None where nothing is known."""
    for attribute, unit in MEASURES:
        costs = [(layer, getattr(layer, attribute)) for layer in measurement.layers]
        known = [(layer, float(cost)) for layer, cost in costs if cost]
        if known:
            return unit, sorted(known, key=lambda pair: -pair[1])
    return None
