"""What a C package makes of a recording, computed in numpy."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from sezoo.denoise.board import BoardStream, from_int16, to_int16
from sezoo.denoise.plays import Board
from sezoo.deployment.integer_graph import IntegerGraph
from sezoo.deployment.interpreter import run_graph
from sezoo.deployment.stream_plan import stream_masks, stream_plan
from sezoo.input_quantizer import InputQuantizer
from sezoo.spectrum import Stft

__all__ = ["denoised_in_patches", "denoised_in_stream"]


@dataclass
class _IntegerMasks:
    """An integer graph as a `MaskFunction`."""

    graph: IntegerGraph
    path: Path
    batch: int | None = 1
    input_quantizer: InputQuantizer | None = None
    stateful: bool = False

    @property
    def frames(self) -> int:
        """Of a call."""
        return self.graph.frames

    def __call__(self, magnitude: np.ndarray) -> np.ndarray:
        """(1, bins, frames) float32 to a mask of that shape."""
        return run_graph(self.graph, magnitude[0])[np.newaxis]


def denoised_in_patches(graph: IntegerGraph, path: Path, wave: np.ndarray, stft: Stft, play: Board) -> np.ndarray:
    """A clip as the patch engine denoises it, its delay taken out: (samples,) float32 to the same length."""
    stream = BoardStream(_IntegerMasks(graph, path), stft, play)
    return np.concatenate([stream.push(wave), stream.finish()])


def denoised_in_stream(graph: IntegerGraph, wave: np.ndarray, stft: Stft, frames: int) -> np.ndarray:
    """A clip as the stream engine denoises it, its delay taken out: (samples,) float32 to the same length.

    The last sample of frame n is the last one of hop n, so that no frame waits for more samples than it has.

    Parameters
    ----------
    frames : of a call; the result does not depend on it.
    """
    hop, early = stft.hop_length, stft.win_length - stft.hop_length
    margin = (stft.n_fft - stft.win_length) // 2
    lag = stream_plan(graph).lag[graph.result.name]
    # Frames until the last sample's last one has its mask, in whole calls.
    count = -(-(len(wave) + early) // hop)
    calls = -(-(count + lag) // frames)
    samples = np.zeros(calls * frames * hop, np.float32)
    samples[: len(wave)] = from_int16(to_int16(wave))
    transform = replace(stft, center=False)
    spectrum = transform.analyse(np.pad(samples, (early + margin, stft.n_fft - stft.win_length - margin)))
    masks = np.concatenate(list(stream_masks(graph, stft.magnitude(spectrum), frames)), axis=1)[:, lag:]
    wave_out, weight = transform.overlap_added(spectrum[:, : masks.shape[1]] * masks)
    first = margin + early
    denoised = transform.normalised(wave_out, weight)[first : first + len(wave)]
    return from_int16(to_int16(denoised))
