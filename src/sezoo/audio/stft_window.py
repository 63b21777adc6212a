"""STFT windows: by name, as square roots, or from a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sezoo.base.errors import UserError
from sezoo.base.text import closest_match

__all__ = ["FILE_ENDINGS", "SYNTHESIS_KEY", "Window", "overlap_weight", "window_label", "window_values"]

Window = str | tuple[float, ...]
"""A name, the path of a file of numbers, or the numbers themselves."""

COSINE_WINDOWS = {
    "hann": (0.5, 0.5),
    "hamming": (0.54, 0.46),
    "blackman": (0.42, 0.5, 0.08),
    "boxcar": (1.0,),
    "ones": (1.0,),
}
"""Coefficients a_k of sum_k (-1)^k a_k cos(2 pi k n / N): the usual windows without scipy's slow import."""

ROOT = "sqrt_"
"""Before a name: the square root of that window. With it in both directions the products of the two add up to one."""

FILE_ENDINGS = (".npy", ".txt", ".csv")
LARGEST_FILE = 2**24
"""Bytes of a file of numbers."""

KEY, SYNTHESIS_KEY = "preprocessing.window", "preprocessing.synthesis_window"


def window_values(window: Window, length: int, key: str = KEY) -> np.ndarray:
    """The samples of a window.

    Parameters
    ----------
    window : name of a periodic ("fftbins") window, as ``scipy.signal.get_window(window, length)``, or ``sqrt_`` and
        such a name; a file of `length` numbers (.npy, or text with blanks, commas or newlines between them); or the
        numbers.
    key : of the configuration, for messages.

    Returns
    -------
    values : (length,) float64

    Raises
    ------
    UserError : a name that scipy does not know, a file that cannot be read, other values than `length` finite numbers.
    """
    if not isinstance(window, str):
        return _check_window(np.array(window, np.float64), key, length)
    if window.lower().endswith(FILE_ENDINGS):
        path = Path(window).expanduser()
        return _check_window(_read_window(path, key), f"{key}: {path}", length)
    return _named_window(window, length, key)


def window_label(window: Window) -> str:
    """Label of a window in comments and tables: its name, or that it is custom."""
    is_name = isinstance(window, str) and not window.lower().endswith(FILE_ENDINGS)
    return window if is_name else "own"


def overlap_weight(window: np.ndarray, hop_length: int, synthesis: np.ndarray | None = None) -> np.ndarray:
    """The sum of the squared windows of all frames, which overlap-add divides by, over one hop: (hop_length,) float64.

    With a window for the synthesis of its own it is the sum of the products of both. Where it is 0 no frame knows the
    sample; where it is small, errors of the frames come out large.
    """
    count = -(-len(window) // hop_length)
    padded = np.zeros(count * hop_length)
    padded[: len(window)] = np.multiply(window, window if synthesis is None else synthesis, dtype=np.float64)
    return padded.reshape(count, hop_length).sum(axis=0)


def _named_window(name: str, length: int, key: str) -> np.ndarray:
    if name.startswith(ROOT):
        values = _named_window(name.removeprefix(ROOT), length, key)
        if values.min() < -1e-9:
            raise UserError(f"{key}: found {name!r}; {name.removeprefix(ROOT)} has negative values, so it has no root")
        return np.sqrt(np.maximum(values, 0))
    if name in COSINE_WINDOWS:
        phase = 2 * np.pi * np.arange(length) / length
        return sum((-1) ** k * a * np.cos(k * phase) for k, a in enumerate(COSINE_WINDOWS[name]))
    from scipy.signal import get_window, windows  # takes a second to import: only for the unusual windows

    try:
        return get_window(name, length)
    except ValueError as error:
        near = closest_match(name, [*COSINE_WINDOWS, *windows.__all__])
        hint = f" (did you mean {near}?)" if near else ""
        raise UserError(
            f"{key}: {name!r} is no window that scipy.signal.get_window knows by its name{hint}; allowed: hann, "
            f"hamming and such, sqrt_hann and such, a file of numbers ({', '.join(FILE_ENDINGS)}), or a list of numbers"
        ) from error


def _read_window(path: Path, key: str) -> np.ndarray:
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise UserError(f"{key}: {path} is larger than {LARGEST_FILE // 2**20} MiB; a window has a few KB")
        if path.suffix.lower() == ".npy":
            return np.load(path, allow_pickle=False)
        text = path.read_text(encoding="utf-8-sig")
        return np.array(text.replace(",", " ").replace(";", " ").split(), np.float64)
    except OSError as error:
        raise UserError(f"{key}: {path} cannot be read: {error.strerror or error}") from error
    except (ValueError, EOFError, MemoryError) as error:  # a header of .npy may ask for any amount of memory
        raise UserError(f"{key}: {path} is not a file of numbers") from error


def _check_window(values: np.ndarray, what: str, length: int) -> np.ndarray:
    """Values of the user's own, checked."""
    values = values.squeeze() if values.ndim > 1 else values
    if values.dtype.kind not in "fiu" or values.shape != (length,):
        found = f"{values.size} numbers" if values.dtype.kind in "fiu" else f"values of type {values.dtype}"
        raise UserError(
            f"{what}: found {found} of shape {values.shape}; allowed: win_length numbers, which is {length}"
        )
    values = values.astype(np.float64)
    if not np.isfinite(values).all() or not values.any() or np.abs(values).max() > 1e6:
        raise UserError(f"{what}: a window has finite values that are not all 0, up to a million")
    return values
