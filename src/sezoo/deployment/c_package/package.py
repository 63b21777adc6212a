"""Writing the package: its sources, the generated ones among them, and vectors to check a build with."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path

import numpy as np

from sezoo.deployment.c_package.header import denoiser_header
from sezoo.deployment.c_package.model_source import model_header, model_source
from sezoo.deployment.c_package.program import Engine, Program
from sezoo.deployment.integer_graph import IntegerGraph
from sezoo.deployment.interpreter import run_graph
from sezoo.deployment.stream_plan import stream_masks

__all__ = ["MAGNITUDES", "MASKS", "PackageSettings", "vector_masks", "write_package"]

MAGNITUDES, MASKS = "magnitudes.f32", "masks.f32"
"""The files of the vectors: float32, frame after frame."""


@dataclass(frozen=True)
class PackageSettings:
    """What a package has besides its network.

    Attributes
    ----------
    input_gain : magnitudes of loud calls are scaled to the peak, as ST's application does.
    silence_threshold : in dBFS, below which a call's output is silent; None where there is no gate.
    """

    sample_rate: int
    input_gain: bool
    silence_threshold: float | None


def write_package(program: Program, settings: PackageSettings, calls: Sequence[np.ndarray], folder: Path) -> None:
    """Write all but the README into an empty folder.

    Parameters
    ----------
    calls : magnitudes of some calls in a row, each (bins, frames that a call computes) float32; the vectors are made
        of them.
    """
    with as_file(files("sezoo.deployment.c_package") / "sources") as sources:
        shutil.copytree(sources, folder, dirs_exist_ok=True)
    (folder / "include").mkdir()
    header = denoiser_header(
        program,
        settings.sample_rate,
        input_gain=settings.input_gain,
        silence_threshold=settings.silence_threshold,
    )
    generated = {
        folder / "include" / "sezoo_denoiser.h": header,
        folder / "src" / "sezoo_model.h": model_header(program),
        folder / "src" / "sezoo_model.c": model_source(program),
    }
    for path, text in generated.items():
        path.write_text(text, encoding="utf-8", newline="\n")
    vectors = folder / "test_vectors"
    vectors.mkdir()
    masks = vector_masks(program.graph, program.engine, calls)
    for name, values in ((MAGNITUDES, calls), (MASKS, masks)):
        frames = np.concatenate([value.T for value in values])
        (vectors / name).write_bytes(np.ascontiguousarray(frames, "<f4").tobytes())


def vector_masks(graph: IntegerGraph, engine: Engine, calls: Sequence[np.ndarray]) -> list[np.ndarray]:
    """The masks that come out of each call: (bins, new frames) float32."""
    if engine.is_stream:
        return list(stream_masks(graph, np.concatenate(calls, axis=1), engine.new))
    kept = slice(engine.first_mask, engine.first_mask + engine.new)
    return [run_graph(graph, call)[:, kept] for call in calls]
