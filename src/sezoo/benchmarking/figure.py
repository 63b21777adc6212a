"""One picture of a benchmark: whether it keeps up, whether it fits, and which layers take the time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sezoo.base.figure_files import write_png
from sezoo.base.foreign_text import shorten, to_printable, use_plain_labels
from sezoo.base.text import bytes_text, count_text
from sezoo.benchmarking.amounts import costs_of_layers, milliseconds_text, percent_text
from sezoo.results.benchmark import Benchmark, LayerCost, Measurement

__all__ = ["FIGURE", "save_benchmark_figure"]

FIGURE = "benchmark.png"

GREY, RED = "#8a9099", "#c2185b"
COLOURS = {"float": "#1f6feb", "int8": "#d1622b"}
FLASH, RAM = "#2e8b57", "#b58900"
PALE = 0.5
"""Opacity of what is an estimate."""

ROOM = 32
"""Times the longest bar: where a logarithmic axis ends, so that the numbers beside the bars have room."""

NUMBERS = {"textcoords": "offset points", "va": "center", "fontsize": 8}
ON_WHITE = {"boxstyle": "square,pad=0.1", "facecolor": "white", "edgecolor": "none"}
TITLE = {"fontsize": 10, "loc": "left"}
MEMORY_ROW = 1.4
"""Height of a target's flash and RAM, in rows of its time."""

LAYERS = 24
"""That are shown one by one, in the model's order; of deeper models the heaviest."""

NAME_LENGTH = 34


@use_plain_labels()
def save_benchmark_figure(path: Path, benchmark: Benchmark) -> None:
    """Draw the picture and save it as PNG. Nothing is drawn where no time, no size and no layer is known."""
    from matplotlib.figure import Figure  # not pyplot: no display is needed, and no state is kept

    timed = [one for one in benchmark.measurements if one.real_time_factor is not None]
    sized = [one for one in benchmark.measurements if benchmark.fit(one).fits is not None]
    layered = [(one, costs) for one in benchmark.measurements if (costs := costs_of_layers(one)) is not None]
    if not (timed or sized or layered):
        return
    rows = max(len(timed), MEMORY_ROW * len(sized), 2)
    layers = layered and max(enumerate(layered), key=lambda at: (at[1][1][0] != "MAC", at[0]))[1]
    shown = _shown_layers(*layers) if layers else []
    heights = [1.1 + 0.34 * rows if timed or sized else 0, 1.0 + 0.22 * len(shown) if shown else 0]
    figure = Figure(figsize=(12, sum(heights)), dpi=110, layout="constrained")
    parts = figure.subfigures(sum(map(bool, heights)), 1, squeeze=False, height_ratios=list(filter(None, heights)))
    if timed or sized:
        panels = iter(parts[0, 0].subplots(1, bool(timed) + bool(sized), squeeze=False)[0])
        if timed:
            _draw_speed(next(panels), timed)
        if sized:
            _draw_memory(next(panels), benchmark, sized, rows / MEMORY_ROW)
    if shown:
        _draw_layers(parts[-1, 0].subplots(), layers[0], layers[1][0], shown)
    write_png(figure, path)


def _draw_speed(ax, measurements: Sequence[Measurement]) -> None:
    """Real-time factors on a logarithmic axis that has 1 on it."""
    factors = [one.real_time_factor for one in measurements]
    lowest = min(0.5, *factors) / 4
    for row, one in enumerate(measurements):
        factor, colour = one.real_time_factor, COLOURS.get(one.model, GREY)
        ax.barh(row, factor - lowest, left=lowest, height=0.62, color=colour, alpha=PALE if one.is_estimate else 1)
        text = f"{'~' if one.is_estimate else ''}{milliseconds_text(one.milliseconds)} (RTF {factor:.2g})"
        ax.annotate(text, (factor, row), (5, 0), bbox=ON_WHITE, **NUMBERS)
    _limit(ax, 1, "real time", lowest, factors)
    _rows(ax, measurements)
    ax.set_xlabel(_legend(measurements), fontsize=8)
    ax.set_title("Seconds of computing per second of audio", **TITLE, pad=16)
    _remove_frame(ax)


def _limit(ax, limit: float, name: str, lowest: float, values: Sequence[float], unit: str = "") -> None:
    """A logarithmic axis from `lowest` on, with a line at the limit of the values."""
    ax.axvline(limit, color=RED, linewidth=1, zorder=0.9)
    ax.annotate(name, (limit, 1), (3, 2), xycoords=("data", "axes fraction"), textcoords="offset points",
                fontsize=8, color=RED)  # fmt: skip
    ax.set_xscale("log")
    ax.set_xlim(lowest, max(2 * limit, ROOM * max(values)))
    ax.xaxis.set_major_formatter(lambda value, _: f"{value:g}{unit}")


