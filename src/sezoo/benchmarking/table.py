"""A benchmark as a person reads it in the terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sezoo.base.terminal import stdout_console, styled_text
from sezoo.base.text import bytes_text, count_text, latency_text
from sezoo.benchmarking.amounts import costs_of_layers, milliseconds_text, percent_text
from sezoo.results.benchmark import WHOLE_CLIP, Benchmark, Measurement

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

__all__ = ["print_benchmark"]

NOT_A_TERMINAL = 140
"""Columns where standard output is none."""

UNLIMITED = 10_000
"""Columns in which any table fits."""

HEAVIEST = 8
"""Layers that are shown."""

BAR = 20
BLOCKS = "▏▎▍▌▋▊▉█"


@dataclass(frozen=True)
class _Column:
    """A column of the table; it is left out where no measurement has the value."""

    title: str
    value: Callable[[Measurement], object]
    text: Callable[[Measurement], str]


def _amount(title: str, attribute: str, form: Callable[[float], str]) -> _Column:
    def value(measurement: Measurement) -> object:
        return getattr(measurement, attribute)

    return _Column(title, value, lambda measurement: form(value(measurement)))


def _time(measurement: Measurement) -> str:
    return _mark_estimate(measurement, milliseconds_text(measurement.milliseconds))


def _factor(measurement: Measurement) -> str:
    return _mark_estimate(measurement, f"{measurement.real_time_factor:.2g}")


def _mark_estimate(measurement: Measurement, text: str) -> str:
    return f"~{text}" if measurement.is_estimate else text


WORK = (
    _amount("MAC", "macs", count_text),
    _amount("instr.", "instructions", count_text),
    _amount("worst", "worst_instructions", count_text),
    _amount("cycles", "cycles", count_text),
    _Column("time", lambda measurement: measurement.milliseconds, _time),
    _amount("p95", "p95_milliseconds", milliseconds_text),
    _Column("RTF", lambda measurement: measurement.real_time_factor, _factor),
    _amount("latency", "latency_ms", latency_text),
)
MEMORY = (
    _amount("weights", "parameters", count_text),
    _amount("flash", "flash", bytes_text),
    _amount("RAM", "ram", bytes_text),
    _amount("arena", "arena", bytes_text),
    _amount("stack", "stack", bytes_text),
)


def print_benchmark(benchmark: Benchmark) -> None:
    """Print the measurements, whether they fit the board, the heaviest layers, and what the numbers are."""
    console = stdout_console(NOT_A_TERMINAL)
    everything = _table(benchmark, benchmark.measurements, (*WORK, *MEMORY))
    if console.measure(everything, options=console.options.update(width=UNLIMITED)).maximum <= console.width:
        console.print(everything)
    else:  # memory has a table of its own, without what it says nothing of
        console.print(_table(benchmark, benchmark.measurements, WORK))
        sized = [one for one in benchmark.measurements if one.what != WHOLE_CLIP or one.flash or one.ram]
        console.print(_table(benchmark, sized, MEMORY))
    for verdict in _fits(benchmark):
        console.print(verdict)
    for line in _notes(benchmark):
        console.print(line, style="dim")
    _print_layers(console, benchmark)


def _table(benchmark: Benchmark, measurements: Sequence[Measurement], columns: Sequence[_Column]) -> Table:
    from rich import box
    from rich.table import Table

    columns = [each for each in columns if any(each.value(one) is not None for one in measurements)]
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("", no_wrap=True)
    table.add_column("on", no_wrap=True)
    for column in columns:
        table.add_column(column.title, justify="right", no_wrap=True)
    for one in measurements:
        shares = {"flash": benchmark.fit(one).flash_share, "RAM": benchmark.fit(one).ram_share}
        cells = [_cell(column, one, shares.get(column.title)) for column in columns]
        table.add_row(f"{one.model}, {one.what}", one.target, *cells)
    return table


def _cell(column: _Column, measurement: Measurement, share: float | None) -> str | Text:
    """The value, with its share of the board's below it."""
    if column.value(measurement) is None:
        return ""
    text = column.text(measurement)
    return text if share is None else styled_text(f"{text}\n", (percent_text(share), "dim" if share <= 1 else "red"))


def _fits(benchmark: Benchmark) -> Iterator[Text]:
    """Yield lines on the targets that fit the board and those that do not."""
    facts = benchmark.facts
    board = f"{benchmark.board} ({bytes_text(facts.flash)} of flash, {bytes_text(facts.ram)} of RAM)"
    if all(fit.fits for fit in benchmark.fits) and benchmark.fits:
        yield styled_text((f"fits {board}", "green"))
    for fit in benchmark.fits:
        if not fit.fits:
            shares = {"flash": fit.flash_share, "RAM": fit.ram_share}
            needed = " and ".join(f"{percent_text(shares[memory])} of the {memory}" for memory in fit.too_large)
            yield styled_text((f"{fit.measurement} does not fit {board}: it needs {needed}", "red"))


