"""Sound inside the page: FLAC as data URIs, as long as there is room for."""

from __future__ import annotations

import io
from collections.abc import Mapping

import numpy as np
import soundfile

from sezoo.report.images import data_uri

__all__ = ["MOST_BYTES", "flac", "flac_uri", "seconds_that_fit"]

MOST_BYTES = 2_300_000
"""Of all sounds of a page, before base64 makes four bytes of three; less where the rest of the page is large."""

SHORTEST = 2.0
"""Seconds below which a clip is not shortened."""


def flac(waveform: np.ndarray, sample_rate: int) -> bytes:
    """A waveform (samples,) float32 as a FLAC file of 16 bits."""
    file = io.BytesIO()
    soundfile.write(file, np.clip(waveform, -1, 1), sample_rate, format="FLAC", subtype="PCM_16")
    return file.getvalue()


def flac_uri(waveform: np.ndarray, sample_rate: int) -> str:
    """Return the FLAC file as a data URI."""
    return data_uri(flac(waveform, sample_rate), "audio/flac")


def seconds_that_fit(clips: Mapping[str, tuple[float, int]], most: float) -> float:
    """The length to which clips are cut, so that they have room together; infinite where they have it as they are.

    Parameters
    ----------
    clips : seconds and bytes of all versions of each clip.
    """

    def size(seconds: float) -> float:
        return sum(total * min(1.0, seconds / length) for length, total in clips.values())

    if size(float("inf")) <= most:
        return float("inf")
    seconds = max(length for length, _ in clips.values())
    while size(seconds) > most and seconds > SHORTEST:
        seconds *= 0.95
    return seconds
