"""A noisy recording and the clean speech in it, read together: sample by sample as long as each other."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sezoo.audio.clip import BadClipError, read_clip
from sezoo.audio.stft import Stft

__all__ = ["Pair", "common_length", "normalized_alike", "read_pair"]


@dataclass(frozen=True)
class Pair:
    """A noisy recording and the clean speech in it, sample by sample; None where there is none."""

    noisy: Path
    clean: Path | None
    label: str = ""

    @property
    def name(self) -> str:
        """What stands for the pair: the noisy file's name, or the label where that would not tell pairs apart."""
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
    """The samples that both clips of a pair have, of so many each at `sample_rate`.

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


def normalized_alike(noisy: np.ndarray, clean: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both scaled so that the noisy clip, which is not silent, has a peak of 1: the mask from one to the other stays.

    Parameters
    ----------
    noisy, clean : (samples,) float32 each.
    """
    peak = np.abs(noisy).max()
    return noisy / peak, clean / peak
