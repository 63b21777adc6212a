"""Effects of a silence gate, which mutes quiet speech as well as silence."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["GATE_KEY", "MutedFrames", "count_muted_frames", "gate_warning"]

GATE_KEY = "deployment.output_silence_threshold"

SPEECH_RANGE_DB = 40
"""A frame of the clean recording is speech if it is no further below the loudest one, as for STOI."""


@dataclass(frozen=True)
class MutedFrames:
    """Frames that a gate has muted, and their total.

    Attributes
    ----------
    of_speech : frames with speech are counted; else all, where the clean recording is not known.
    """

    frames: int = 0
    of: int = 0
    of_speech: bool = True

    def __add__(self, other: MutedFrames) -> MutedFrames:
        return MutedFrames(self.frames + other.frames, self.of + other.of, self.of_speech and other.of_speech)

    @property
    def share(self) -> float:
        """Share of muted frames, 0 to 1."""
        return self.frames / self.of if self.of else 0.0


def count_muted_frames(denoised: np.ndarray, clean: np.ndarray | None, frame: int) -> MutedFrames:
    """Count the frames whose output is digital silence.

    Parameters
    ----------
    denoised : (samples,) float32, by a mode with a gate.
    clean : (samples,) float32, which says where there is speech; None counts all frames.
    frame : length of a frame, in samples.
    """
    count = len(denoised) // frame
    muted = ~denoised[: count * frame].reshape(count, frame).any(axis=1)
    if clean is None:
        return MutedFrames(int(muted.sum()), count, of_speech=False)
    power = np.square(clean[: count * frame].reshape(count, frame), dtype=np.float64).mean(axis=1)
    speech = power > power.max(initial=0) * 10 ** (-SPEECH_RANGE_DB / 10)
    return MutedFrames(int((muted & speech).sum()), int(speech.sum()))


def gate_warning(threshold: float, muted: MutedFrames, measured: str) -> str:
    """Return the warning about an active gate.

    Parameters
    ----------
    threshold : in dBFS.
    measured : on what, in words.
    """
    what = "of the frames with speech" if muted.of_speech else "of all frames"
    return (
        f"{GATE_KEY}: {threshold:g}: the silence gate mutes {100 * muted.share:.1f} % {what} ({measured}); leave the "
        "key empty for no gate"
    )
