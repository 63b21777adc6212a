"""Frames per process() call of the C package, for the stream engine and the patch engine."""

from __future__ import annotations

from dataclasses import dataclass

from sezoo.audio.stft import Stft
from sezoo.denoising.latency import delay_samples, latency_samples

__all__ = ["Engine"]


@dataclass(frozen=True)
class Engine:
    """Layout of the frames of a process() call.

    Attributes
    ----------
    is_stream : True if every frame is computed once, False if every call computes a whole patch.
    new : number of new frames per call, the number of hops of samples that go in and come out.
    lookahead : number of frames by which the masks lag behind the newest frame.
    """

    is_stream: bool
    new: int
    lookahead: int

    @property
    def frames_computed(self) -> int:
        """Number of frames that the network computes in one process() call."""
        return self.new if self.is_stream else self.new + 2 * self.lookahead

    @property
    def frames_buffered(self) -> int:
        """Number of frames whose samples are buffered, the oldest first."""
        return self.new + self.lookahead if self.is_stream else self.frames_computed

    @property
    def first_computed(self) -> int:
        """Index, among the buffered frames, of the first one that the network computes."""
        return self.frames_buffered - self.frames_computed

    @property
    def first_output(self) -> int:
        """Index, among the buffered frames, of the first one that this call outputs."""
        return 0 if self.is_stream else self.lookahead

    @property
    def first_mask(self) -> int:
        """Row of the mask that belongs to the first output frame."""
        return 0 if self.is_stream else self.lookahead

    def ring_offset(self, stft: Stft) -> int:
        """Return the offset in samples at which ST's application writes to its output ring."""
        return 0 if self.is_stream else (stft.n_fft - stft.win_length) // 2

    def delay(self, stft: Stft) -> int:
        """Return the number of samples by which the output lags behind the input."""
        return delay_samples(self.lookahead, stft, patches=not self.is_stream)

    def latency(self, stft: Stft) -> int:
        """Return the number of samples from the arrival of a sample to its output, including the block of one call."""
        return latency_samples(self.lookahead, self.new, stft, patches=not self.is_stream)