def _legend(measurements: Sequence[Measurement]) -> str:
    estimated = any(one.is_estimate for one in measurements)
    return "pale, ~: estimated, not measured on hardware" if estimated else ""


def _draw_memory(ax, benchmark: Benchmark, measurements: Sequence[Measurement], rows: float) -> None:
    """Shares of the board's flash and RAM, in per cent on a logarithmic axis that has 100 on it.

    Parameters
    ----------
    rows : for which there is room.
    """
    lowest = 0.1
    shares = []
    for row, one in enumerate(measurements):
        fit = benchmark.fit(one)
        sizes = ((one.flash, fit.flash_share, FLASH, "flash"), (one.ram, fit.ram_share, RAM, "RAM"))
        for place, (size, share, colour, memory) in zip((-0.19, 0.19), sizes, strict=True):
            if share is None:
                continue
            percent = max(100 * share, 1.2 * lowest)
            shares.append(percent)
            ax.barh(row + place, percent - lowest, left=lowest, height=0.34, color=colour)
            label = f"{memory} {bytes_text(size)}, {percent_text(share)}"
            style = {"color": RED, "weight": "bold"} if share > 1 else {}
            ax.annotate(label, (percent, row + place), (5, 0), bbox=ON_WHITE, **NUMBERS, **style)
    _limit(ax, 100, "all of it", lowest, shares, " %")
    _rows(ax, measurements, rows)
    facts = benchmark.facts
    whole = f"{bytes_text(facts.flash)} of flash, {bytes_text(facts.ram)} of RAM"
    ax.set_title(f"Share of what {benchmark.board} has: {whole}", **TITLE, pad=16)
    _remove_frame(ax)


def _shown_layers(
    measurement: Measurement, costs: tuple[str, list[tuple[LayerCost, float]]]
) -> list[tuple[str, float]]:
    """Names and costs of the layers that are shown, in the model's order, the rest of them in one."""
    heaviest = costs[1][:LAYERS]
    by_layer = {id(layer): cost for layer, cost in heaviest}
    shown = [(_short(layer), by_layer[id(layer)]) for layer in measurement.layers if id(layer) in by_layer]
    if rest := costs[1][LAYERS:]:
        shown.append((f"{len(rest)} others", sum(cost for _, cost in rest)))
    return shown


def _short(layer: LayerCost) -> str:
    name = to_printable(layer.name)
    name = name if len(name) <= NAME_LENGTH else "..." + name[3 - NAME_LENGTH :]
    return f"{name}  {shorten(to_printable(layer.kind), 20)}"


def _draw_layers(ax, measurement: Measurement, unit: str, shown: Sequence[tuple[str, float]]) -> None:
    total = sum(cost for _, cost in shown)
    form = milliseconds_text if unit == "ms" else count_text
    colour = COLOURS.get(measurement.model, GREY)
    alpha = PALE if measurement.is_estimate and unit == "ms" else 1
    for row, (_, cost) in enumerate(shown):
        ax.barh(row, cost, height=0.66, color=colour, alpha=alpha)
        text = f"{form(cost)}, {100 * cost / total:.1f} %"
        ax.annotate(text, (cost, row), (4, 0), **NUMBERS)
    ax.set_yticks(range(len(shown)), [name for name, _ in shown], fontsize=8)
    ax.set_ylim(len(shown) - 0.4, -0.6)
    ax.margins(x=0.14)
    ax.xaxis.set_major_formatter(lambda value, _: form(value) if value else "0")
    ax.set_title(f"Layers of {measurement.name}, by {unit}, in the model's order", **TITLE)
    _remove_frame(ax)


def _rows(ax, measurements: Sequence[Measurement], rows: float = 0) -> None:
    labels = [f"{one.model}, {one.what}\n{one.target}" for one in measurements]
    ax.set_yticks(range(len(labels)), labels, fontsize=8)
    ax.set_ylim(max(len(labels), rows) - 0.4, -0.6)


def _remove_frame(ax) -> None:
    ax.grid(axis="x", color="#e4e6e9")
    ax.set_axisbelow(True)
    ax.tick_params(labelsize=8)
    ax.spines[["top", "right"]].set_visible(False)
