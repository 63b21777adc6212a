"""The test vectors of a package: magnitudes of consecutive process() calls, and the masks expected for them.

For a complex network both are stored as real and imaginary parts.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from sezoo.deployment.c_package.program import Program
from sezoo.deployment.engine.arithmetic import ONNXRUNTIME, Arithmetic
from sezoo.deployment.engine.interpreter import run_graph
from sezoo.deployment.engine.prologue import rows_of
from sezoo.deployment.engine.stream_plan import frames_behind_a_mask, stream_masks

__all__ = ["MAGNITUDES", "MASKS", "masks_that_check", "vector_calls", "vector_masks", "write_vectors"]

MAGNITUDES, MASKS = "magnitudes.f32", "masks.f32"
"""File names; the content is float32, frame by frame, in the layout of `rows_of`."""

CALLS, FRAMES = 3, 8
"""Minimum number of calls, and of frames whose masks depend only on the magnitudes, not on the initial state."""


def vector_calls(program: Program, waveform: np.ndarray) -> list[np.ndarray]:
    """Return the input of consecutive calls, (bins, frames that a call computes) each, from a recording's loudest part.

    A stream gets enough calls for its masks to become independent of the initial state, and at least `FRAMES` frames
    more.

    Parameters
    ----------
    waveform : (samples,) float32; a recording that is too short is repeated.
    """
    engine, stft = program.engine, program.stft
    spectrum = stft.analyse(waveform)
    given = spectrum if program.graph.is_complex else stft.magnitude(spectrum)
    calls = max(CALLS, -(-(_frames_to_fill(program) + FRAMES) // engine.new))
    frames = (calls - 1) * engine.new + engine.frames_computed
    power = np.cumsum(np.append(0, np.square(np.abs(given), dtype=np.float64).sum(axis=0)))
    first = int(np.argmax(power[frames:] - power[:-frames])) if len(power) > frames else 0
    starts = first + engine.new * np.arange(calls)
    return [np.take(given, np.arange(start, start + engine.frames_computed), axis=1, mode="wrap") for start in starts]


def vector_masks(
    program: Program, calls: Sequence[np.ndarray], arithmetic: Arithmetic = ONNXRUNTIME
) -> list[np.ndarray]:
    """Return the masks of each call: (bins, new frames) float32, or complex64."""
    graph, engine = program.graph, program.engine
    if engine.is_stream:
        return list(stream_masks(graph, np.concatenate(calls, axis=1), engine.new, arithmetic))
    kept = slice(engine.first_mask, engine.first_mask + engine.new)
    return [run_graph(graph, call, arithmetic)[:, kept] for call in calls]


def masks_that_check(program: Program, masks: Sequence[np.ndarray]) -> int:
    """Return the number of masks that reveal whether a build reads its input; 0 if the masks do not depend on it.

    The first masks of a stream are not counted, as they depend on its initial state. The frames of a patch differ by
    their distance to its edges, so masks of different calls are compared.
    """
    if program.engine.is_stream:
        settled = np.concatenate(masks, axis=1)[:, _frames_to_fill(program) :]
        return settled.shape[1] if np.any(settled != settled[:, :1]) else 0
    return sum(mask.shape[1] for mask in masks) if any(np.any(mask != masks[0]) for mask in masks) else 0


def _frames_to_fill(program: Program) -> int:
    """Return the number of frames after which a stream's state depends only on its input."""
    return frames_behind_a_mask(program.graph) if program.engine.is_stream else 0


def write_vectors(calls: Sequence[np.ndarray], masks: Sequence[np.ndarray], folder: Path) -> None:
    """Write the two files into an existing folder."""
    for name, values in ((MAGNITUDES, calls), (MASKS, masks)):
        frames = np.concatenate([rows_of(value) for value in values])
        (folder / name).write_bytes(frames.astype("<f4").tobytes())
