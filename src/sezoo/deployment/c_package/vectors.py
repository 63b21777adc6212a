"""The test vectors of a package: magnitudes of some calls in a row, and the masks that have to come out of them.

Of a complex network they are real and imaginary parts, of what goes in and of what comes out.
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
"""The files: float32, frame after frame; see `rows_of`."""

CALLS, FRAMES = 3, 8
"""At least so many calls, and frames whose masks depend on the magnitudes alone."""


def vector_calls(program: Program, wave: np.ndarray) -> list[np.ndarray]:
    """What goes into calls in a row, from where a recording has most power: (bins, frames that a call computes) each.

    A stream gets as many as it takes until its masks depend on nothing from before the first call, and some more.

    Parameters
    ----------
    wave : (samples,) float32; a short one is repeated.
    """
    engine, stft = program.engine, program.stft
    spectrum = stft.analyse(wave)
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
    """The masks that come out of each call: (bins, new frames) float32, or complex64."""
    graph, engine = program.graph, program.engine
    if engine.is_stream:
        return list(stream_masks(graph, np.concatenate(calls, axis=1), engine.new, arithmetic))
    kept = slice(engine.first_mask, engine.first_mask + engine.new)
    return [run_graph(graph, call, arithmetic)[:, kept] for call in calls]


def masks_that_check(program: Program, masks: Sequence[np.ndarray]) -> int:
    """How many of the masks show whether a build reads its input; none if they would be the same for any.

    Those of a stream's beginning do not: they depend on what it begins with. Frames of a patch differ from each other
    by how near they are to its edges, so that those of different calls are compared.
    """
    if program.engine.is_stream:
        settled = np.concatenate(masks, axis=1)[:, _frames_to_fill(program) :]
        return settled.shape[1] if np.any(settled != settled[:, :1]) else 0
    return sum(mask.shape[1] for mask in masks) if any(np.any(mask != masks[0]) for mask in masks) else 0


def _frames_to_fill(program: Program) -> int:
    """Frames after which all that a stream keeps comes from its input."""
    return frames_behind_a_mask(program.graph) if program.engine.is_stream else 0


def write_vectors(calls: Sequence[np.ndarray], masks: Sequence[np.ndarray], folder: Path) -> None:
    """Write the two files into a folder that is there."""
    for name, values in ((MAGNITUDES, calls), (MASKS, masks)):
        frames = np.concatenate([rows_of(value) for value in values])
        (folder / name).write_bytes(frames.astype("<f4").tobytes())
