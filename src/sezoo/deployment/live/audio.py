"""Live denoising of microphone audio with an ONNX model, run like the C package's stream engine."""

from __future__ import annotations

import logging
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from sezoo.audio.stft import stft_of
from sezoo.config.sections import Config
from sezoo.denoising.call_stream import CallStream
from sezoo.denoising.latency import latency_ms
from sezoo.denoising.modes import Stream
from sezoo.denoising.run_models import STREAM, models_of
from sezoo.models.contract import warn_of_magnitudes
from sezoo.models.source import open_model
from sezoo.run.run import Run
from sezoo.run.tracking import Trackers

__all__ = ["LiveModel", "Reading", "live_model"]

log = logging.getLogger(__name__)

TRIALS = 5
"""Warm-up calls, as the first ones of onnxruntime take longer."""


@dataclass(frozen=True)
class Reading:
    """Measurements since the previous reading, for display.

    Attributes
    ----------
    noisy, denoised : mean-square level in dBFS (a full-scale sine has -3 dBFS); None for digital silence.
    load, longest : computing time over audio duration, on average and for the longest call so far.
    """

    noisy: float | None
    denoised: float | None
    load: float
    longest: float
    calls: int


@dataclass
class _Sums:
    noisy: float = 0.0
    denoised: float = 0.0
    seconds: float = 0.0
    calls: int = 0


@dataclass
class LiveModel:
    """A denoiser of live audio that measures levels and load.

    Attributes
    ----------
    latency_ms : algorithmic latency in ms, without the buffers of the audio devices.
    """

    stream: CallStream
    rate: int
    latency_ms: float
    calls: int = 0
    seconds: float = 0.0
    longest: float = 0.0
    _recent: _Sums = field(default_factory=_Sums)

    @property
    def samples(self) -> int:
        """Number of samples per call."""
        return self.stream.samples

    @property
    def call_seconds(self) -> float:
        """Duration of the audio of a call, in seconds."""
        return self.samples / self.rate

    @property
    def load(self) -> float:
        """Mean load of all calls: computing time over audio duration."""
        return self.seconds / (self.calls * self.call_seconds) if self.calls else 0.0

    def process(self, samples: np.ndarray) -> np.ndarray:
        """Denoise the samples of a call, (samples,) int16; may run in another thread than `read`."""
        began = time.perf_counter()
        denoised = self.stream.process(samples)
        took = time.perf_counter() - began
        recent = self._recent
        recent.noisy += _power(samples)
        recent.denoised += _power(denoised)
        recent.seconds += took
        recent.calls += 1
        self.calls += 1
        self.seconds += took
        self.longest = max(self.longest, took)
        return denoised

    def read(self) -> Reading:
        """Return the measurements since the previous reading."""
        recent, self._recent = self._recent, _Sums()
        calls = max(recent.calls, 1)
        return Reading(
            _decibels(recent.noisy / calls),
            _decibels(recent.denoised / calls),
            recent.seconds / (calls * self.call_seconds),
            self.longest / self.call_seconds,
            self.calls,
        )


def live_model(config: Config) -> LiveModel:
    """Load and warm up the configured model.

    Raises
    ------
    UserError : it is not a valid model, or it cannot run as a stream.
    """
    stft, rate = stft_of(config.preprocessing), config.preprocessing.sample_rate
    with tempfile.TemporaryDirectory(prefix="sezoo_") as scratch:
        chosen = models_of(Run(config, Path(), Trackers()), Path(scratch))[-1]
        mode = chosen.play(STREAM, config)
        assert isinstance(mode, Stream)
        model = open_model(chosen.source_in_pieces(Path(scratch)))
    warn_of_magnitudes(model, stft.bins)
    if not model.stateful and mode.context and mode.context[0] is None:
        log.warning(
            "the network is recurrent, and has no form with states: each call runs ten seconds of its past; --frames "
            "10 makes fewer calls, and sezoo model FILE --streaming shows which node is the reason"
        )
    trial = CallStream(model, stft, mode)
    for _ in range(TRIALS):
        trial.process(np.zeros(trial.samples, np.int16))
    latency = latency_ms(Stream(mode.context, trial.frames), stft, rate)
    return LiveModel(CallStream(model, stft, mode), rate, latency)


def _power(samples: np.ndarray) -> float:
    return float(np.mean(np.square(samples.astype(np.float32) / np.float32(32768))))


def _decibels(power: float) -> float | None:
    return 10 * float(np.log10(power)) if power > 0 else None
