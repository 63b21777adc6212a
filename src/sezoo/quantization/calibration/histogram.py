"""A histogram that takes values as they come, in fixed memory, and the ranges that can be read from it."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

__all__ = ["SignedHistogram"]

BINS_A_SIDE = 8192
CHUNK = 1 << 16
"""Values are binned in chunks of this size, which stay in the processor's cache."""

SMALLEST_LIMIT = 2.0**-100
"""Below it the reciprocal of a bin's width would overflow in float32."""

LEVELS = 256
"""What an int8 tensor can tell apart."""

MERGED = 16
"""Bins that the entropy method puts together: a divergence of finer ones measures how few values fill them."""

SMOOTHING = 1e-4
"""Share of the mean bin that a bin gets which one distribution fills and the other leaves empty."""


class SignedHistogram:
    """Counts of values in equal bins on both sides of zero.

    The bins reach from -`limit` to `limit`, a power of two. When a larger value arrives the limit doubles
    and neighbouring bins are merged, so that the bins' width is at most 1/4096 of the largest magnitude,
    whatever came first, and the memory is always the same.

    Attributes
    ----------
    counts : (2 * `BINS_A_SIDE`,) int64
    limit : end of the last bin; 0 as long as nothing but zeros has come.
    low, high : the smallest and the largest value, float32.
    """

    def __init__(self) -> None:
        self.counts = np.zeros(2 * BINS_A_SIDE, np.int64)
        self.limit = 0.0
        self.low = np.float32(np.inf)
        self.high = np.float32(-np.inf)

    def add(self, values: np.ndarray) -> None:
        """Take in float32 values of any shape. NaN and infinity reach `low` and `high` and no bin."""
        values = values.reshape(-1)
        self.low, self.high = np.minimum(self.low, values.min()), np.maximum(self.high, values.max())
        largest = float(max(abs(self.low), abs(self.high)))
        if not np.isfinite(largest):
            return
        self._reach(largest)
        if self.limit == 0:  # all zeros so far
            self.counts[BINS_A_SIDE] += values.size
            return
        scale, last = np.float32(BINS_A_SIDE / self.limit), 2 * BINS_A_SIDE - 1
        for start in range(0, values.size, CHUNK):
            position = values[start : start + CHUNK] * scale
            position += np.float32(BINS_A_SIDE)
            bins = np.minimum(position.astype(np.intp), last)
            self.counts += np.bincount(bins, minlength=2 * BINS_A_SIDE)

    def merge(self, other: SignedHistogram) -> None:
        """Take in what another histogram has; the result does not depend on the order in which histograms are merged.

        Widths are powers of two, so that the bins of the narrower one fall into those of the wider one.
        """
        self.low, self.high = np.minimum(self.low, other.low), np.maximum(self.high, other.high)
        self._reach(other.limit)
        self.counts += _merged_in_pairs(other.counts, self.limit / other.limit) if other.limit else other.counts

    def _reach(self, largest: float) -> None:
        """Double the limit until it is at least `largest`, merging bins two by two."""
        if largest <= self.limit:
            return
        limit = max(float(2.0 ** np.ceil(np.log2(largest))), SMALLEST_LIMIT)
        if self.limit:
            self.counts = _merged_in_pairs(self.counts, limit / self.limit)
        self.limit = limit

    def __getstate__(self) -> dict[str, Any]:
        filled = np.flatnonzero(self.counts)  # a few thousand bins, as a rule
        return {**vars(self), "counts": (filled.astype(np.uint16), self.counts[filled])}

    def __setstate__(self, state: dict[str, Any]) -> None:
        filled, counts = state["counts"]
        vars(self).update(state, counts=np.zeros(2 * BINS_A_SIDE, np.int64))
        self.counts[filled] = counts

    def percentile_range(self, percentile: float, *, symmetric: bool) -> tuple[np.float32, np.float32]:
        """The range that holds `percentile` % of the values, never wider than what was seen.

        Parameters
        ----------
        symmetric : cut by magnitude, the same at both ends; else half of the rest is cut at each end.
        """
        total, share, width = self.counts.sum(), percentile / 100, self.limit / BINS_A_SIDE
        if symmetric:
            below, above = self.counts[:BINS_A_SIDE][::-1], self.counts[BINS_A_SIDE:]
            high = width * _bins_up_to(below + above, share * total)
            low = -high
        else:
            up_to = (1 + share) / 2 * total  # half of the rest is cut at each end
            high = width * _bins_up_to(self.counts, up_to) - self.limit
            low = self.limit - width * _bins_up_to(self.counts[::-1], up_to)
        return self._within_seen(low, high)

    def entropy_range(self) -> tuple[np.float32, np.float32]:
        """The range whose int8 values lose the least information about how the energy lies over the values.

        For each candidate range the distribution clipped to it is compared, by the Kullback-Leibler
        divergence, with what is left of it after rounding to `LEVELS` levels (S. Migacz, "8-bit inference
        with TensorRT", GTC 2017). Candidates cut the larger magnitudes on either side, down to an eighth
        of the largest.

        Unlike there, values count by their energy and not by their number, and what was clipped away is
        not made up for by scaling the rest: activations of denoisers are mostly next to zero, so by number
        alone the loud ones would be cut off, and a range that holds next to nothing would lose nothing.
        """
        if self.limit == 0:
            return self._within_seen(0.0, 0.0)
        zero = BINS_A_SIDE // MERGED
        magnitude = np.abs(np.arange(2 * BINS_A_SIDE) + 0.5 - BINS_A_SIDE)
        energy = (self.counts * magnitude**2).reshape(-1, MERGED).sum(axis=1)
        filled = np.flatnonzero(energy)
        first, last = min(filled[0], zero), max(filled[-1] + 1, zero)  # zero is part of every quantized range
        reach = max(zero - first, last - zero)
        best, best_divergence = reach, np.inf
        for size in range(max(1, reach // 8), reach + 1):
            divergence = _divergence_after_rounding(energy, max(first, zero - size), min(last, zero + size))
            if divergence <= best_divergence:
                best, best_divergence = size, divergence
        width = self.limit / zero
        return self._within_seen(-best * width, best * width)

    def _within_seen(self, low: float, high: float) -> tuple[np.float32, np.float32]:
        return np.float32(max(low, self.low)), np.float32(min(high, self.high))


def _merged_in_pairs(counts: np.ndarray, times: float) -> np.ndarray:
    """The counts in bins that are wider by a power of two; zeros, in the middle, stay in their bin."""
    while times > 1:
        pairs = counts.reshape(-1, 2).sum(axis=1)
        counts = np.zeros_like(counts)
        counts[BINS_A_SIDE // 2 : BINS_A_SIDE // 2 + pairs.size] = pairs
        times /= 2
    return counts


def _bins_up_to(counts: np.ndarray, amount: float) -> float:
    """Return the number of bins, from the first, that hold `amount` values, with the last bin interpolated linearly."""
    summed = np.cumsum(counts)
    last = min(int(np.searchsorted(summed, amount)), counts.size - 1)
    missing = amount - (summed[last] - counts[last])
    return last + min(1.0, missing / max(counts[last], 1))


def _divergence_after_rounding(mass: np.ndarray, start: int, stop: int) -> float:
    """KL divergence between the distribution clipped to bins [start, stop) and its rounding to `LEVELS` levels.

    What was clipped piles up in the first and last bin of the one, and is missing from the other.
    """
    inside, total = mass[start:stop], mass.sum()
    clipped = inside.copy()
    clipped[0] += mass[:start].sum()
    clipped[-1] += mass[stop:].sum()
    filled = clipped > 0

    bounds = _level_bounds(inside.size)
    level_filled = np.add.reduceat(filled, bounds[:-1], dtype=np.float64)
    level_mass = np.add.reduceat(inside, bounds[:-1])
    spread = np.divide(level_mass, level_filled, out=np.zeros_like(level_mass), where=level_filled > 0)
    rounded = np.repeat(spread, np.diff(bounds))

    p = clipped[filled] / total
    q = np.maximum(rounded[filled] / total, SMOOTHING / mass.size)
    return float(np.sum(p * np.log(p / q)))


@functools.cache
def _level_bounds(size: int) -> np.ndarray:
    """Where the levels of N bins begin, and where the last one ends; the same for all tensors."""
    return np.unique(np.linspace(0, size, min(LEVELS, size) + 1).astype(int))
