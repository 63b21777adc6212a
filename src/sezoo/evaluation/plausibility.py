"""Scores that hint at a mistake: noisy clips that are late, and a network that makes clips worse."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

import numpy as np

from sezoo.audio.stft import Stft
from sezoo.data.pairs import Pair, read_pair
from sezoo.results.scores import NOISY, Mean

__all__ = ["delay", "warn_of_delay", "warn_of_worse_than_noisy"]

log = logging.getLogger(__name__)

LOOKED_AT = 3
"""Pairs whose delay is measured, where the noisy clips' SI-SNR is suspicious."""

SUSPICIOUS_SI_SNR = -5.0
"""dB; test sets of speech and noise are above."""

LONGEST_DELAY = 1.0
"""Seconds to either side that are searched."""

LEAST_PEAK = 4.0
"""How many times the correlation without a shift that with the shift has to be."""


def warn_of_worse_than_noisy(means: Mapping[str, Mapping[str, Mean]], floats: Mapping[str, str]) -> None:
    """Warn in one line of float models whose denoised clips score below the noisy ones.

    Parameters
    ----------
    means : by version, then by metric.
    floats : of the versions of float models, their labels by their names.
    """
    noisy = means.get(NOISY, {})
    worse: dict[str, str] = {}
    for version, label in floats.items():
        for metric, unit in (("pesq", "PESQ"), ("si_snr", "SI-SNR")):
            found, before = means.get(version, {}).get(metric), noisy.get(metric)
            if found is not None and before is not None and found.value < before.value:
                worse[label] = f"{unit} {found.value:.2f}, noisy {before.value:.2f}"
                break
    if worse:
        log.warning(
            "%s: the denoised clips score below the noisy ones (%s): was the network trained with this preprocessing, "
            "and does it give a mask?",
            ", ".join(worse), next(iter(worse.values())),
        )  # fmt: skip


def warn_of_delay(means: Mapping[str, Mapping[str, Mean]], pairs: Sequence[Pair], sample_rate: int, stft: Stft) -> None:
    """Warn of noisy clips that are shifted against the clean ones, where their SI-SNR is suspiciously low."""
    si_snr = means.get(NOISY, {}).get("si_snr")
    if si_snr is None or si_snr.value > SUSPICIOUS_SI_SNR:
        return
    shifts = [delay(*read_pair(pair, sample_rate, stft), sample_rate) for pair in pairs[:LOOKED_AT]]
    if all(shifts) and max(shifts) - min(shifts) < sample_rate / 100:
        shift = float(np.median(shifts))
        log.warning(
            "the noisy clips are %.0f ms %s than the clean ones (%d samples, SI-SNR %.1f dB): scores of clips that are "
            "not aligned mean nothing",
            1000 * abs(shift) / sample_rate, "later" if shift > 0 else "earlier", abs(shift), si_snr.value,
        )  # fmt: skip


def delay(noisy: np.ndarray, clean: np.ndarray, sample_rate: int, longest: float = LONGEST_DELAY) -> int:
    """Return the delay of a noisy clip after its clean one in samples, by cross-correlation; 0 if it is unclear.

    Parameters
    ----------
    noisy, clean : (samples,) float32
    longest : seconds to either side that are searched.
    """
    samples = min(len(noisy), len(clean))
    size = 2 * samples
    spectra = [np.fft.rfft(waveform[:samples].astype(np.float64), size) for waveform in (noisy, clean)]
    correlation = np.fft.irfft(spectra[0] * np.conj(spectra[1]), size)
    most = min(samples - 1, round(longest * sample_rate))
    shifts = np.arange(-most, most + 1)
    values = np.abs(correlation[shifts])
    best = int(np.argmax(values))
    return int(shifts[best]) if values[best] > LEAST_PEAK * values[most] else 0
