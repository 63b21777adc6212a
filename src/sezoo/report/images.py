"""Spectrograms and masks as small PNG images with a palette, inside the page."""

from __future__ import annotations

import base64
import io
from functools import cache

import numpy as np

from sezoo.audio.stft import Stft

__all__ = ["MOST_COLUMNS", "data_uri", "mask_error_image", "mask_image", "palette_png", "spectrogram_image"]

DYNAMIC_RANGE_DB = 70
LEVELS = 32
MOST_COLUMNS, MOST_ROWS = 560, 129
ERROR_STOPS = ("#6db8ff", "#2f6fb0", "#111418", "#c06a1c", "#ffc05e")
"""Blue: less than in float; orange: more; dark: equal."""


def spectrogram_image(waveform: np.ndarray, stft: Stft, loudest_db: float) -> str:
    """The spectrogram of a waveform (samples,) float32 as data URI: `DYNAMIC_RANGE_DB` below `loudest_db`."""
    power = np.square(np.abs(stft.analyse(waveform)))
    level = 10 * np.log10(_downsample(power) + 1e-12)
    return data_uri(palette_png(_levels(1 + (level - loudest_db) / DYNAMIC_RANGE_DB), _palette("magma")))


def mask_image(mask: np.ndarray) -> str:
    """A mask (bins, frames), 0 to 1, as data URI."""
    return data_uri(palette_png(_levels(_downsample(mask.astype(np.float32))), _palette("viridis")))


def mask_error_image(error: np.ndarray, limit: float) -> str:
    """A mask minus the float model's (bins, frames), -limit to limit, as data URI."""
    return data_uri(palette_png(_levels(0.5 + _downsample(error) / (2 * limit)), _error_palette()))


def data_uri(content: bytes, kind: str = "image/png") -> str:
    """A file as an address that holds it."""
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"


def palette_png(indices: np.ndarray, palette: np.ndarray) -> bytes:
    """A PNG file of an image with a palette.

    Parameters
    ----------
    indices : (rows, columns) uint8, the first row on top.
    palette : (colours, 3) uint8
    """
    from PIL import Image

    image = Image.fromarray(indices, "P")
    image.putpalette(palette.tobytes())
    content = io.BytesIO()
    image.save(content, "PNG", optimize=True)
    return content.getvalue()


def _levels(values: np.ndarray) -> np.ndarray:
    """Values from 0 to 1 (rows, columns) as indices, low frequencies at the bottom."""
    return np.clip(values * LEVELS, 0, LEVELS - 1).astype(np.uint8)[::-1]


def _downsample(values: np.ndarray) -> np.ndarray:
    """Means of neighbours, so that at most `MOST_ROWS` by `MOST_COLUMNS` are left."""
    for axis, most in ((0, MOST_ROWS), (1, MOST_COLUMNS)):
        count = values.shape[axis]
        if count > most:
            starts = np.arange(most) * count // most
            sums = np.add.reduceat(values, starts, axis=axis)
            widths = np.diff([*starts, count])
            values = sums / (widths[:, np.newaxis] if axis == 0 else widths)
    return values


@cache
def _palette(name: str) -> np.ndarray:
    import matplotlib as mpl

    return (mpl.colormaps[name](np.linspace(0, 1, LEVELS))[:, :3] * 255).round().astype(np.uint8)


@cache
def _error_palette() -> np.ndarray:
    from matplotlib.colors import LinearSegmentedColormap

    colours = LinearSegmentedColormap.from_list("error", ERROR_STOPS)
    return (colours(np.linspace(0, 1, LEVELS))[:, :3] * 255).round().astype(np.uint8)