def _notes(benchmark: Benchmark) -> Iterator[str]:
    measurements = benchmark.measurements
    if any(one.real_time_factor is not None for one in measurements):
        yield "RTF: seconds of computing per second of audio; below 1 it keeps up"
    estimates = [one for one in measurements if one.is_estimate and one.clock_mhz]
    if clocks := _clocks(one for one in estimates if one.cycles is None):
        yield f"~ estimate: instructions, one a cycle, {clocks}; not measured on hardware"
    if clocks := _clocks(one for one in estimates if one.cycles is not None):
        yield f"~ estimate: cycles of the NPU by its compiler, {clocks}; not measured on hardware"
    if any(one.is_estimate and not one.clock_mhz for one in measurements):
        yield "~ estimate; not measured on hardware"
    yield from _deadlines(measurements)
    for how, targets in _group_by_method(measurements).items():
        yield f"{', '.join(targets)}: {how}"
    npus = [one for one in measurements if one.cycles is not None]
    if whole := [one.target for one in npus if not one.left_to_cpu]:
        yield f"{', '.join(whole)}: no operator of the network is left to the processor"
    for one in npus:
        if left := ", ".join(f"{each.name} ({each.kind})" for each in one.left_to_cpu):
            yield f"{one.target}: left to the processor: {left}"


def _clocks(measurements: Iterable[Measurement]) -> str:
    """`at 500 MHz`; where targets differ, which has which: `at 800 MHz (cortex-m55) and 480 MHz (cortex-m7)`."""
    by_clock: dict[float, list[str]] = {}
    for one in measurements:
        by_clock.setdefault(one.clock_mhz, []).append(one.target)
    if len(by_clock) < 2:
        return "".join(f"at {clock:g} MHz" for clock in by_clock)
    clocks = [f"{clock:g} MHz ({', '.join(targets)})" for clock, targets in by_clock.items()]
    return f"at {', '.join(clocks[:-1])} and {clocks[-1]}"


def _deadlines(measurements: Sequence[Measurement]) -> Iterator[str]:
    """Yield lines on the core load and the lowest clock for real time."""
    for one in measurements:
        if one.core_shares and one.lowest_clock_mhz is not None:
            shares = ", ".join(f"{percent_text(share)} at {clock} MHz" for clock, share in one.core_shares.items())
            keeps_up = f"keeps up from {one.lowest_clock_mhz:.0f} MHz on"
            yield f"{one.target}, {one.what}: {keeps_up}; share of one core, ~ {shares}"


def _group_by_method(measurements: tuple[Measurement, ...]) -> dict[str, list[str]]:
    """Targets by how they were measured."""
    found: dict[str, list[str]] = {}
    for one in measurements:
        if one.how:
            targets = found.setdefault(one.how, [])
            name = f"{one.target} ({_threads(one.threads)})" if one.threads else one.target
            if name not in targets:
                targets.append(name)
    return found


def _threads(threads: int) -> str:
    return "1 thread" if threads == 1 else f"{threads} threads"


# -- layers ----------------------------------------------------------------------------------------------


def _print_layers(console: Console, benchmark: Benchmark) -> None:
    """The heaviest layers of the last measurement that knows its layers, which is that of the int8 model."""
    from rich import box
    from rich.table import Table

    known = [(one, costs) for one in benchmark.measurements if (costs := costs_of_layers(one)) is not None]
    if not known:
        return
    measurement, (unit, costs) = max(enumerate(known), key=lambda at: (at[1][1][0] != "MAC", at[0]))[1]
    total = sum(cost for _, cost in costs)
    console.print(f"\nheaviest layers of {measurement.name}, by {unit}", style="italic")
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("layer", overflow="ellipsis", no_wrap=True)
    table.add_column("", no_wrap=True)
    for title in (unit, "share", ""):
        table.add_column(title, justify="left" if not title else "right", no_wrap=True)
    form = milliseconds_text if unit == "ms" else count_text
    for layer, cost in costs[:HEAVIEST]:
        bar = _bar(cost / costs[0][1], console.encoding)
        table.add_row(layer.name, layer.kind, form(cost), f"{100 * cost / total:.1f} %", bar)
    console.print(table)
    if len(costs) > HEAVIEST:
        rest = sum(cost for _, cost in costs[HEAVIEST:])
        console.print(f"{len(costs) - HEAVIEST} others: {100 * rest / total:.1f} %", style="dim")


def _bar(share: float, encoding: str) -> str:
    """A bar of up to 20 characters, in eighths of them where the terminal can."""
    if not encoding.lower().startswith("utf"):
        return "#" * max(1, round(BAR * share))
    eighths = max(1, round(8 * BAR * share))
    return BLOCKS[-1] * (eighths // 8) + (BLOCKS[eighths % 8 - 1] if eighths % 8 else "")
