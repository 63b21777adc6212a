"""Operators written as others compute the same, whatever their settings."""

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from int8_graphs import BINS, PATH
from operator_graphs import OPERATORS, C, Operators, plan_of
from quantizers import ready
from sezoo.deployment.engine.qdq_reader import integer_graph_of
from sezoo.models.onnx_graph import readers
from sezoo.models.onnx_session import open_session
from sezoo.quantization.graph.integer_forms import with_integer_forms
from sezoo.quantization.graph.preparation import with_known_shapes
from sezoo.quantization.graph.qdq import write_qdq
from sezoo.quantization.graph.static_shape import with_static_shape


def model_of(node, shape, weights):
    """One node behind a layer, so that it is no part of what comes before the first one."""
    first = helper.make_node("Conv", ["x", "identity"], ["inner"], "first", kernel_shape=[1] * (len(shape) - 2))
    identity = np.eye(shape[1], dtype=np.float32).reshape(shape[1], shape[1], *[1] * (len(shape) - 2))
    tensors = [numpy_helper.from_array(values, name) for name, values in {"identity": identity, **weights}.items()]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in ("x", "y")]
    ends[0] = helper.make_tensor_value_info("x", TensorProto.FLOAT, [*shape[:-1], "frames"])
    graph = helper.make_graph([first, node], "one", ends[:1], ends[1:], tensors)
    return with_known_shapes(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8))


def run(model, x):
    return open_session(model).run(None, {"x": x})[0]


