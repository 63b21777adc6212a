"""Past frames of a pooling in float, as inputs and outputs of a model of one frame, back inside it.

The one-frame form of a model of whole clips (`sezoo.models.one_frame`) gets the frames that a MaxPool over time reaches
back to as a state. Before the first integer the C package has such frames in its steps in float, as it has for a model
of whole clips, and so they are no state of its network.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx

from sezoo.models.onnx_graph import attribute, copy_model, initializers, producers, readers
from sezoo.models.states import states_of

__all__ = ["without_past_frames"]


def without_past_frames(model: onnx.ModelProto) -> tuple[onnx.ModelProto, dict[str, str], dict[str, int]]:
    """The model without those states, in a copy; it is for reading, and no runtime computes the same of it.

    Returns
    -------
    model : the argument itself if there is no such state.
    states : the others, outputs by inputs.
    windows : by the outputs of the MaxPools that had them, how many frames each takes the largest of: the one that is
        there and those before it.
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
    """The output of the MaxPool that alone reads a state of past frames; None if others read it."""
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
