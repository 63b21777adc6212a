"""Memory of a .tflite file's activations, planned as in TFLite Micro."""

from __future__ import annotations

import math

from sezoo.deployment.tflite.graph import TfliteGraph
from sezoo.deployment.tflite.operators import CONV_2D, DEPTHWISE_CONV_2D, RESHAPE

__all__ = ["activation_bytes", "arena_bytes"]

OF_A_TENSOR, OF_AN_OPERATOR, OF_AN_END, OF_A_CHANNEL, AT_LEAST = 24, 64 + 128, 96, 8, 2048
"""Bytes of TensorFlow Lite Micro's records with 64-bit addresses: per tensor; per operator, including its kernel's
data; per input and output; per channel of a convolution (multiplier and shift); minimum."""

ALIGNMENT = 16
"""Alignment of each tensor in the arena, in bytes."""

TO_PLAN = 64
"""Bytes per tensor during memory planning, which share memory with the activations."""


def arena_bytes(graph: TfliteGraph) -> int:
    """Return a sufficient arena size in bytes: activations, and TensorFlow Lite Micro's records of the graph.

    On a microcontroller with 32-bit addresses the records are smaller; scratch memory of CMSIS-NN's kernels is extra.
    """
    channels = sum(
        len(graph.tensors[operator.inputs[1]].scales)
        for operator in graph.operators
        if operator.kind in (CONV_2D, DEPTHWISE_CONV_2D)
    )
    records = (
        OF_A_TENSOR * len(graph.tensors)
        + OF_AN_OPERATOR * len(graph.operators)
        + OF_AN_END * (len(graph.inputs) + len(graph.outputs))
        + OF_A_CHANNEL * channels
        + AT_LEAST
    )
    return max(activation_bytes(graph), TO_PLAN * len(graph.tensors)) + records


def activation_bytes(graph: TfliteGraph) -> int:
    """Return the arena size in bytes for all tensors, including inputs and outputs; TFLite Micro's records are extra.

    The plan is that of its `GreedyMemoryPlanner`: the largest tensors first, for equal sizes the last one in the file
    first, each in the first gap among the tensors that are live at the same time.
    """
    first, last, place = dict.fromkeys(graph.inputs, 0), dict.fromkeys(graph.inputs, 0), {}
    for step, operator in enumerate(graph.operators):
        (output,) = operator.outputs
        if operator.kind is RESHAPE:  # computed in place
            place[output] = place.get(operator.inputs[0], operator.inputs[0])
        first.setdefault(place.get(output, output), step)
        for index in (*operator.inputs, output):
            last[place.get(index, index)] = step
    last |= {place.get(index, index): len(graph.operators) for index in graph.outputs}
    sizes = {
        index: _align(math.prod(graph.tensors[index].shape) * graph.tensors[index].dtype.itemsize) for index in first
    }
    placed: list[tuple[int, int, int]] = []
    for index in sorted(first, key=lambda each: (-sizes[each], -each)):
        offset = 0
        for start, end, other in sorted(placed):
            if first[other] <= last[index] and first[index] <= last[other]:
                if start - offset >= sizes[index]:
                    break
                offset = max(offset, end)
        placed.append((offset, offset + sizes[index], index))
    return max((end for _, end, _ in placed), default=0)


def _align(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT
