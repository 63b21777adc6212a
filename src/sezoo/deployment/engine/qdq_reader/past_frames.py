"""Removal of the states that hold the past frames of a float pooling in a one-frame model.

The one-frame form of a whole-clip model (`sezoo.models.one_frame`) receives the past frames of a MaxPool over time as a
state. In the C package the float front end keeps these frames, as for a whole-clip model, so that they are no state of
the network.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx

from sezoo.models.onnx_graph import attribute, copy_model, initializers, producers, readers
from sezoo.models.states import states_of

__all__ = ["without_past_frames"]


def without_past_frames(model: onnx.ModelProto) -> tuple[onnx.ModelProto, dict[str, str], dict[str, int]]:
    """Return a copy of the model without those states; it is only for the reader, runtimes would compute other results.

    Returns
    -------
    model : the argument itself if there is no such state.
    states : the remaining states, outputs by inputs.
    windows : number of frames, including the current one, of each such MaxPool, by the name of its output.
    """
    states, windows = states_of(model), {}
    found = {name: pool for name, after in states.items() if (pool := _pool_of(model, name, after)) is not None}
    if not found:
        return model, states, windows
    changed = copy_model(model)
    nodes = {node.output[0]: node for node in changed.graph.node}
    read_by = readers(changed.graph)
    for name, output in found.items():
        (joined,) = read_by[name]
        nodes[output].input[0] = joined.input[1]
        windows[output] = max(attribute(nodes[output], "kernel_shape", []))
        for values, gone in ((changed.graph.input, name), (changed.graph.output, states[name])):
            values.remove(next(value for value in values if value.name == gone))
        changed.graph.node.remove(nodes[states[name]])
        changed.graph.node.remove(joined)
    return changed, {name: after for name, after in states.items() if name not in found}, windows


def _pool_of(model: onnx.ModelProto, name: str, after: str) -> str | None:
    """Return the output of the MaxPool that reads a state of past frames, or None if it is not the only reader."""
    read_by, made_by, constants = readers(model.graph), producers(model.graph), _constants(model.graph)
    joins, cut = read_by[name], made_by.get(after)
    if len(joins) != 1 or joins[0].op_type != "Concat" or cut is None or cut.op_type != "Slice":
        return None
    both = joins[0].output[0]
    pools = [node for node in read_by[both] if node.output[0] != after]
    shape = next(value for value in model.graph.input if value.name == name).type.tensor_type.shape.dim
    axis = attribute(joins[0], "axis", 0) % len(shape)
    length = shape[axis].dim_value
    given = [constants.get(read, np.empty(0)).ravel().tolist() for read in cut.input[1:]]
    keeps_the_last = (
        cut.input[0] == both
        and [len(part) for part in given] in ([1, 1, 1], [1, 1, 1, 1])
        and given[0][0] in (1, -length)
        and given[1][0] > length
        and given[2][0] % len(shape) == axis
        and given[3:] in ([], [[1]])
    )
    if list(joins[0].input[:1]) != [name] or len(joins[0].input) != 2 or read_by[after] or not keeps_the_last:
        return None
    if len(pools) != 1 or pools[0].op_type != "MaxPool" or len(pools[0].output) != 1:
        return None
    kernel = attribute(pools[0], "kernel_shape", [])
    of_frames = [length + 1 if place == axis else 1 for place in range(2, len(shape))]
    is_plain = not any(attribute(pools[0], "pads", [])) and not attribute(pools[0], "ceil_mode", 0)
    fits = list(kernel) == of_frames and set(attribute(pools[0], "dilations", [1])) == {1}
    return pools[0].output[0] if is_plain and fits and axis > 1 else None


def _constants(graph: onnx.GraphProto) -> Mapping[str, np.ndarray]:
    constants = initializers(graph)
    for node in graph.node:
        value = attribute(node, "value", None) if node.op_type == "Constant" else None
        if isinstance(value, onnx.TensorProto):
            constants[node.output[0]] = onnx.numpy_helper.to_array(value)
    return constants
