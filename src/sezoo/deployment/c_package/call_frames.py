"""How a call of the C package goes through the frames: as a stream, or in patches."""

from __future__ import annotations

from dataclasses import dataclass

from sezoo.audio.stft import Stft
from sezoo.denoising.latency import delay_samples, latency_samples

__all__ = ["Engine"]


@dataclass(frozen=True)
class Engine:
    """How a call goes through the frames.

    Attributes
    ----------
    is_stream : every frame is computed once; else whole patches are.
    new : frames of a call, whose samples go in and come out.
    lookahead : frames by which the masks lag behind the newest frame.
    """

    is_stream: bool
    new: int
    lookahead: int

    @property
    def frames_computed(self) -> int:
        """Frames that the network computes in a call."""
        return self.new if self.is_stream else self.new + 2 * self.lookahead

    @property
    def frames_buffered(self) -> int:
        """Frames whose samples are buffered in a call, the oldest first."""
        return self.new + self.lookahead if self.is_stream else self.frames_computed

    @property
    def first_computed(self) -> int:
        """The first of the buffered frames that the network computes."""
        return self.frames_buffered - self.frames_computed

    @property
    def first_output(self) -> int:
        """The first of the buffered frames that are output in this call."""
        return 0 if self.is_stream else self.lookahead

    @property
    def first_mask(self) -> int:
        """The row of the mask for the first output frame."""
        return 0 if self.is_stream else self.lookahead

    def ring_offset(self, stft: Stft) -> int:
        """Offset in samples at which ST's application writes to its output ring."""
        return 0 if self.is_stream else (stft.n_fft - stft.win_length) // 2

    def delay(self, stft: Stft) -> int:
        """Samples by which the output lags behind the input."""
        return delay_samples(self.lookahead, stft, patches=not self.is_stream)

    def latency(self, stft: Stft) -> int:
        """Samples from the arrival of a sample to its output, a call's block among them."""
        return latency_samples(self.lookahead, self.new, stft, patches=not self.is_stream)
