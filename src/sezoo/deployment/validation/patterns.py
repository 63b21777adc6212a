"""Patterns in the differences of two tensors, and sentences on their likely causes on the board."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from sezoo.deployment.validation.dump import Reading
from sezoo.deployment.validation.layers import Layer

__all__ = ["hints_of"]

MOST = 0.95
"""Share of the values that must fit a pattern; the others may be clipped at the ends of the range."""

SPORADIC = 0.2
"""Share of values up to which differences of 1 LSB come from ties rather than from another requantization."""

DENSE = 0.5
"""Share of different values in a frame from which it counts as another frame."""

TRACE = 0.05
"""Share of values up to which differences may result from a few roundings in earlier layers."""

SMALL = 1.01
"""Largest difference in LSB that counts as one step."""

LONGEST_DELAY = 16
"""Longest delay in frames that is searched."""

ROUNDED = 0.6
"""RMS error in LSB of a pattern that explains everything but rounding: 0.29 for each of two tensors, plus a margin."""


def hints_of(layer: Layer, reading: Reading, difference: np.ndarray, frames: int | None) -> Iterator[str]:
    """Yield descriptions of the differences, the most likely cause first.

    Parameters
    ----------
    difference : (samples, ...) dump minus PC, in LSB.
    frames : time axis; None if there is none.
    """
    if reading.against_shape:
        yield (
            f"the values lie in the order {reading.order or 'of the PC'}, which the dump's shape does not say: rows "
            "and columns are swapped, in the dump or on the board (layout)"
        )
    if not np.isfinite(difference).all():
        yield f"{int((~np.isfinite(difference)).sum())} values are no numbers (NaN or infinite)"
        return
    size = np.abs(difference)
    differs = size > 1e-3
    if not differs.any():
        return
    reference = layer.steps[: len(reading.steps)]
    if np.ptp(reading.steps) == 0 and np.ptp(reference) > 0:
        yield "all values of the dump are the same: the tensor was not written, or dumped before the network ran"
        return
    whole = next(_of_all_values(layer, reading, reference, difference), None)
    if whole is not None:
        yield whole
        return
    yield from _of_patches(differs)
    if frames is not None:
        hints = list(_of_frames(reading, reference, differs, frames))
        if hints:
            yield from hints
            return
    hints = list(_of_sizes(layer, reading, reference, size, differs))
    yield from hints
    if not hints and differs.mean() <= TRACE and layer.made_by != "input":
        yield (
            f"only {100 * differs.mean():.2g} % of the values differ: what is left of a few values that an earlier "
            "layer rounds otherwise, most likely; dump the layers to see where it begins"
        )


def _of_all_values(layer: Layer, reading: Reading, reference: np.ndarray, difference: np.ndarray) -> Iterator[str]:
    """Detect a constant offset, a factor, or both."""
    inside = _inside(layer, reading.steps) & _inside(layer, reference)
    inside = inside if inside.mean() > 0.1 else np.ones_like(inside)
    shift = float(np.median(difference[inside]))
    if abs(shift) > 0.5 and (np.abs(difference[inside] - shift) < 0.5).mean() > MOST:
        signs = ", as unsigned numbers are read as signed ones or the other way round" if abs(shift) == 128 else ""
        yield f"all values are shifted by {shift:+.4g} LSB{signs}: another zero point"
    before = _rms(difference[inside])
    if before < 4 * ROUNDED:
        return
    x, y = reference[inside], reading.steps[inside]
    factor = float(x @ y / max(float(x @ x), 1e-9))
    # If the dump is rounded more coarsely than the PC's values, the residual is larger, too.
    if abs(factor - 1) > 0.005 and _rms(y - factor * x) < ROUNDED * max(1.0, factor):
        yield f"all values are those of the PC times {factor:.4g}{_power_of_two(factor)}: another scale"
        return
    if np.ptp(x) > 0:
        factor, shift = np.polyfit(x, y, 1).tolist()
        if abs(factor) > 0.01 and _rms(y - factor * x - shift) < ROUNDED * max(1.0, abs(factor)):
            yield (
                f"all values are those of the PC times {factor:.4g}{_power_of_two(factor)}, shifted by {shift:+.4g} "
                "LSB: another scale and zero point"
            )


def _power_of_two(factor: float) -> str:
    exponent = np.log2(factor) if factor > 0 else 0.5
    return " (a power of two: a shift too many or too few)" if abs(exponent - round(exponent)) < 0.01 else ""


def _of_patches(differs: np.ndarray) -> Iterator[str]:
    """Detect patches that are equal up to some point and different after it."""
    bad = np.flatnonzero(differs.any(axis=tuple(range(1, differs.ndim))))
    if bad[0] > 0 and differs[bad[0] :].mean() > DENSE:
        same = "the first patch is" if bad[0] == 1 else f"patches 0 to {bad[0] - 1} are"
        yield f"{same} the same, later ones are not: a state, or what else is left over from one call to the next"


def _of_frames(reading: Reading, reference: np.ndarray, differs: np.ndarray, axis: int) -> Iterator[str]:
    """Describe which frames differ."""
    others = tuple(other for other in range(1, differs.ndim) if other != axis)
    by_frame = differs.any(axis=others)  # (samples, frames)
    if differs.mean(axis=others)[by_frame].mean() < DENSE:
        return
    by_frame = by_frame[by_frame.any(axis=1)]
    bad = np.flatnonzero(by_frame.any(axis=0))
    count = by_frame.shape[1]
    if (delay := _delay(reading.steps, reference, axis)) is not None:
        yield (
            f"the frames are those of the PC, {abs(delay)} {'later' if delay > 0 else 'earlier'}: the buffer of "
            "frames, or the look-ahead, is off by as many"
        )
        return
    steps = np.diff(bad)
    if len(bad) >= 3 and steps[0] > 1 and (steps == steps[0]).all():
        yield f"only one frame in {steps[0]} differs, from frame {bad[0]} on: a stride, or a loop that is unrolled"
    elif len(bad) == count:
        return
    elif bad[0] > 0 and bad[-1] == count - 1 and len(bad) >= 0.8 * (count - bad[0]):
        yield (
            f"frames 0 to {bad[0] - 1} are the same, from frame {bad[0]} on they differ: a state that is not kept, "
            "a buffer that is too short, or the padding at the end"
        )
    elif bad[0] == 0 and len(bad) >= 0.8 * (bad[-1] + 1):
        yield (
            f"frames 0 to {bad[-1]} differ, those after them are the same: the padding at the beginning, or the "
            "look-ahead that stands before the patch"
        )


def _delay(steps: np.ndarray, reference: np.ndarray, axis: int) -> int | None:
    """Return the delay of the dump in frames, or None if the difference is not a mere delay."""
    count = steps.shape[axis]
    for lag in range(1, min(LONGEST_DELAY, count // 2) + 1):
        early, late = (np.take(steps, range(start, count - lag + start), axis) for start in (0, lag))
        first, last = (np.take(reference, range(start, count - lag + start), axis) for start in (0, lag))
        if (np.abs(first - last) <= SMALL).mean() > MOST:  # the values hardly change from frame to frame
            continue
        for delay, ours, theirs in ((lag, first, late), (-lag, last, early)):
            if (np.abs(ours - theirs) <= SMALL).mean() > MOST:
                return delay
    return None


def _of_sizes(
    layer: Layer, reading: Reading, reference: np.ndarray, size: np.ndarray, differs: np.ndarray
) -> Iterator[str]:
    """Describe the size of the differences, and where they are large."""
    if size.max() <= SMALL and layer.scale is not None:
        share = differs.mean()
        if share <= SPORADIC:
            yield (
                f"{100 * share:.2g} % of the values are off by one LSB: halves rounded away from zero on one side and "
                "to even on the other, or a requantization in integers"
            )
        else:
            yield f"{100 * share:.0f} % of the values are off by one LSB: another requantization (multiplier, shift)"
        return
    cut = ~_inside(layer, reading.steps) & _inside(layer, reference) & differs
    if cut.sum() > 0.8 * differs.sum():
        yield "saturated: the dump is at the end of the range where the PC's values are not"
    channels = differs.any(axis=(0, *range(2, differs.ndim))) if differs.ndim > 2 else np.zeros(1, bool)
    if 0 < channels.sum() <= 0.25 * len(channels) and differs[:, channels].mean() > DENSE:
        names = ", ".join(map(str, np.flatnonzero(channels)[:8])) + (" ..." if channels.sum() > 8 else "")
        yield f"only {channels.sum()} of {len(channels)} channels differ ({names}): their weights, scales or biases"


def _inside(layer: Layer, steps: np.ndarray) -> np.ndarray:
    """Return the values that are not at the ends of the quantizer's range, as a boolean array."""
    if layer.scale is None:
        return np.ones(steps.shape, bool)
    ends = np.iinfo(layer.values.dtype)
    return (steps > ends.min - layer.zero_point) & (steps < ends.max - layer.zero_point)


def _rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(values))))
