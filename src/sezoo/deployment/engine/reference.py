"""The C package's processing of a recording, emulated in numpy."""

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

__all__ = ["IntegerMasks", "denoise_in_patches", "denoise_in_stream"]


@dataclass
class IntegerMasks:
    """An integer graph as a `MaskFunction` on single patches."""

    graph: IntegerGraph
    path: Path
    arithmetic: Arithmetic = ONNXRUNTIME
    batch: int | None = 1
    input_quantizer: InputQuantizer | None = None
    stateful: bool = False

    @property
    def kind(self) -> str:
        """Type of input and output, see `IntegerGraph`."""
        return self.graph.kind

    @property
    def frames(self) -> int:
        """Number of frames of a patch."""
        return self.graph.frames

    def __call__(self, magnitude: np.ndarray) -> np.ndarray:
        """Compute the graph's output for a patch (1, bins, frames) float32 or complex64, in the same shape."""
        return run_graph(self.graph, magnitude[0], self.arithmetic)[np.newaxis]


def denoise_in_patches(
    graph: IntegerGraph,
    path: Path,
    waveform: np.ndarray,
    stft: Stft,
    mode: Board,
    arithmetic: Arithmetic = ONNXRUNTIME,
) -> np.ndarray:
    """Denoise a clip as the patch engine does, with its delay removed: (samples,) float32, of the same length."""
    stream = BoardStream(IntegerMasks(graph, path, arithmetic), stft, mode)
    return np.concatenate([stream.push(waveform), stream.finish()])


FRAMES_AT_ONCE = 64
"""Frames per call here: a stream's masks do not depend on it, and numpy is faster with long calls."""


@dataclass
class _StreamMasks:
    """Masks of an integer graph, computed by the stream engine after all frames have arrived."""

    graph: IntegerGraph
    arithmetic: Arithmetic
    attenuation_limit: float | None
    spectra: list[np.ndarray] = field(default_factory=list)
    inputs: list[np.ndarray] = field(default_factory=list)

    def push(self, spectrum: np.ndarray, magnitude: np.ndarray) -> np.ndarray:
        """Buffer the frames; return no output yet."""
        self.spectra.append(spectrum)
        self.inputs.append(spectrum if self.graph.is_complex else magnitude)
        return spectrum[:, :0]

    def finish(self) -> np.ndarray:
        """Return the masked spectrum of all frames that have a mask: all but the lag of the network."""
        lag = stream_plan(self.graph).lag[self.graph.output.name]
        inputs, spectrum = (np.concatenate(each, axis=1) for each in (self.inputs, self.spectra))
        count = spectrum.shape[1]
        whole_calls = np.pad(inputs, [(0, 0), (0, -count % FRAMES_AT_ONCE)])
        masks = np.concatenate(list(stream_masks(self.graph, whole_calls, FRAMES_AT_ONCE, self.arithmetic)), axis=1)
        masks = masks[:, lag:count]
        spectrum = spectrum[:, : masks.shape[1]]
        masked = masks if self.graph.kind == COMPLEX_SPECTRUM else spectrum * masks
        if self.attenuation_limit is None:
            return masked
        dry = dry_share(self.attenuation_limit)
        return dry * spectrum + (np.float32(1) - dry) * masked


def denoise_in_stream(
    graph: IntegerGraph,
    waveform: np.ndarray,
    stft: Stft,
    frames: int,
    silence_threshold: float | None = None,
    arithmetic: Arithmetic = ONNXRUNTIME,
    *,
    attenuation_limit: float | None = None,
) -> np.ndarray:
    """Denoise a clip as the stream engine does, with its delay removed: (samples,) float32, of the same length.

    Parameters
    ----------
    frames : number of frames per process() call; the result depends on it only if there is a silence gate.
    silence_threshold : level in dBFS below which the output of a call is muted; None for no gate.
    attenuation_limit : limit of the attenuation in dB; None for no limit.
    """
    lag = stream_plan(graph).lag[graph.output.name]
    mode = Stream((0, lag), frames, silence_threshold)
    stream = EngineStream(_StreamMasks(graph, arithmetic, attenuation_limit), stft, mode)
    return np.concatenate([stream.push(waveform), stream.finish()])
