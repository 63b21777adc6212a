"""Mix speech and noise at a given SNR and level."""

from __future__ import annotations

import numpy as np

__all__ = ["active_power", "mix_at_snr"]

FRAME_SECONDS = 0.02
ACTIVE_RANGE_DB = 30.0
HIGHEST_PEAK = 0.99


def active_power(speech: np.ndarray, sample_rate: int) -> float:
    """Mean power of the 20 ms frames within 30 dB of the loudest one: the speech without its pauses.

    A plain stand-in for the active speech level of ITU-T P.56, as in the demo's recordings: a clip that is half
    pause is mixed at the SNR of its speech.

    Parameters
    ----------
    speech : (samples,) float
    """
    length = max(1, round(FRAME_SECONDS * sample_rate))
    if len(speech) < length:
        return float(np.mean(np.square(speech, dtype=np.float64)))
    frames = speech[: len(speech) // length * length].reshape(-1, length)
    power = np.einsum("ij,ij->i", frames, frames, dtype=np.float64) / length
    return float(power[power >= power.max() * 10 ** (-ACTIVE_RANGE_DB / 10)].mean())


def mix_at_snr(
    speech: np.ndarray, noise: np.ndarray, sample_rate: int, *, snr: float, level: float,
    target: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Add noise to speech.

    Parameters
    ----------
    speech, noise : (samples,) float32, neither silent.
    target : of the speech, what a network is to keep of it; None for the speech itself.
    snr : power of the active speech over the mean power of the noise, in dB.
    level : RMS of the active speech, in dBFS. Where the sum would clip, both are made quieter together.

    Returns
    -------
    noisy, clean : (samples,) float32; clean is the target at the level that the speech has in the sum.
    """
    speech_rms = np.sqrt(active_power(speech, sample_rate))
    noise_rms = np.sqrt(np.mean(np.square(noise, dtype=np.float64)))
    gain = np.float32(10 ** (level / 20) / speech_rms)
    clean = (speech if target is None else target) * gain
    noisy = speech * gain + noise * np.float32(10 ** ((level - snr) / 20) / noise_rms)
    peak = max(np.abs(noisy).max(), np.abs(clean).max())
    if peak > HIGHEST_PEAK:
        gain = np.float32(HIGHEST_PEAK / peak)
        noisy, clean = noisy * gain, clean * gain
    return noisy, clean
