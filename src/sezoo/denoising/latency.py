"""Algorithmic latency of a device: the time from input to output of a sample, without computing time.

A sample waits until its call's block of new frames is complete. The output lags behind the input by what a frame's
window reaches beyond its hop, and by the frames that the network looks ahead. The sum of both is the latency: with one
frame a call and no look-ahead it is a window. Converters and buffers of a device come on top.
"""

from __future__ import annotations

from sezoo.audio.stft import Stft
from sezoo.denoising.modes import InferenceMode, Patches, Stream

__all__ = ["delay_samples", "latency_ms", "latency_samples"]


def delay_samples(lookahead: int, stft: Stft, *, patches: bool = False) -> int:
    """Samples by which a device's output lags behind its input, when both are counted from the first call on.

    Parameters
    ----------
    lookahead : frames by which the masks lag behind the newest frame.
    patches : in the ring of samples of ST's application, which is later by the zeros before the window in a transform.
    """
    late = (stft.n_fft - stft.win_length) // 2 if patches else 0
    return lookahead * stft.hop_length + stft.win_length - stft.hop_length + late


def latency_samples(lookahead: int, frames: int, stft: Stft, *, patches: bool = False) -> int:
    """Samples from the arrival of a sample to its output: the delay, and the block of a call.

    Parameters
    ----------
    frames : new ones of a call.
    """
    return delay_samples(lookahead, stft, patches=patches) + frames * stft.hop_length


def latency_ms(mode: InferenceMode, stft: Stft, sample_rate: int) -> float | None:
    """The latency of an inference mode in milliseconds; None of whole clips, which are not there before their end."""
    if not isinstance(mode, Patches | Stream):
        return None
    samples = latency_samples(mode.lookahead, mode.frames, stft, patches=isinstance(mode, Patches))
    return 1000 * samples / sample_rate
