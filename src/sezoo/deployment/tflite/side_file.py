"""`denoiser.json`, a description of the processing around the network in the .tflite file.

It specifies how magnitudes are quantized to the network's inputs, and how the integers of its output become the mask.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from sezoo.audio.stft import Stft
from sezoo.audio.stft_window import window_values
from sezoo.deployment.c_package.program import Program
from sezoo.deployment.engine.integer_graph import FloatStep, IntegerGraph
from sezoo.deployment.engine.tensor import Tensor
from sezoo.deployment.tflite.lowering import LoweredGraph
from sezoo.deployment.tflite.memory import activation_bytes, arena_bytes
from sezoo.deployment.tflite.tflm import Arena

__all__ = ["side_file"]


def side_file(
    program: Program, low: LoweredGraph, sample_rate: int, model: str, arena: Arena | None = None
) -> dict[str, Any]:
    """Return the content of `denoiser.json`.

    Parameters
    ----------
    program : program of the graph from which `low` was lowered.
    model : name of the ONNX file.
    arena : arena that TensorFlow Lite Micro used on this computer; None if it was not run.
    """
    graph, engine, stft = program.graph, program.engine, program.stft
    return {
        "format_version": 1,
        "model": model,
        "engine": "stream" if engine.is_stream else "patch",
        "spectrum": _spectrum(stft, sample_rate),
        "frames": {
            "of_a_call": engine.frames_computed,
            "new": engine.new,
            "first_kept": engine.first_mask,
            "lookahead": engine.lookahead,
        },
        "latency_samples": engine.latency(stft),
        "prologue": [_step(step) for step in graph.prologue],
        "inputs": [_tensor(low, index, tensor) for index, tensor in zip(low.file.inputs, graph.inputs, strict=False)],
        "output": _tensor(low, low.file.outputs[0], graph.output),
        "states": _states(low),
        "mask": _mask(graph),
        "arena": _arena(low, arena),
    }


def _spectrum(stft: Stft, sample_rate: int) -> dict[str, Any]:
    return {
        "sample_rate": sample_rate,
        "n_fft": stft.n_fft,
        "hop_length": stft.hop_length,
        "win_length": stft.win_length,
        "window": _floats(window_values(stft.window, stft.win_length)),
    }


def _step(step: FloatStep) -> dict[str, Any]:
    """Return a step of the front end, without empty fields."""
    content: dict[str, Any] = {"kind": step.kind, "inputs": step.inputs, "output": step.output, "items": step.items}
    if step.constant is not None:
        content |= {"constant": _floats(step.constant), "constant_is_first": step.first}
    if step.index is not None:
        content["index"] = np.asarray(step.index).tolist()
    if step.tensor is not None:
        content["tensor"] = _quantization(step.tensor)
    if step.kind == "peak":
        content["window"] = step.window
    return content


def _quantization(tensor: Tensor) -> dict[str, Any]:
    return {"scale": float(tensor.scale), "zero_point": tensor.zero_point, "bits": tensor.bits}


def _tensor(low: LoweredGraph, index: int, tensor: Tensor) -> dict[str, Any]:
    return {"name": tensor.name, "shape": low.file.tensors[index].shape, **_quantization(tensor)}


def _states(low: LoweredGraph) -> list[dict[str, Any]]:
    """Return the states that the application passes from call to call, with their input and output numbers."""
    first_input = len(low.inputs)
    return [
        {
            "input": first_input + number,
            "output": 1 + number,
            "shape": state.shape,
            "lag": state.lag,
            **_quantization(state.tensor),
        }
        for number, state in enumerate(low.states)
    ]


def _mask(graph: IntegerGraph) -> dict[str, Any]:
    return {"table": _floats(graph.mask_table), "item_of_bin": graph.mask_index.tolist()}


def _arena(low: LoweredGraph, measured: Arena | None) -> dict[str, int | None]:
    """Return the arena of TensorFlow Lite Micro in bytes: a sufficient size, and the size measured on this computer."""
    return {
        "enough": arena_bytes(low.file),
        "activations": measured.activations if measured else activation_bytes(low.file),
        "measured": measured and measured.total,
    }


def _floats(values: np.ndarray) -> list[float]:
    return [float(value) for value in np.asarray(values).ravel()]
