import re
from dataclasses import replace

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

import attention_graphs
import mask_graphs
import operator_graphs
from int8_graphs import (
    BINS,
    FRAMES,
    HIDDEN,
    PATH,
    Graph,
    chain,
    dynamic_int8,
    fixed_int8,
    residual,
    small,
    static_int8,
    with_function_of_zeros,
)
from mask_graphs import magnitudes
from qdq_rewrites import with_int4_weights, with_zeros_joined
from quantizers import ours, quantization, ready
from sezoo.base.errors import UserError
from sezoo.deployment.engine.qdq_reader import integer_graph_of
from sezoo.models.onnx_graph import copy_model, set_weights
from sezoo.models.states import with_states
from sezoo.quantization.graph.static_shape import with_static_shape
from sezoo.quantization.recovery.input_precision import with_int16_input


def refused(model, *words):
    with pytest.raises(UserError) as caught:
        integer_graph_of(model, PATH)
    message = str(caught.value)
    assert "some_model.onnx" in message
    for word in words:
        assert word in message, message
    return message


def test_float_models():
    refused(small(), "float model", "quantization")


def test_dynamic_models():
    refused(dynamic_int8(small()), "any number of frames", "static")


def test_batches():
    model = static_int8(small())
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_value = 4
    refused(model, "4 patches")


def test_states():
    model = static_int8(small())
    for kind, values in (("before", model.graph.input), ("after", model.graph.output)):
        values.append(helper.make_tensor_value_info(kind, onnx.TensorProto.FLOAT, (1, 4)))
    model.graph.node.append(helper.make_node("Neg", ["before"], ["after"], "negated"))
    refused(with_states(model, {"before": "after"}), "1 state", "one frame a call")


def test_recurrent_layers():
    model = mask_graphs.lstm()
    prepared, op_types = ready(model)
    model = with_static_shape(ours(prepared, magnitudes(40, 40), op_types, quantization()), 10)
    message = refused(model, "LSTM node", "a forward LSTM or GRU has one", "docs/deployment.md")
    assert "node_states" in message and len(message) < 250


def test_layers_in_float():
    model = copy_model(static_int8(residual()))
    made = {node.output[0]: node for node in model.graph.node}
    conv = [node for node in model.graph.node if node.op_type == "Conv"][3]
    weights = made[conv.input[1]]
    arrays = {w.name: onnx.numpy_helper.to_array(w) for w in model.graph.initializer}
    integers, scale = (arrays[name] for name in weights.input[:2])
    set_weights(model.graph, {"float_weights": (integers * scale.reshape(-1, 1, 1)).astype(np.float32)})
    conv.input[1] = "float_weights"
    refused(model, f"Conv node '{conv.name}'", "works in float", "'float_weights' are not quantized")


def test_a_float_input_of_a_layer():
    refused(static_int8(small(), changed=without_quantizer_of_the_input), "Conv node", "in float")


def without_quantizer_of_the_input(plan):
    first = next(node.name for node in plan.model.graph.node if node.op_type == "Conv")
    return replace(plan, in_float=frozenset([first]))


def test_strides_in_time():
    graph = Graph()
    halved = graph.conv("input", "halved", BINS, 2 * BINS, kernel=(2,), strides=[2], pads=[0, 0])
    apart = graph.reshaped(halved, "apart", 0, BINS, 2, -1)
    last = graph.reshaped(graph.transposed(apart, "turned", 0, 1, 3, 2), "back", 0, BINS, -1)
    refused(fixed_int8(graph.finished(last)), "Conv node 'node_halved'", "stride in time is 2")


def test_weights_with_a_zero_point():
    model = static_int8(small())
    zeros = next(weight for weight in model.graph.initializer if weight.name == "c0.weight_zero_point")
    set_weights(model.graph, {zeros.name: np.full(zeros.dims, -5, np.int8)})  # -122 to 132
    refused(model, "Conv node", "int8 with a zero point", "symmetric")


def test_weights_of_4_bits_are_told_before_anything_that_they_bring_about():
    refused(
        with_int4_weights(static_int8(small())),
        "the weights 'c0.weight_quantized' have 4 bits",
        "quantization.weight_bits: 8",
    )


