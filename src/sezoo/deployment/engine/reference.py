"""What a C package makes of a recording, computed in numpy."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from sezoo.audio.stft import Stft
from sezoo.denoising.board import BoardStream
from sezoo.denoising.masking import dry_share
from sezoo.denoising.modes import Board, Stream
from sezoo.denoising.stream_engine import EngineStream
from sezoo.deployment.engine.arithmetic import ONNXRUNTIME, Arithmetic
from sezoo.deployment.engine.integer_graph import IntegerGraph
from sezoo.deployment.engine.interpreter import run_graph
from sezoo.deployment.engine.stream_plan import stream_masks, stream_plan
from sezoo.models.input_quantizer import InputQuantizer
from sezoo.models.spectra import COMPLEX_SPECTRUM

__all__ = ["IntegerMasks", "denoised_in_patches", "denoised_in_stream"]


@dataclass
class IntegerMasks:
    """An integer graph as a `MaskFunction`, which takes patches one by one."""

    graph: IntegerGraph
    path: Path
    arithmetic: Arithmetic = ONNXRUNTIME
    batch: int | None = 1
    input_quantizer: InputQuantizer | None = None
    stateful: bool = False

    @property
    def kind(self) -> str:
        """What goes in and what comes out."""
        return self.graph.kind

    @property
    def frames(self) -> int:
        """Of a call."""
        return self.graph.frames

    def __call__(self, magnitude: np.ndarray) -> np.ndarray:
        """(1, bins, frames) float32 or complex64 to what the graph's kind says, of that shape."""
        return run_graph(self.graph, magnitude[0], self.arithmetic)[np.newaxis]


def denoised_in_patches(
    graph: IntegerGraph,
    path: Path,
    wave: np.ndarray,
    stft: Stft,
    play: Board,
    arithmetic: Arithmetic = ONNXRUNTIME,
) -> np.ndarray:
    """A clip as the patch engine denoises it, its delay taken out: (samples,) float32 to the same length."""
    stream = BoardStream(IntegerMasks(graph, path, arithmetic), stft, play)
    return np.concatenate([stream.push(wave), stream.finish()])


FRAMES_AT_ONCE = 64
"""Of a call here: a stream's masks are the same for calls of any length, and long ones take numpy less time."""


@dataclass
class _StreamMasks:
    """Masks of an integer graph, computed call by call when all frames are there."""

    graph: IntegerGraph
    arithmetic: Arithmetic
    attenuation_limit: float | None
    spectra: list[np.ndarray] = field(default_factory=list)
    given: list[np.ndarray] = field(default_factory=list)

    def push(self, spectrum: np.ndarray, magnitude: np.ndarray) -> np.ndarray:
        """Keep the frames."""
        self.spectra.append(spectrum)
        self.given.append(spectrum if self.graph.is_complex else magnitude)
        return spectrum[:, :0]

    def finish(self) -> np.ndarray:
        """Those that have a mask, times it: the network lags behind the last of them."""
        lag = stream_plan(self.graph).lag[self.graph.result.name]
        given, spectrum = (np.concatenate(each, axis=1) for each in (self.given, self.spectra))
        count = spectrum.shape[1]
        whole_calls = np.pad(given, [(0, 0), (0, -count % FRAMES_AT_ONCE)])
        masks = np.concatenate(list(stream_masks(self.graph, whole_calls, FRAMES_AT_ONCE, self.arithmetic)), axis=1)
        masks = masks[:, lag:count]
        spectrum = spectrum[:, : masks.shape[1]]
        made = masks if self.graph.kind == COMPLEX_SPECTRUM else spectrum * masks
        if self.attenuation_limit is None:
            return made
        dry = dry_share(self.attenuation_limit)
        return dry * spectrum + (np.float32(1) - dry) * made


def denoised_in_stream(
    graph: IntegerGraph,
    wave: np.ndarray,
    stft: Stft,
    frames: int,
    silence_threshold: float | None = None,
    arithmetic: Arithmetic = ONNXRUNTIME,
    *,
    attenuation_limit: float | None = None,
) -> np.ndarray:
    """A clip as the stream engine denoises it, its delay taken out: (samples,) float32 to the same length.

    Parameters
    ----------
    frames : of a call; the result depends on it where there is a gate alone.
    silence_threshold : in dBFS, below which a call's output is muted; None where there is no gate.
    attenuation_limit : in dB, what is taken away at most; None for no limit.
    """
    lag = stream_plan(graph).lag[graph.result.name]
    play = Stream((0, lag), frames, silence_threshold)
    stream = EngineStream(_StreamMasks(graph, arithmetic, attenuation_limit), stft, play)
    return np.concatenate([stream.push(wave), stream.finish()])
