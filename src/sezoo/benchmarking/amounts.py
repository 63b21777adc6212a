"""Numbers with units, as the table and the picture show them."""

from __future__ import annotations

from sezoo.results.benchmark import LayerCost, Measurement

__all__ = ["bytes_text", "costs_of_layers", "count_text", "milliseconds_text", "percent_text"]

MEASURES = (("milliseconds", "ms"), ("instructions", "instructions"), ("macs", "MAC"))
"""The units of a layer's share, the best first."""


def bytes_text(size: float) -> str:
    """`512 B`, `96 KiB`, `1.53 MiB`."""
    for unit, whole in (("MiB", 1024 * 1024), ("KiB", 1024)):
        if size >= 0.9995 * whole:
            return f"{size / whole:.3g} {unit}" if size < 999.5 * whole else f"{size / whole:.0f} {unit}"
    return f"{size:.0f} B"


def count_text(count: float) -> str:
    """`870`, `12.4 k`, `63.5 M`, `1.59 G`."""
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if count >= 0.9995 * size:
            return f"{count / size:.3g} {unit}"
    return f"{count:.0f}"


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
