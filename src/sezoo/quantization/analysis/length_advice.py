"""Advice on the length of the static model: the cost of its look-ahead, and the shortest sufficient length."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import onnx

from sezoo.audio.stft import Stft
from sezoo.base.text import pluralize
from sezoo.denoising.masking import MaskStream
from sezoo.denoising.modes import Patches
from sezoo.models.mask_model import MaskModel
from sezoo.models.receptive_field import receptive_field_of
from sezoo.models.states import states_of
from sezoo.quantization.calibration.segments import Segment
from sezoo.quantization.fidelity.scorer import FidelityScorer
from sezoo.results.run_record import LOOK_AHEAD

__all__ = ["N6_REMEDY", "STREAM_REMEDY", "LengthAdvice", "advise", "log_advice"]

log = logging.getLogger(__name__)

TOLERANCE = 0.5
"""dB of fidelity that patches may lose: an eighth more error than the int8 model makes on whole clips."""

INAUDIBLE = 60.0
"""dB of fidelity above which there is nothing to gain."""

LONGEST = 64
"""Frames of look-ahead up to which is searched: with it a call computes five times its usual 30 new frames."""

SEGMENTS, SEGMENT_FRAMES = 8, 300
"""Segments, and frames of each, that are enough to resolve half a dB."""

STREAM_REMEDY = "deployment.engine: stream, where the backend has it, cuts no patches"
N6_REMEDY = (
    "ST's application has patches only; quantization.target: cortex-m with deployment.backend: portable-c makes a "
    "stream for the core of that board, which cuts none"
)
"""What helps where no look-ahead does."""

NAME = Path("the model")


@dataclass(frozen=True)
class LengthAdvice:
    """A look-ahead, what it was measured to cost, and the smallest one that costs little.

    `closeness` is the SI-SNR of the int8 model's denoised waveforms against those of the float model, which sees whole
    clips, in dB.

    Attributes
    ----------
    field : receptive field, (before, after) frames; None where it has no bound, or none was found.
    frames, lookahead : new frames P and look-ahead K of a patch.
    closeness : in patches with that look-ahead.
    whole : the same without cutting.
    needed : the smallest look-ahead that comes as close as `whole` but for `TOLERANCE`. Where none does, the
        smallest that comes as close as the longest one; `lookahead` if that is not closer than it is now.
    needed_closeness : in patches with it.
    longest : look-ahead that was tried.
    most_frames : of a static model, which is why no longer one was tried; None where that was not the reason.
    """

    field: tuple[int, int] | None
    frames: int
    lookahead: int
    closeness: float
    whole: float
    needed: int
    needed_closeness: float
    longest: int
    most_frames: int | None = None

    @property
    def static_length(self) -> int:
        """Frames of a static model with the needed look-ahead and as many new frames."""
        return self.frames + 2 * self.needed

    @property
    def is_enough(self) -> bool:
        """Whether the present look-ahead costs no more than the tolerance."""
        return self.closeness >= _goal(self.whole)


def advise(
    model: onnx.ModelProto,
    float_model: onnx.ModelProto,
    segments: Sequence[Segment],
    stft: Stft,
    frames: int,
    lookahead: int,
    most_frames: int | None = None,
) -> LengthAdvice | None:
    """Measure what cutting into patches costs, and search the smallest look-ahead that is good.

    A segment is cut out of a clip: before and after it the magnitudes are 0, for patches and for the whole.

    Parameters
    ----------
    model : int8, with dynamic frames.
    float_model : which it was made from.
    frames, lookahead : of a patch, new ones P and K on either side.
    most_frames : that the static model may have on its device; None is any number.

    Returns
    -------
    advice : None for models with states, which need no look-ahead, and where there is nothing to compare.
    """
    if states_of(model):
        return None
    field = receptive_field_of(float_model, NAME)
    margin = longest = LONGEST if field is None else min(LONGEST, max(field))  # more than the field never helps
    if most_frames is not None:
        longest = min(longest, max(lookahead, (most_frames - frames) // 2))
    int8 = MaskModel(model, NAME)
    closeness = FidelityScorer(_whole(MaskModel(float_model, NAME), margin), list(_subset(segments, frames)), stft)
    whole = _fidelity(closeness, _whole(int8, margin))
    if not closeness.references or not np.isfinite(whole):
        return None

    @cache
    def of_patches(lookahead: int) -> float:
        return _fidelity(
            closeness, _in_patches(int8, Patches(min(frames, SEGMENT_FRAMES // 2), lookahead, mirrored=False))
        )

    needed = _needed_lookahead(of_patches, lookahead, longest, _goal(whole))
    return LengthAdvice(
        field, frames, lookahead, of_patches(lookahead), whole, needed, of_patches(needed), max(lookahead, longest),
        most_frames if longest < margin else None,
    )  # fmt: skip


def log_advice(advice: LengthAdvice | None, remedy: str = STREAM_REMEDY) -> None:
    """Warn where another length is better, or say that the look-ahead is enough; nothing to tell of None.

    Parameters
    ----------
    remedy : what helps where no look-ahead does.
    """
    if advice is None:
        return
    key = f"lookahead_frames: {advice.lookahead}"
    patches, whole = f"{advice.closeness:.1f} dB", f"{advice.whole:.1f}"
    length = f"quantization.static_sequence_length: {advice.static_length}"
    new = pluralize(advice.frames, "new frame")
    if advice.is_enough:
        less = f"; {advice.needed} would do: {advice.needed_closeness:.1f} with {length} ({new})"
        log.debug(
            "%s is enough: SI-SNR of the clips denoised in patches to the float model's is %s, %s uncut%s",
            key, patches, whole, less if advice.needed < advice.lookahead else "",
        )  # fmt: skip
    elif advice.needed > advice.lookahead:
        log.warning(
            "%s is less than the receptive field (%s): SI-SNR of the clips denoised in patches to the float model's is "
            "%s instead of %s; %s with lookahead_frames: %d gives %.1f (%s)%s",
            key, _field_text(advice.field), patches, whole, length, advice.needed, advice.needed_closeness, new,
            _limit_text(advice) if advice.needed_closeness < _goal(advice.whole) else "",
            extra={"about": LOOK_AHEAD},
        )  # fmt: skip
    else:
        log.warning(
            "%s: SI-SNR of the clips denoised in patches to the float model's is %s instead of %s, and no look-ahead "
            "of up to %s brings it up%s; %s",
            key, patches, whole, pluralize(advice.longest, "frame"), _limit_text(advice), remedy,
            extra={"about": LOOK_AHEAD},
        )  # fmt: skip


def _field_text(field: tuple[int, int] | None) -> str:
    return "no bound of it was found" if field is None else f"{field[0]} before, {field[1]} after"


def _limit_text(advice: LengthAdvice) -> str:
    """Why no longer look-ahead was tried, where that is the device."""
    return "" if advice.most_frames is None else f"; the device takes {advice.most_frames} frames at most"


def _goal(whole: float) -> float:
    """The closeness that patches should have."""
    return min(whole, INAUDIBLE) - TOLERANCE


# -- searching -------------------------------------------------------------------------------------------


def _needed_lookahead(of_patches: Callable[[int], float], lookahead: int, longest: int, goal: float) -> int:
    """The smallest good look-ahead. Longer ones cost more to try: they are tried last, and only if they must be."""
    if of_patches(lookahead) >= goal:
        return _smallest(of_patches, -1, lookahead, goal)
    low = high = lookahead
    while of_patches(high) < goal and high < longest:
        low, high = high, min(longest, max(4, 2 * high))
    if of_patches(high) < goal:  # the longest does not reach it either, and has to do as the measure
        low, goal = lookahead, of_patches(high) - TOLERANCE
        if of_patches(lookahead) >= goal:
            return lookahead
    return _smallest(of_patches, low, high, goal)


def _smallest(of_patches: Callable[[int], float], low: int, high: int, goal: float) -> int:
    """The smallest good look-ahead above `low`, which is not good, up to `high`, which is; by bisection."""
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if of_patches(middle) >= goal else (middle, high)
    return high


# -- measuring -------------------------------------------------------------------------------------------


def _subset(segments: Sequence[Segment], frames: int) -> Iterator[Segment]:
    """A few of the segments, evenly spread; fewer where patches are so short that most frames are context."""
    count = min(SEGMENTS, max(2, frames // 2))
    for segment in segments[:: max(1, -(-len(segments) // count))]:
        yield segment.part(slice(SEGMENT_FRAMES))


def _whole(model: MaskModel, margin: int) -> Callable[[np.ndarray], np.ndarray]:
    """Masks of a segment between `margin` frames of zeros, as patches see it, and not the layers' own padding."""

    def masks(magnitude: np.ndarray) -> np.ndarray:
        padded = np.pad(magnitude, [(0, 0), (0, 0), (margin, margin)])
        return model(padded)[:, :, margin : margin + magnitude.shape[2]]

    return masks


def _in_patches(model: MaskModel, patches: Patches) -> Callable[[np.ndarray], np.ndarray]:
    """Masks of a segment that is cut into patches."""

    def masks(magnitude: np.ndarray) -> np.ndarray:
        stream = MaskStream(model, patches, magnitude.shape[1])
        ones = np.ones(magnitude.shape[1:], np.complex64)  # a spectrum whose masked one is the mask
        masked = np.concatenate([stream.push(ones, magnitude[0]), stream.finish()], axis=1)
        return masked.real[np.newaxis]

    return masks


def _fidelity(closeness: FidelityScorer, masks: Callable[[np.ndarray], np.ndarray]) -> float:
    with np.errstate(over="ignore"):  # masks that agree to the last bit
        return closeness(masks)
