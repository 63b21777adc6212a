"""Denoised recordings that something else has made, a board or another program: found by name, and aligned."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from sezoo.audio.clip import BadClipError, read_clip
from sezoo.base.errors import UserError
from sezoo.base.text import did_you_mean_path, pluralize
from sezoo.data.folders import AUDIO_EXTENSIONS, some_names
from sezoo.data.pair_names import match_names, to_nfc
from sezoo.data.pairs import Pair
from sezoo.evaluation.plausibility import delay

__all__ = ["KEY", "RecordingsSource", "check_recordings", "log_delays"]

log = logging.getLogger(__name__)

KEY = "model.denoised_path"

LONGEST_DELAY = 1.0
"""Seconds by which a recording may be later or earlier than the clip that it is of."""

LOOKED_AT = 3
"""Recordings whose delay is logged."""


@dataclass(frozen=True)
class RecordingsSource:
    """A folder of denoised recordings, in place of a model.

    Attributes
    ----------
    folder : of the recordings.
    clips : names of the clips that are scored, without endings.
    test_set : names of the whole test set, where `clips` are drawn from it; the folder may hold all of its recordings.
    sample_rate : that they are scored at, in Hz.
    """

    folder: Path
    clips: tuple[str, ...]
    sample_rate: int
    test_set: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Display name: the name of the folder."""
        return self.folder.absolute().name

    @property
    def reference(self) -> str:
        """Path of the folder, as a reference to what was scored."""
        return self.folder.as_posix()

    @property
    def digest(self) -> str:
        """A hash of what the recordings are: names, sizes and times of the files."""
        facts = [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in sorted(self.files.values())]
        return hashlib.sha256(repr(facts).encode()).hexdigest()[:16]

    @cached_property
    def files(self) -> dict[str, Path]:
        """The recording of each clip, by the clip's name without its ending.

        Raises
        ------
        UserError : no such folder; names that do not say for every clip which recording is its.
        """
        if not self.folder.is_dir():
            raise UserError(f"{KEY}: there is no folder {self.folder}{did_you_mean_path(self.folder)}")
        found = sorted(path for path in self.folder.iterdir() if path.suffix.lower() in AUDIO_EXTENSIONS)
        if not found:
            raise UserError(f"{KEY}: no recordings in {self.folder}; it needs one for every clip of the test set")
        names = [path.stem for path in found]
        match = match_names(list(self.clips), names)
        if match.clean is None:
            whole = match_names(list(self.test_set), names)
            if whole.clean is not None:
                of_set = {clip: found[index] for clip, index in zip(self.test_set, whole.clean, strict=True)}
                return {clip: of_set[clip] for clip in self.clips}
            if not match.only_noisy and match.only_clean and not match.by:  # all clips have theirs, by the whole name
                log.warning("%s: not scored: %s", self.folder, _of_no_clip(match.only_clean))
                by_name = {to_nfc(path.stem): path for path in found}
                return {clip: by_name[to_nfc(clip)] for clip in self.clips}
            missing = f"{len(match.only_noisy)} of {pluralize(len(self.clips), 'clip')} have no recording"
            what = [f"{missing} ({some_names(match.only_noisy)})"] if match.only_noisy else []
            what += [_of_no_clip(match.only_clean)] if match.only_clean else []
            raise UserError(f"{KEY}: {self.folder} does not match the test set: {'; '.join(what)}")
        return {clip: found[index] for clip, index in zip(self.clips, match.clean, strict=True)}

    def __call__(self, noisy: np.ndarray, path: Path) -> np.ndarray:
        """The recording of a clip, aligned with it, as long as it: (samples,) float32.

        Parameters
        ----------
        noisy : (samples,) float32, what it is aligned with.
        path : of the clip.

        Raises
        ------
        BadClipError : a recording that cannot be read, of another length, or shifted by more than a second.
        """
        recording, shift = self.aligned(noisy, path)
        samples = recording[max(0, shift) :] if shift >= 0 else np.pad(recording, (-shift, 0))
        missing = len(noisy) - len(samples)
        if abs(missing) > LONGEST_DELAY * self.sample_rate:
            seconds = (len(recording) / self.sample_rate, len(noisy) / self.sample_rate)
            raise BadClipError(self.files[path.stem], f"it is {seconds[0]:.2f} s long, the clip {seconds[1]:.2f} s")
        return np.pad(samples, (0, max(0, missing)))[: len(noisy)]

    def aligned(self, noisy: np.ndarray, path: Path) -> tuple[np.ndarray, int]:
        """The recording of a clip, and the samples by which it is later."""
        file = self.files[path.stem]
        recording = read_clip(file, self.sample_rate)
        shift = delay(recording, noisy, self.sample_rate, len(noisy) / self.sample_rate)
        if abs(shift) > LONGEST_DELAY * self.sample_rate:
            raise BadClipError(
                file,
                f"it is {abs(shift) / self.sample_rate:.2f} s {'later' if shift > 0 else 'earlier'} than the clip; at "
                f"most {LONGEST_DELAY:g} s is made up for",
            )
        return recording, shift


def _of_no_clip(names: Sequence[str]) -> str:
    return f"{pluralize(len(names), 'recording')} of no clip ({some_names(names)})"


def check_recordings(
    folder: Path, pairs: Sequence[Pair], sample_rate: int, test_set: Sequence[Pair] = ()
) -> RecordingsSource:
    """The recordings of a test set, or of some clips drawn from `test_set`.

    Raises
    ------
    UserError : they do not match it.
    """
    clips, names = (tuple(pair.noisy.stem for pair in each) for each in (pairs, test_set))
    source = RecordingsSource(folder, clips, sample_rate, names)
    source.files  # noqa: B018 - found, or refused
    return source


def log_delays(source: RecordingsSource, pairs: Sequence[Pair]) -> None:
    """Log by how much the first recordings are shifted; all are aligned before they are scored."""
    shifts = []
    for pair in pairs[:LOOKED_AT]:
        try:
            shifts.append(source.aligned(read_clip(pair.noisy, source.sample_rate), pair.noisy)[1])
        except BadClipError:  # which leaves the clip out, and is reported there
            continue
    if any(shifts):
        milliseconds = 1000 * float(np.median(shifts)) / source.sample_rate
        log.info(
            "the recordings of %s are %.1f ms %s than the clips (median of %d): each is aligned before it is scored",
            source.folder, abs(milliseconds), "later" if milliseconds > 0 else "earlier", len(shifts),
        )  # fmt: skip
