"""The inference modes: on whole clips as on a PC, and in patches or as a stream as on a device."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["NO_PEAK", "Board", "InferenceMode", "Patches", "Stream", "WholeClip", "is_on_device", "silence_threshold"]


@dataclass(frozen=True)
class WholeClip:
    """The clip at once, every mask seeing all the frames that it depends on.

    Attributes
    ----------
    context : the model's receptive field, (before, after) frames, which lets long clips be run in pieces without
        a difference. None where it has no bound: pieces of a minute then see ten seconds on either side; None for
        `before` alone, of a recurrent model: ten seconds before.
    attenuation_limit : in dB, what is taken away at most, by leaving a share of the input in the output; None is no
        limit. The same of all modes.
    """

    context: tuple[int | None, int] | None = None
    attenuation_limit: float | None = field(default=None, kw_only=True)

    def __str__(self) -> str:
        return f"whole clips{_limit_text(self.attenuation_limit)}"


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
    attenuation_limit: float | None = field(default=None, kw_only=True)

    @property
    def length(self) -> int:
        """Frames of a call of the model."""
        return self.frames + 2 * self.lookahead

    def __str__(self) -> str:
        length = f"patches of {self.frames} new frames with {self.lookahead} frames of look-ahead on each side"
        return length + _limit_text(self.attenuation_limit)


@dataclass(frozen=True)
class Board(Patches):
    """Patches in the board's own stream of int16 samples: ST's application for the STM32N6, or the C package's.

    Attributes
    ----------
    silence_threshold : output patches below this level in dBFS are zeroed; None does not.
    input_gain : the model sees the magnitudes of a loud patch scaled to its peak.
    half_away : the model's int8 input is rounded half away from zero, as C's `roundf` does, and not half to
        even as onnxruntime does.
    program : that runs it, for people.
    """

    mirrored: bool = field(default=False, kw_only=True)
    silence_threshold: float | None = None
    input_gain: bool = True
    half_away: bool = True
    program: str = field(default="ST's N6 application", kw_only=True, compare=False)

    def __str__(self) -> str:
        return f"as {_program_text(self.program)} runs it: {super().__str__()}, {_gate_text(self.silence_threshold)}"

    @property
    def is_sts(self) -> bool:
        """Whether it is ST's application, and not the C package, which rounds as onnxruntime does."""
        return self.half_away


@dataclass(frozen=True)
class Stream:
    """Frame by frame in a stream of int16 samples, as the stream engine of the C package does it.

    Attributes
    ----------
    context : the model's receptive field, (before, after) frames, with None for `before` where the model is recurrent;
        None of models with states, which need none.
    frames : new ones of a call, for the gate alone: nothing else depends on them.
    silence_threshold : calls whose output is below this level in dBFS are zeroed; None does not.
    program : that runs it, for people.
    """

    context: tuple[int | None, int] | None = None
    frames: int = 1
    silence_threshold: float | None = None
    attenuation_limit: float | None = field(default=None, kw_only=True)
    program: str = field(default="C package", kw_only=True, compare=False)

    @property
    def lookahead(self) -> int:
        """Frames by which the masks lag behind the newest frame."""
        return self.context[1] if self.context else 0

    def __str__(self) -> str:
        limit = _limit_text(self.attenuation_limit)
        return f"as {_program_text(self.program)} runs it: as a stream, {_gate_text(self.silence_threshold)}{limit}"


InferenceMode = WholeClip | Patches | Board | Stream


def is_on_device(mode: InferenceMode) -> bool:
    """Whether it is what a device does with a stream of samples, and not what a PC does with a clip."""
    return isinstance(mode, Board | Stream)


def silence_threshold(mode: InferenceMode) -> float | None:
    """The level in dBFS below which its output is muted; None where there is no gate."""
    return mode.silence_threshold if isinstance(mode, Board | Stream) else None


def _program_text(program: str) -> str:
    return f"the {program}" if program[0] == "C" else program


def _limit_text(limit: float | None) -> str:
    return "" if limit is None else f", {limit:g} dB of attenuation at most"


def _gate_text(threshold: float | None) -> str:
    return "no gate" if threshold is None else f"a gate at {threshold:g} dBFS"


NO_PEAK = (
    "preprocessing.peak_normalize: a board processes a stream, whose peak is not known beforehand; as on the board the "
    "model sees recordings at their original level"
)
"""Warning for a board with a model that was trained on clips of equal peak."""
