"""Small mask models with ONNX's own LSTM and GRU, as exporters write them, in float and in int8."""

from dataclasses import replace

import numpy as np
from onnx import helper

from mask_graphs import BINS, Graph, magnitudes
from quantizers import quantization, ready
from sezoo.models.states import with_states
from sezoo.quantization.calibration.ranges import calibrate
from sezoo.quantization.graph.integer_forms import nodes_before_layers
from sezoo.quantization.graph.qdq import write_qdq
from sezoo.quantization.graph.static_shape import with_static_shape
from sezoo.quantization.options import calibration_options
from sezoo.quantization.plan import Plan
from sezoo.quantization.recovery.input_precision import with_int16_input
from sezoo.quantization.recurrent.expansion import expand, hidden_states

HIDDEN = 12
GATES = {"LSTM": 4, "GRU": 3}
OF_A_LEVEL = {"ReduceMean", "Pad", "Concat", "Slice", "MaxPool", "Add", "Div"}
INITIAL = {"LSTM": ("h", "c"), "GRU": ("h",)}


def layer(graph, kind, source, inputs, name, *, hidden=HIDDEN, initial=(), outputs=None, **attributes):
    """An LSTM or a GRU with random weights; the names of its initial states, and of its outputs, may be given."""
    weights = [
        graph.random(f"{name}.w", 1, GATES[kind] * hidden, inputs, fan_in=inputs / 4),
        graph.random(f"{name}.r", 1, GATES[kind] * hidden, hidden, fan_in=hidden),
        graph.random(f"{name}.b", 1, 2 * GATES[kind] * hidden, fan_in=8),
    ]
    inputs = [source, *weights, *([""] if initial else []), *initial]
    node = helper.make_node(kind, inputs, outputs or [name], name=name, hidden_size=hidden, **attributes)
    graph.nodes.append(node)
    return (outputs or [name])[0]


def recurrent(*kinds, bins=BINS, hidden=HIDDEN, seed=0, opset=17, **attributes):
    """Layers one behind the other between the magnitudes and a convolution."""
    graph = Graph(seed)
    made = graph.node("Transpose", ["input"], "frames_first", perm=[2, 0, 1])
    inputs = bins
    for number, kind in enumerate(kinds):
        its = {key: value for key, value in attributes.items() if kind == "GRU" or key != "linear_before_reset"}
        made = layer(graph, kind, made, inputs, f"layer{number}", hidden=hidden, **its)
        axis = graph.weight(f"direction{number}", np.array([1], np.int64))
        made, inputs = graph.node("Squeeze", [made, axis], f"states{number}"), hidden
    made = graph.node("Transpose", [made], "channels_first", perm=[1, 2, 0])
    graph.node("Sigmoid", [graph.conv(made, "head", hidden, bins)], "mask")
    return graph.model(axes=("batch", bins, "seq_len"), opset=opset)


def behind_a_level(kind="GRU", *, window=5, bins=BINS, seed=0):
    """The magnitudes divided by the largest mean of a frame in a window of frames, then a layer and a convolution."""
    graph = Graph(seed)
    axes = graph.weight("bins", np.array([1], np.int64))
    mean = graph.node("ReduceMean", ["input"], "mean", axes=[1], keepdims=1)
    pads = graph.weight("pads", np.array([0, 0, window - 1, 0, 0, 0], np.int64))
    peak = graph.node("MaxPool", [graph.node("Pad", [mean, pads], "padded")], "peak", kernel_shape=[window])
    level = graph.node("Add", [peak, graph.weight("least", np.array(1e-3, np.float32))], "level")
    made = graph.node(
        "Transpose", [graph.node("Div", ["input", level], "without level")], "frames_first", perm=[2, 0, 1]
    )
    made = graph.node("Squeeze", [layer(graph, kind, made, bins, "layer"), axes], "states")
    made = graph.node("Transpose", [made], "channels_first", perm=[1, 2, 0])
    graph.node("Sigmoid", [graph.conv(made, "head", HIDDEN, bins)], "mask")
    return graph.model(axes=("batch", bins, "seq_len"))


def with_own_states(kind, *, bins=BINS, frames=1, seed=0):
    """One layer whose states are inputs and outputs of the model, which carries their names."""
    graph = Graph(seed)
    graph.node("Transpose", ["input"], "frames_first", perm=[2, 0, 1])
    initial = INITIAL[kind]
    last = [f"{name}_new" for name in initial]
    layer(graph, kind, "frames_first", bins, "layer", initial=initial, outputs=["all", *last])
    graph.node("Squeeze", ["all", graph.weight("direction", np.array([1], np.int64))], "states")
    weight, bias = graph.random("head.w", HIDDEN, bins, fan_in=HIDDEN / 4), graph.random("head.b", bins, fan_in=8)
    graph.node("Add", [graph.node("MatMul", ["states", weight], "product"), bias], "sum")
    graph.node("Transpose", [graph.node("Sigmoid", ["sum"], "opened")], "mask", perm=[1, 2, 0])
    state = dict.fromkeys((*initial, *last), (1, 1, HIDDEN))
    ends = [
        [helper.make_tensor_value_info(name, 1, shape) for name, shape in values.items()]
        for values in (
            {"input": (1, bins, frames), **{name: state[name] for name in initial}},
            {"mask": (1, bins, frames), **{name: state[name] for name in last}},
        )
    ]
    whole = helper.make_graph(graph.nodes, "mask_model", *ends, graph.weights)
    model = helper.make_model(whole, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return with_states(model, dict(zip(initial, last, strict=True)))


def plan_of(model, clips=None, **settings):
    """What the plain int8 model is written from, and the settings; what comes before the layers stays in float."""
    settings = quantization(**settings)
    prepared, op_types = ready(model, settings)
    prepared = expand(prepared)
    op_types = [*op_types, "Scan"]
    clips = clips or magnitudes(60, 60, 60)
    in_float, options = nodes_before_layers(prepared, OF_A_LEVEL), calibration_options(settings)
    ranges = calibrate(prepared, [[clip] for clip in clips], op_types, options, in_float=in_float, call_frames=1)
    return Plan.initial(prepared, ranges, op_types, in_float), settings


def with_int16(plan):
    """The plan with the hidden states and the input in 16 bits."""
    hidden = hidden_states(plan.model)
    ranges = plan.ranges | dict.fromkeys(hidden, (np.float32(-1), np.float32(1)))
    return with_int16_input(replace(plan, ranges=ranges, int16=plan.int16 | hidden))


def dynamic_int8(model, *, wide=False):
    """The int8 model of any length; `wide` has the input and the hidden states in 16 bits."""
    plan, settings = plan_of(model)
    return write_qdq(with_int16(plan) if wide else plan, settings)


def static_int8(model, frames, *, wide=False):
    """The same for a number of frames."""
    return with_static_shape(dynamic_int8(model, wide=wide), frames)
