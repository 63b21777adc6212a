"""`sezoo compare VECTORS OUTPUT`: find the first tensor and frame where a board's dump differs from the PC."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

from sezoo.base.errors import UserError
from sezoo.base.foreign_text import short_list
from sezoo.base.terminal import stdout_console
from sezoo.base.text import pluralize
from sezoo.deployment.validation.comparison import Comparison, LayerResult, compare
from sezoo.deployment.validation.dump import match_tensors, read_dump
from sezoo.deployment.validation.layers import Vectors
from sezoo.deployment.validation.vectors import read_vectors

__all__ = ["EXIT_DIFFERENT", "TOLERANCE", "compare_files", "print_comparison"]

TOLERANCE = 1.0
"""Default tolerance in LSB: the difference that another rounding may cause in one layer."""

EXIT_DIFFERENT = 1
NAMES_SHOWN = 5


def compare_files(vectors: Path, output: Path, tolerance: float | None) -> tuple[Vectors, Comparison]:
    """Compare a dump with the vectors of a file.

    Parameters
    ----------
    tolerance : tolerance in LSB; None for 1.

    Raises
    ------
    UserError : an unreadable file, a tensor of another size, no tensor in common, or a negative tolerance.
    """
    tolerance = TOLERANCE if tolerance is None else tolerance
    if not (math.isfinite(tolerance) and tolerance >= 0):
        raise UserError(f"--tolerance: found {tolerance:g}; allowed: 0 or more, in LSB")
    read = read_vectors(vectors)
    readings, others = match_tensors(read_dump(output), read)
    return read, compare(read, readings, others, tolerance)


def print_comparison(vectors: Vectors, comparison: Comparison) -> None:
    """Print the tensors, the verdict, and a description of the first difference to standard output."""
    from rich.padding import Padding

    console = stdout_console(120)
    if len(comparison.results) > 1:
        console.print(_table(comparison))
    console.print(_verdict(comparison), style=f"bold {'green' if comparison.within else 'red'}")
    for line in _details(vectors, comparison):
        console.print(Padding(line, (0, 0, 0, 2), expand=False))


def _table(comparison: Comparison):
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("tensor, in graph order", overflow="fold")
    for name in ("values", "differ", "beyond", "largest", "SNR"):
        table.add_column(name, justify="right", no_wrap=True)
    for result in comparison.results:
        style = "" if result.within else "bold red" if result is comparison.first else "red"
        snr = "" if result.snr is None else f"{result.snr:.1f} dB"
        numbers = (f"{count:,}" if count else "-" for count in (result.differing, result.beyond))
        largest = f"{result.largest:.4g} LSB" if result.differing else "-"
        table.add_row(result.name, f"{result.values:,}", *numbers, largest, snr, style=style)
    return table


def _verdict(comparison: Comparison) -> str:
    results, first = comparison.results, comparison.first
    what = results[0].name if len(results) == 1 else pluralize(len(results), "tensor")
    if first is None:
        if not any(result.differing for result in results):
            return f"equal: all {sum(result.values for result in results):,} values of {what}"
        largest = max(result.largest for result in results)
        return f"within tolerance: {what}, {largest:.3g} LSB at most where {comparison.tolerance:g} is allowed"
    if not first.beyond:
        return f"the values of {first.name} are the PC's, but in another order than the dump's shape says"
    if len(results) == 1:
        return f"different: {first.name} leaves the PC's{_frame(first)}"
    return f"different: the board leaves the PC at {first.name}{_frame(first)}"


def _frame(result: LayerResult) -> str:
    if result.first is None:
        return ""
    patch, frame = result.first
    of_patch = f" of patch {patch}" if result.samples > 1 or patch else ""
    if frame is None:
        return f" in patch {patch}" if of_patch else ""
    return f" in frame {frame}{of_patch}"


def _details(vectors: Vectors, comparison: Comparison) -> Iterator[str]:
    shown = comparison.first or max(comparison.results, key=lambda result: result.largest)
    if comparison.first is not None and shown.made_by:
        yield (
            f"{shown.name} is made by {shown.made_by}"
            if shown.made_by != "input"
            else (f"{shown.name} is the model's input: the board was given other values than the PC")
        )
    if shown.differing:
        snr = "" if shown.snr is None else f"; SNR {shown.snr:.1f} dB"
        kind = "of the mask" if shown.name == vectors.mask else "as a real value"
        yield (
            f"{shown.differing:,} of {shown.values:,} values differ, {shown.beyond:,} by more than "
            f"{comparison.tolerance:g} LSB; the largest by {shown.largest:.4g} LSB, {shown.largest_real:.4g} "
            f"{kind}{snr}"
        )
    if shown.first is not None and shown.first[1] is not None:
        yield f"{shown.frames_beyond:,} of {pluralize(shown.frames, 'frame')} hold such values"
    patches = f"{shown.samples} of {len(vectors.layer(shown.name).values)} patches"
    order = f", in the order {shown.order}" if shown.order else ""
    yield f"read as {shown.read_as}{order}; {patches}"
    yield from (f"hint: {hint}" for hint in shown.hints)
    if comparison.not_dumped:
        missing = short_list(comparison.not_dumped, NAMES_SHOWN)
        yield f"not in the dump, between the last that agrees and this one: {missing}"
    mask = next((result for result in comparison.results if result.name == vectors.mask), None)
    if mask is not None and mask is not shown and comparison.first is not None:
        verdict = "is within the tolerance" if mask.within else f"differs by {mask.largest:.4g} LSB"
        yield f"the mask {verdict}{'' if mask.snr is None else f', SNR {mask.snr:.1f} dB'}"
    if comparison.not_compared:
        others = short_list(comparison.not_compared, NAMES_SHOWN)
        yield f"not compared, as the vectors have none of these names: {others}"
