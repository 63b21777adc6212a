"""How much memory a .tflite file's activations take, planned as greedily as TFLite Micro plans it."""

from __future__ import annotations

import math

from sezoo.deployment.engine.memory_plan import Buffer, planned
from sezoo.deployment.tflite.graph import TfliteGraph
from sezoo.deployment.tflite.operators import RESHAPE

__all__ = ["activation_bytes"]


def activation_bytes(graph: TfliteGraph) -> int:
    """Bytes of an arena that the tensors share, inputs and outputs among them; TFLite Micro's records come on top."""
    first, last, place = dict.fromkeys(graph.inputs, 0), dict.fromkeys(graph.inputs, 0), {}
    for step, operator in enumerate(graph.operators):
        (output,) = operator.outputs
        if operator.kind is RESHAPE:  # is done where its input lies
            place[output] = place.get(operator.inputs[0], operator.inputs[0])
        first.setdefault(place.get(output, output), step)
        for index in (*operator.inputs, output):
            last[place.get(index, index)] = step
    last |= {place.get(index, index): len(graph.operators) for index in graph.outputs}
    buffers = (
        Buffer(str(index), math.prod(tensor.shape) * tensor.dtype.itemsize, begin, last[index])
        for index, begin in first.items()
        for tensor in [graph.tensors[index]]
    )
    return planned(buffers).size
