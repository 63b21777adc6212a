"""Recordings that are read repeatedly: decoded once, and cached in memory."""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np

from sezoo.audio.clip import BadClipError, read_clip, read_part
from sezoo.audio.file import blocks_of, open_recording
from sezoo.base.processors import available_processors
from sezoo.base.text import bytes_text, pluralize
from sezoo.data.mixing.decoded import FAINTEST, Decoded, Memory, round_to_int16

__all__ = ["Recordings"]

log = logging.getLogger(__name__)


Result = TypeVar("Result")


AT_A_TIME = 64
"""Recordings that are decoded side by side, which bounds the memory for those that are not kept."""


LONG_SECONDS = 20.0
"""From here on, a part of a recording is sought in its file rather than all of it decoded."""


class Facts(NamedTuple):
    """Facts about a long recording that is not cached: as in `Decoded`, and its peak."""

    length: int
    scale: np.float32
    loudest: int
    peak: float


class _Last(threading.local):
    """Cache of the recording that a thread has decoded last, which is needed for its length, then for a segment."""

    index: int | None = None
    decoded: Decoded | None = None

    def __reduce__(self) -> tuple[type[_Last], tuple[()]]:
        return _Last, ()  # another process begins with none


class Recordings:
    """Recordings by index, as waveforms at one sample rate.

    They are kept as int16 scaled by a power of two, which is what a recording of 16 bits was: exact where it
    needed no resampling, and closer than float16 (11 bits) elsewhere. Each recording goes through it, whether
    it is kept or not: what is made of them does not depend on the memory.

    Of a long one that is not kept, parts are found by seeking where the file's format and rate allow that.

    In a forked process those that are kept are there already; a spawned one begins with none.

    Parameters
    ----------
    paths : of the files.
    sample_rate : of the waveforms, in Hz.
    memory : for those that are kept; None keeps none but the last.
    min_samples : shortest recording that is of use, in samples at `sample_rate`.
    """

    def __init__(self, paths: Sequence[Path], sample_rate: int, memory: Memory | None = None, min_samples: int = 1):
        self.paths, self.sample_rate, self.min_samples = tuple(paths), sample_rate, min_samples
        self.memory = memory or Memory()
        self.kept: dict[int, Decoded] = {}
        self.last = _Last()
        self.facts: dict[int, Facts | None] = {}  # of long ones; None where seeking is of no use
        self.found: list[int | BadClipError] | None = None  # by `check`

    def __len__(self) -> int:
        return len(self.paths)

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "kept": {}, "last": _Last()}

    def subset(self, indices: Sequence[int]) -> Recordings:
        """Select recordings by index, with their cached data; the memory budget is shared."""
        chosen = Recordings([self.paths[index] for index in indices], self.sample_rate, self.memory, self.min_samples)
        chosen.kept = {new: self.kept[old] for new, old in enumerate(indices) if old in self.kept}
        chosen.found = None if self.found is None else [self.found[index] for index in indices]
        return chosen

    def length(self, index: int) -> int:
        """Samples of a recording.

        Raises
        ------
        BadClipError : a recording that cannot be used; so do `samples`, `segment` and `loudest`.
        """
        facts = self._facts(index)
        return len(self._decode_cached(index).samples) if facts is None else facts.length

    def loudest(self, index: int) -> tuple[int, float]:
        """Return the position of a recording's peak, in samples, and its magnitude."""
        if (facts := self._facts(index)) is not None:
            return facts.loudest, facts.peak
        decoded = self._decode_cached(index)
        return decoded.loudest, decoded.peak

    def samples(self, index: int) -> np.ndarray:
        """A whole recording: (samples,) float32, full scale is 1."""
        decoded = self._decode_cached(index)
        return decoded.waveform

    def segment(self, index: int, start: int, samples: int) -> np.ndarray:
        """A part of a recording: (samples,) float32, with zeros where it lies before the beginning or after the end."""
        waveform = np.zeros(samples, np.float32)
        facts = self._facts(index)
        length = self.length(index)
        first, end = max(0, start), min(length, start + samples)
        if first < end:
            there = None if facts is None else self._read_by_seeking(index, facts, first, end - first)
            if there is None:
                there = self._decode_cached(index).samples[first:end]
                facts = None
            scale = self._decode_cached(index).scale if facts is None else facts.scale
            np.multiply(there, scale, out=waveform[first - start : end - start])
        return waveform

    def _facts(self, index: int) -> Facts | None:
        """Return the facts about a recording that was decoded before and is not in memory, or None."""
        here = index in self.kept or self.last.index == index
        return None if here else self.facts.get(index)

    def _read_by_seeking(self, index: int, facts: Facts, start: int, samples: int) -> np.ndarray | None:
        """A part of a recording as it would be in memory, int16; None, from now on, where seeking does not do it."""
        part = read_part(self.paths[index], self.sample_rate, start, samples)
        if part is None:
            self.facts[index] = None
            return None
        return round_to_int16(part, math.frexp(float(facts.scale))[1] + 14)

    def check(self, *, thorough: bool) -> list[int | BadClipError]:
        """Check all recordings before they are used.

        Parameters
        ----------
        thorough : decode them, and keep them while there is room. Else only the headers are read, which takes a
            hundredth of the time: silence, NaN and damage in the middle are then met when the recording is used.

        Returns
        -------
        lengths : in samples at `sample_rate`; for a recording that cannot be used, the error that says why.
        """
        everything = range(len(self))
        if not thorough:
            self.found = list(_in_threads(self._length_by_header, everything))
            return self.found
        self.found = []
        for index, decoded in enumerate(_in_threads(self._decode_or_reason, everything)):
            if isinstance(decoded, Decoded):
                self._keep(index, decoded)
            self.found.append(decoded if isinstance(decoded, BadClipError) else len(decoded.samples))
        return self.found

    @property
    def lengths(self) -> list[int]:
        """Samples of each recording, as `check` has found them, which it is called for where it was not.

        Raises
        ------
        BadClipError : a recording that cannot be used.
        """
        found = self.check(thorough=False) if self.found is None else self.found
        if bad := next((length for length in found if isinstance(length, BadClipError)), None):
            raise bad
        return found

    def fill_memory(self) -> None:
        """Decode and cache recordings until the memory budget is used.

        Raises
        ------
        BadClipError : a recording that cannot be used.
        """
        missing = [index for index in range(len(self)) if index not in self.kept]
        if not missing or not self.memory.left:
            return
        folder = self.paths[0].parent.name
        log.info("%s: caching %s in memory, as far as they fit", folder, pluralize(len(missing), "recording"))
        decoding = _in_threads(self._decode, missing)
        for index, decoded in zip(missing, decoding, strict=False):
            if not self._keep(index, decoded):
                break
        size = bytes_text(sum(decoded.samples.nbytes for decoded in self.kept.values()))
        log.info("%s: %d of %d recordings are cached, %s", folder, len(self.kept), len(self), size)

    def _decode_cached(self, index: int) -> Decoded:
        if (kept := self.kept.get(index)) is not None:
            return kept
        if self.last.index != index:
            decoded = self._decode(index)
            self.last.index, self.last.decoded = index, decoded
            if not self._keep(index, decoded) and len(decoded.samples) > LONG_SECONDS * self.sample_rate:
                facts = Facts(len(decoded.samples), decoded.scale, decoded.loudest, decoded.peak)
                self.facts.setdefault(index, facts)
        return self.last.decoded

    def _keep(self, index: int, decoded: Decoded) -> bool:
        there_is_room = self.memory.take(decoded.samples.nbytes)
        if there_is_room:
            self.kept[index] = decoded
        return there_is_room

    def _decode(self, index: int) -> Decoded:
        decoded = Decoded.of(read_clip(self.paths[index], self.sample_rate, min_samples=self.min_samples))
        if not decoded.samples.any():
            raise BadClipError(
                self.paths[index], f"it is silent (no sample reaches {FAINTEST / 2**16:.0e} of full scale)"
            )
        return decoded

    def _decode_or_reason(self, index: int) -> Decoded | BadClipError:
        try:
            return self._decode(index)
        except BadClipError as bad:
            return bad

    def _length_by_header(self, index: int) -> int | BadClipError:
        path, rate = self.paths[index], self.sample_rate
        try:
            with open_recording(path) as file:
                next(blocks_of(file, seconds=0.01), None)  # tells of a file that is cut off
                length = math.ceil(file.frames * (rate / file.samplerate))
        except BadClipError as bad:
            return bad
        if length == 0:
            return BadClipError(path, "it has no samples")
        if length < self.min_samples:
            return BadClipError(
                path, f"it is {length} samples long at {rate} Hz, shorter than the {self.min_samples} needed"
            )
        return length


def _in_threads(work: Callable[[int], Result], indices: Sequence[int]) -> Iterator[Result]:
    """`work` on each index, in order; libsndfile and soxr let other threads run meanwhile."""
    with ThreadPoolExecutor(available_processors()) as executor:
        for first in range(0, len(indices), AT_A_TIME):
            yield from executor.map(work, indices[first : first + AT_A_TIME])