def test_frames_as_channels():
    graph = Graph()
    turned = graph.transposed("input", "turned", 0, 2, 1)
    last = graph.transposed(graph.conv(turned, "c", FRAMES, FRAMES), "back", 0, 2, 1)
    refused(fixed_int8(graph.finished(last)), "Conv node 'node_c'", "is not over time")


def test_means_over_time():
    graph = Graph()
    inner = graph.relu(graph.conv("input", "c", BINS, BINS))
    mean = graph.over_axes("ReduceMean", inner, "mean", 2, keepdims=1)
    refused(static_int8(graph.finished(graph.node("Sub", [inner, mean], "centred"))), "ReduceMean node 'node_mean'")


def test_attention_over_time():
    model = static_int8(attention_graphs.over_time())
    refused(model, "MatMul node 'node_scores'", "attention over time", "within a frame")


@pytest.mark.skipif(onnx.defs.onnx_opset_version() < 23, reason="Attention came with opset 23")
def test_causal_attention():
    model = operator_graphs.static_int8(attention_graphs.one_operator(is_causal=1), FRAMES)
    refused(model, "Attention node 'node_mixed'", "without is_causal", "over frames take a GRU")


def test_frames_on_another_axis_of_each_operand():
    """Square images fit together the wrong way round."""
    graph = Graph()
    inner = graph.conv("input", "c", BINS, BINS)
    turned = graph.transposed(inner, "turned", 0, 2, 1)
    model = graph.finished(graph.node("Add", [inner, turned], "sum"))
    refused(fixed_int8(model, BINS), "Add node 'node_sum'", "mixes frames")


@pytest.mark.parametrize("kind", ["Sigmoid", "Exp"])
def test_zeros_that_a_function_changes(kind):
    """Of zeros in front of the first frame, a table would make something else."""
    refused(with_function_of_zeros(kind), f"{kind} node 'opened'", "zeros")


def test_other_numbers_than_zeros_before_the_first_frame():
    refused(with_zeros_joined(static_int8(chain({"kernel": (3,), "pads": [2, 0]})), 0.5), "Concat node", "constants")


def test_lookahead_of_a_kernel_that_is_padded_too_little():
    """A model that gives fewer frames is none that fits the contract; inside, the next layer cannot make up for it."""
    graph = Graph()
    shorter = graph.relu(graph.conv("input", "c0", BINS, HIDDEN, kernel=(3,), pads=[0, 0]))
    model = graph.finished(graph.conv(shorter, "c1", HIDDEN, BINS, kernel=(3,), pads=[2, 2]))
    refused(static_int8(model), "Conv node", "changes the number of frames", "kernel over 3 frames")


def test_accumulators_that_overflow():
    """int16 times int8 over a thousand items is more than 32 bits hold."""
    model = static_int8(chain({"kernel": (5,), "dilations": [1]}), changed=with_int16_input)
    arrays = {w.name: onnx.numpy_helper.to_array(w) for w in model.graph.initializer}
    # uniform weights of full scale: 12 bins x 5 taps x 127 x 32768 still fit, and a kernel of 60 taps does not
    integer_graph_of(model, PATH)
    weights = arrays["c0.weight_quantized"]
    assert weights.shape == (HIDDEN, BINS, 5)
    wide = np.full((HIDDEN, BINS, 61), 127, np.int8)
    set_weights(model.graph, {"c0.weight_quantized": wide})
    conv = next(node for node in model.graph.node if node.op_type == "Conv")
    for entry in conv.attribute:
        if entry.name in ("kernel_shape", "pads"):
            entry.ints[:] = [61] if entry.name == "kernel_shape" else [30, 30]
    del model.graph.value_info[:]
    refused(model, "Conv node", "overflow its accumulator of 32 bits", "16 bits")


@pytest.mark.parametrize("value", [0, -1, np.nan, np.inf, 1e30])
def test_scales_that_nobody_can_compute_with(value):
    model = static_int8(small())
    name = next(node.input[1] for node in model.graph.node if node.op_type == "DequantizeLinear")
    (scale,) = [weight for weight in model.graph.initializer if weight.name == name]
    scale.CopyFrom(numpy_helper.from_array(np.full_like(numpy_helper.to_array(scale), value), name))
    with pytest.raises(UserError, match=rf"{PATH}: the scale '{re.escape(name)}' has the value "):
        integer_graph_of(model, PATH)
