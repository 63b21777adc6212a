"""How much memory a .tflite file's activations take, planned as TFLite Micro plans it."""

from __future__ import annotations

import math

from sezoo.deployment.tflite.graph import TfliteGraph
from sezoo.deployment.tflite.operators import CONV_2D, DEPTHWISE_CONV_2D, RESHAPE

__all__ = ["activation_bytes", "arena_bytes"]

OF_A_TENSOR, OF_AN_OPERATOR, OF_AN_END, OF_A_CHANNEL, AT_LEAST = 24, 64 + 128, 96, 8, 2048
"""Bytes of TensorFlow Lite Micro's records with addresses of 64 bits: of each tensor; of each operator, with what its
kernel keeps; of each input and output; of each channel of a convolution, multiplier and shift."""

ALIGNMENT = 16
"""Bytes, of each tensor in the arena."""

TO_PLAN = 64
"""Bytes of a tensor while it plans its memory, where the activations are later."""


def arena_bytes(graph: TfliteGraph) -> int:
    """Bytes of an arena that is large enough: activations, and TensorFlow Lite Micro's records of the graph.

    On a microcontroller, with addresses of 32 bits, records take less; what CMSIS-NN's kernels work in comes on top.
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
    """Bytes of an arena that the tensors share, inputs and outputs among them; TFLite Micro's records come on top.

    As its `GreedyMemoryPlanner` plans: the largest tensors first, of those of one size the last of the file, each in
    the first gap among the tensors that are needed at the same time.
    """
    first, last, place = dict.fromkeys(graph.inputs, 0), dict.fromkeys(graph.inputs, 0), {}
    for step, operator in enumerate(graph.operators):
        (output,) = operator.outputs
        if operator.kind is RESHAPE:  # is done where its input lies
            place[output] = place.get(operator.inputs[0], operator.inputs[0])
        first.setdefault(place.get(output, output), step)
        for index in (*operator.inputs, output):
            last[place.get(index, index)] = step
    last |= {place.get(index, index): len(graph.operators) for index in graph.outputs}
    sizes = {
        index: _aligned(math.prod(graph.tensors[index].shape) * graph.tensors[index].dtype.itemsize) for index in first
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


def _aligned(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT
