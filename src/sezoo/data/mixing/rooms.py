"""Reverberation: impulse responses from a formula, from the image method, or recorded by the user."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from sezoo.base.errors import UserError
from sezoo.data.mixing.recordings import Recordings

__all__ = [
    "Rooms",
    "check_image_responses",
    "convolve_with_room",
    "exponential_response",
    "image_response",
    "recorded_response",
]

DIRECT_TO_REVERBERANT_DB = (-3.0, 12.0)
"""Of the responses made by formula: from the far end of a living room to an arm's length."""

FIRST_REFLECTION = 0.002
"""Seconds from the direct sound to the first reflection of those, a detour of 0.7 m."""

DAMPED_HERTZ = (2000.0, 8000.0)
"""Above this corner frequency, drawn uniformly, walls and air swallow more of what reverberates."""

ROOM_METRES = ((3.0, 10.0), (3.0, 8.0), (2.4, 4.0))
"""Length, width and height of the rooms of mirror images."""

FROM_WALLS = 0.5
"""Metres that a mouth and a microphone keep from all walls."""

MOST_IMAGES = 12
"""Reflections that a mirror image may have gone through; what comes later is quiet."""

ONSET_DB = 20.0
"""The direct sound of a recorded response is its first sample that is at most so far below the loudest one."""


class Rooms(NamedTuple):
    """Source of impulse responses, and how much of them counts as speech.

    Attributes
    ----------
    make : a response (samples,) float32 for a sample rate, a reverberation time in seconds and random numbers.
    seconds : shortest and longest reverberation time, drawn uniformly; of no use for recorded responses.
    early : seconds after the direct sound up to which reflections belong to the speech that is to be kept.
    """

    make: Callable[[int, float, np.random.Generator], np.ndarray]
    seconds: tuple[float, float]
    early: float

    def reverberate(
        self, speech: np.ndarray, sample_rate: int, random: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """Reverberate speech in a random room: complete, and with early reflections only; see `convolve_with_room`."""
        response = self.make(sample_rate, random.uniform(*self.seconds), random)
        return convolve_with_room(speech, response, round(self.early * sample_rate))


def convolve_with_room(speech: np.ndarray, response: np.ndarray, early: int) -> tuple[np.ndarray, np.ndarray]:
    """Convolve speech with a room response, in full and with its early part only.

    Reflections within some 50 ms help to understand speech, as Lochner and Burger, "The influence of reflections on
    auditorium acoustics", 1964, found; later ones disturb. A network that is to keep the early ones has a target
    that a mask can reach.

    Parameters
    ----------
    speech : (samples,) float32
    response : (any length,) float32, the direct sound in front of `early` samples of early reflections.

    Returns
    -------
    reverberant, target : (samples,) float32 each; neither is delayed: the direct sound is where the speech was.
    """
    from scipy.signal import fftconvolve  # half a second, for all who mix

    onset = _onset(response)
    response = response[onset:] / np.float32(np.abs(response[onset : onset + 1 + early]).max())
    samples = len(speech)
    return tuple(fftconvolve(speech, part)[:samples].astype(np.float32) for part in (response, response[: early + 1]))


def _onset(response: np.ndarray) -> int:
    magnitude = np.abs(response)
    return int(np.argmax(magnitude >= magnitude.max() * 10 ** (-ONSET_DB / 20)))


def exponential_response(sample_rate: int, seconds: float, random: np.random.Generator) -> np.ndarray:
    """A direct sound, and noise after it that falls by 60 dB within the reverberation time (Polack, 1988).

    Parameters
    ----------
    seconds : the reverberation time.
    random : how loud the reverberation is beside the direct sound, how it is damped, and its noise are drawn from it.

    Returns
    -------
    response : (samples,) float32, as long as the reverberation time.
    """
    from scipy.signal import lfilter

    ratio = random.uniform(*DIRECT_TO_REVERBERANT_DB)
    corner = min(random.uniform(*DAMPED_HERTZ), 0.45 * sample_rate)
    samples = max(2, round(seconds * sample_rate))
    first = min(round(FIRST_REFLECTION * sample_rate), samples - 1)
    time = np.arange(samples) / sample_rate
    tail = random.standard_normal(samples) * 10 ** (-3 * time / seconds)
    pole = np.exp(-2 * np.pi * corner / sample_rate)
    tail = lfilter([1 - pole], [1, -pole], tail)
    tail[:first] = 0
    tail *= 10 ** (-ratio / 20) / np.sqrt(np.sum(tail**2))
    tail[0] = 1
    return tail.astype(np.float32)


def image_response(sample_rate: int, seconds: float, random: np.random.Generator) -> np.ndarray:
    """The response between a mouth and a microphone in a random cuboid, by mirror images.

    Allen and Berkley, "Image method for efficiently simulating small-room acoustics", 1979, as `pyroomacoustics` has
    it. It takes some ten milliseconds.

    Parameters
    ----------
    seconds : the reverberation time by Sabine's formula; as long a one as a room of that size can have.

    Raises
    ------
    UserError : `pyroomacoustics` is not there.
    """
    check_image_responses()
    import pyroomacoustics

    size = np.array([random.uniform(*ends) for ends in ROOM_METRES])
    try:
        absorption, images = pyroomacoustics.inverse_sabine(seconds, size)
    except ValueError:  # so short in a room so large that the walls would have to swallow more than all
        absorption, images = 0.99, 1
    room = pyroomacoustics.ShoeBox(
        size, fs=sample_rate, materials=pyroomacoustics.Material(absorption), max_order=min(images, MOST_IMAGES)
    )
    for add in (room.add_source, room.add_microphone):
        add(random.uniform(FROM_WALLS, size - FROM_WALLS))
    room.compute_rir()
    return room.rir[0][0].astype(np.float32)


def check_image_responses() -> None:
    """Check that there can be `image_response`.

    Raises
    ------
    UserError : `pyroomacoustics` is not there.
    """
    try:
        import pyroomacoustics  # noqa: F401
    except ImportError as error:
        raise UserError(
            f"dataset.rooms: image needs pyroomacoustics: pip install 'sezoo[rooms]', or take exponential ({error})"
        ) from error


def recorded_response(responses: Recordings) -> Callable[[int, float, np.random.Generator], np.ndarray]:
    """Function that draws one of the user's responses, whatever its reverberation time."""

    def draw(sample_rate: int, seconds: float, random: np.random.Generator) -> np.ndarray:
        return responses.samples(int(random.integers(len(responses))))

    return draw
