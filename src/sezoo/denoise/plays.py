"""The ways in which a model is played: what a PC does with a clip, and what the board does."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["NO_PEAK", "Board", "Patches", "Play", "WholeClip"]


@dataclass(frozen=True)
class WholeClip:
    """The clip at once, every mask seeing all the frames that it depends on.

    Attributes
    ----------
    context : the model's receptive field, (before, after) frames, which lets long clips be run in pieces without
        a difference. None where it has no bound: pieces of a minute then see ten seconds on either side.
    """

    context: tuple[int, int] | None = None

    def __str__(self) -> str:
        return "whole clips"


@dataclass(frozen=True)
class Patches:
    """Fixed lengths of `frames` new ones with `lookahead` frames on either side, masks stitched together.

    The spectrum is the whole clip's.

    Attributes
    ----------
    mirrored : before and after the clip stand its own frames, mirrored; otherwise the magnitudes there are 0. A network
        takes zeros for silence that ends where the clip begins, which is not what its layers' own padding says.
    """

    frames: int = 30
    lookahead: int = 5
    mirrored: bool = field(default=True, kw_only=True)

    @property
    def length(self) -> int:
        """Frames of a call of the model."""
        return self.frames + 2 * self.lookahead

    def __str__(self) -> str:
        return f"patches of {self.frames} new frames and 2 x {self.lookahead} of look-ahead"


@dataclass(frozen=True)
class Board(Patches):
    """Patches in the board's own stream of int16 samples, as ST's application for the STM32N6 does it.

    Attributes
    ----------
    silence_threshold : output patches below this level in dBFS are zeroed; None does not.
    input_gain : the model sees the magnitudes of a loud patch scaled to its peak.
    half_away : the model's int8 input is rounded half away from zero, as C's `roundf` does, and not half to
        even as onnxruntime does.
    """

    mirrored: bool = field(default=False, kw_only=True)
    silence_threshold: float | None = -50.0
    input_gain: bool = True
    half_away: bool = True

    def __str__(self) -> str:
        gate = "no gate" if self.silence_threshold is None else f"a gate at {self.silence_threshold:g} dBFS"
        return f"as on the board: {super().__str__()}, {gate}"


Play = WholeClip | Patches | Board

NO_PEAK = (
    "preprocessing.peak_normalize: a board hears a stream, whose peak nobody knows beforehand; as on the board the "
    "model sees recordings as loud as they are"
)
"""What is said where a board comes after a model that was trained on clips of the same peak."""