@settings(max_examples=60, deadline=None, derandomize=True)
@given(data=st.data())
def test_transposed_convolutions(data):
    draw = lambda low, high: data.draw(st.integers(low, high))  # noqa: E731
    groups, stride, taps, taps_in_time = draw(1, 2), draw(1, 3), draw(1, 5), draw(1, 3)
    inputs, outputs, bins = groups * draw(1, 2), draw(1, 3), draw(1, 4)
    pads = [draw(0, min(taps - 1, stride + 1)), draw(0, taps_in_time - 1), draw(0, taps // 2), draw(0, 1)]
    how = {"pads": pads, "strides": [stride, 1], "group": groups, "output_padding": [draw(0, stride - 1), 0]}
    random = np.random.default_rng(draw(0, 999))
    weights = {
        "w": random.standard_normal((inputs, outputs, taps, taps_in_time)).astype(np.float32),
        "b": random.standard_normal(groups * outputs).astype(np.float32),
    }
    node = helper.make_node("ConvTranspose", ["inner", "w", "b"], ["y"], "up", **how)
    model = model_of(node, (1, inputs, bins, 6), weights)
    x = random.standard_normal((1, inputs, bins, 6)).astype(np.float32)
    length = (bins - 1) * stride + taps - pads[0] - pads[2] + how["output_padding"][0]
    in_time = 6 + taps_in_time - 1 - pads[1] - pads[3]
    written = with_integer_forms(model)
    is_written = "ConvTranspose" not in {node.op_type for node in written.graph.node}
    too_much_is_cut_off = taps - 1 - pads[2] + how["output_padding"][0] < 0 or pads[3] > taps_in_time - 1
    assert is_written or min(length, in_time) < 1 or too_much_is_cut_off
    if is_written and min(length, in_time) > 0:
        np.testing.assert_allclose(run(written, x), run(model, x), atol=1e-5)


@pytest.mark.parametrize("axes", [[1], [2], [1, 2], [-2]])
@pytest.mark.parametrize("op_type", ["ReduceMean", "ReduceSum"])
def test_means_and_sums(axes, op_type):
    if op_type == "ReduceMean":  # an attribute until opset 18
        node = helper.make_node(op_type, ["inner"], ["y"], "mean", axes=axes, keepdims=0)
        weights = {}
    else:
        node = helper.make_node(op_type, ["inner", "axes"], ["y"], "mean", keepdims=1)
        weights = {"axes": np.array(axes, np.int64)}
    model = model_of(node, (1, 3, 5, 4), weights)
    written = with_integer_forms(model)
    assert {node.op_type for node in written.graph.node} <= {"Conv", "Squeeze"}
    x = np.random.default_rng(0).standard_normal((1, 3, 5, 4)).astype(np.float32)
    np.testing.assert_allclose(run(written, x), run(model, x), atol=1e-5)


@pytest.mark.parametrize("axes", [[3], [0], [2, 3]])
def test_means_over_frames_and_clips_stay(axes):
    node = helper.make_node("ReduceMean", ["inner"], ["y"], "mean", axes=axes)
    model = model_of(node, (1, 3, 5, 4), {})
    assert with_integer_forms(model) is model


def test_nodes_that_are_to_stay_do():
    prepared, _ = ready(OPERATORS["transposed convolution"]())
    assert with_integer_forms(prepared, ["node_up"]) is prepared
    written = with_integer_forms(prepared)
    assert {"node_up", "node_up.relu"} <= {node.name for node in written.graph.node}
    onnx.checker.check_model(written)
    beside = with_integer_forms(prepared, ["node_up.relu"])  # is not moved before what is moved
    (relu,) = (node for node in beside.graph.node if node.name == "node_up.relu")
    assert relu.input == ["up"]


def test_layer_normalization_takes_its_opset():
    prepared, _ = ready(OPERATORS["norm of a frame"]())
    written = with_integer_forms(prepared)
    assert [node.op_type for node in written.graph.node].count("LayerNormalization") == 1
    assert not {"Sqrt", "Div", "Mul"} & {node.op_type for node in written.graph.node}
    assert [entry.version for entry in written.opset_import] == [17]
    fixed = with_integer_forms(prepared, opset_is_fixed=True)
    assert "LayerNormalization" not in {node.op_type for node in fixed.graph.node}


def test_what_is_moved_is_rounded_before():
    """onnxruntime leaves movers in float whose input only a later operator rounds, and cannot load some such models."""
    int8 = write_qdq(*plan_of(OPERATORS["moved before it is rounded"]()))
    movers = [node for node in int8.graph.node if node.op_type in ("Transpose", "Reshape")]
    read_by = readers(int8.graph)
    assert len(movers) == 4
    assert all(node.op_type == "QuantizeLinear" for mover in movers for node in read_by[mover.output[0]])


def test_norms_whose_means_are_of_a_transposed_tensor():
    """As onnxruntime's folding leaves them in a model of one frame."""
    graph = Operators(opset=13)
    image = graph.reshaped("input", "image", 1, 1, BINS, 1)
    inner = graph.conv(image, "in", 1, C, kernel=(3, 3))
    mean = graph.over_axes("ReduceMean", graph.transposed(inner, "turned", 0, 2, 1, 3), "mean", 1, 2)
    centred = graph.node("Sub", [inner, graph.transposed(mean, "turned mean", 0, 2, 1, 3)], "centred")
    square = graph.node("Pow", [centred, graph.number("two", 2)], "square")
    variance = graph.transposed(graph.over_axes("ReduceMean", square, "variance", 1, 2), "turned variance", 0, 2, 1, 3)
    root = graph.node("Sqrt", [graph.node("Add", [variance, graph.number("eps", 1e-5)], "positive")], "deviation")
    last = graph.conv(graph.node("Div", [centred, root], "ratio"), "out", C, 1, kernel=(1, 1))
    graph.node("Sigmoid", [graph.reshaped(last, "rows", 1, BINS, 1)], "mask")
    model = with_known_shapes(graph.model((("input", (1, BINS, 1)),), (("mask", (1, BINS, 1)),)))
    written = with_integer_forms(model)
    assert [node.op_type for node in written.graph.node].count("LayerNormalization") == 1
    assert not {"Sqrt", "ReduceMean"} & {node.op_type for node in written.graph.node}
    x = np.random.default_rng(0).random((1, BINS, 1), np.float32)
    wanted, found = (open_session(each).run(None, {"input": x})[0] for each in (model, written))
    np.testing.assert_allclose(found, wanted, atol=1e-5)


LENGTHS = {"b": 2, "h": 3, "q": 4, "k": 5, "d": 6, "e": 7, "t": 9}


@pytest.mark.parametrize(
    ("equation", "constant", "written"),
    [
        ("bhqd,bhkd->bhqk", None, {"Transpose", "MatMul"}),
        ("bhqk,bhkd->bhqd", None, {"MatMul"}),
        ("bqhd,bkhd->bhqk", None, {"Transpose", "MatMul"}),
        ("bhqk,bkhd->bqhd", None, {"Transpose", "MatMul"}),
        ("bqhd,bkhd", None, {"Transpose", "Reshape", "MatMul"}),  # sums over what both have
        ("bqhd,bqd->bh", None, {"Transpose", "Reshape", "MatMul"}),
        ("bqkd,bqed->bk", None, {"Einsum"}),  # a letter that one operand alone has is summed over
        ("bi,bj->bij", None, {"Unsqueeze", "Mul"}),  # nothing is summed
        ("tbd,bd->bdt", None, {"Transpose", "Unsqueeze", "Mul"}),
        ("...d,...d->...", None, {"Reshape", "MatMul"}),
        ("bhqd,de->bhqe", "right", {"Conv", "Transpose"}),
        ("de,bhdq->bheq", "left", {"Conv", "Transpose"}),
        ("bdqt,de->beqt", "right", {"Conv", "Transpose"}),
        ("bhdt,hde->bhet", "right", {"Reshape", "Conv"}),  # other weights for each head
        ("bthd,hde->bthe", "right", {"Transpose", "Reshape", "Conv"}),
        ("hed,bthd->beth", "left", {"Transpose", "Reshape", "Conv"}),
        ("bqhdk,hdke->bqhe", "right", {"Transpose", "Reshape", "Conv"}),
        ("bqthd,thde->bteqh", "right", {"Transpose", "Reshape", "Conv"}),
        ("hd,hde->he", "right", {"Einsum"}),  # no frame is among them
    ],
)
def test_einsum(equation, constant, written):
    terms = [
        [LENGTHS.get(letter, 3) for letter in term if letter != "."] for term in equation.split("->")[0].split(",")
    ]
    random = np.random.default_rng(0)
    values = [random.standard_normal(shape).astype(np.float32) for shape in terms]
    names = ["left", "right"]
    node = helper.make_node("Einsum", names, ["y"], "sums", equation=equation)
    weights = [
        numpy_helper.from_array(value, name) for name, value in zip(names, values, strict=True) if name == constant
    ]
    given = {name: value for name, value in zip(names, values, strict=True) if name != constant}
    inputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, value.shape) for name, value in given.items()]
    graph = helper.make_graph(
        [node], "one", inputs, [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)], weights
    )
    model = with_known_shapes(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8))
    changed = with_integer_forms(model)
    assert {node.op_type for node in changed.graph.node} <= written
    (wanted,), (found,) = (open_session(each).run(None, given) for each in (model, changed))
    np.testing.assert_allclose(found, wanted, atol=1e-5)


