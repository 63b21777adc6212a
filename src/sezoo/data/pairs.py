"""Pairs of a noisy recording and its clean speech, read with equal length."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sezoo.audio.clip import BadClipError, read_clip
from sezoo.audio.stft import Stft

__all__ = ["Pair", "common_length", "normalize_pair", "read_pair"]


@dataclass(frozen=True)
class Pair:
    """A noisy recording and the clean speech in it, sample by sample; None where there is none."""

    noisy: Path
    clean: Path | None
    label: str = ""

    @property
    def name(self) -> str:
        """Name of the pair: the noisy file's name, or the label if file names are not unique."""
        return self.label or self.noisy.name


def read_pair(pair: Pair, sample_rate: int, stft: Stft) -> tuple[np.ndarray, np.ndarray | None]:
    """Read a pair; where one clip is longer by a hop at most, its end is left out.

    Returns
    -------
    noisy, clean : (samples,) float32 each; clean is None where the pair has none.

    Raises
    ------
    BadClipError : a clip that cannot be used, or lengths that differ by more.
    """
    noisy = read_clip(pair.noisy, sample_rate, min_samples=stft.min_samples)
    if pair.clean is None:
        return noisy, None
    clean = read_clip(pair.clean, sample_rate, min_samples=stft.min_samples)
    samples = common_length(pair, len(noisy), len(clean), sample_rate, stft.hop_length)
    return noisy[:samples], clean[:samples]


def common_length(pair: Pair, noisy: int, clean: int, sample_rate: int, hop_length: int) -> int:
    """Number of samples that both clips of a pair share, given the length of each at `sample_rate`.

    Raises
    ------
    BadClipError : they differ by more than a hop.
    """
    if abs(noisy - clean) > hop_length:
        raise BadClipError(
            pair.clean,
            f"it is {clean} samples long at {sample_rate} Hz, but {pair.noisy} is {noisy}: "
            f"clean and noisy may differ by a hop ({hop_length}) at most",
        )
    return min(noisy, clean)


def normalize_pair(noisy: np.ndarray, clean: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Scale both clips by the noisy clip's peak, which leaves the mask between them unchanged.

    Parameters
    ----------
    noisy, clean : (samples,) float32 each.
    """
    peak = np.abs(noisy).max()
    return noisy / peak, clean / peak