@pytest.mark.parametrize("heads", [1, 2])
def test_rows_that_frames_and_bins_were_joined_to(heads):
    """As PyTorch's attention has them; a layer over them would be none over time."""
    graph = Operators(opset=13)
    turned = graph.transposed(graph.start(), "bins, frames", 2, 3, 0, 1)  # (BINS, frames, 1, C)
    if heads == 2:
        turned = graph.reshaped(turned, "heads", BINS, -1, 2, C // 2)
    joined = graph.reshaped(turned, "joined", -1, C)
    matrix, bias = graph.random("linear.weight", 6, C, fan_in=C), graph.random("linear.bias", 6, fan_in=8)
    made = graph.node("Gemm", [joined, matrix, bias], "linear", transB=1)
    apart = graph.transposed(graph.reshaped(made, "apart", BINS, -1, 1, 6), "image again", 2, 3, 0, 1)
    last = graph.conv(apart, "out", 6, 1, kernel=(1, 1), gain=3)
    graph.node("Sigmoid", [graph.over_axes("Squeeze", last, "flat", 1)], "mask")
    axes = (1, BINS, "frames")
    model = graph.model((("input", axes),), (("mask", axes),))
    plan, settings = plan_of(model)
    integer_graph_of(with_static_shape(write_qdq(plan, settings), 7), PATH)
    assert [node.op_type for node in plan.model.graph.node].count("Conv") == 3
    x = np.random.default_rng(0).random((1, BINS, 9), np.float32)
    wanted, found = (open_session(each).run(None, {"input": x})[0] for each in (model, plan.model))
    np.testing.assert_allclose(found, wanted, atol=1e-5)
