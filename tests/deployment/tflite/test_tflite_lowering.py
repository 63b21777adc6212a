"""Integer graphs as TensorFlow Lite files, run by LiteRT's reference kernels, which are TFLite Micro's."""

from dataclasses import replace

import numpy as np
import pytest

import operator_graphs
import recurrent_graphs
from int8_graphs import FORMS, PATH, patches
from sezoo.base.errors import UserError
from sezoo.base.shipped import ZOO
from sezoo.deployment.engine.interpreter import run_graph
from sezoo.deployment.engine.qdq_reader import integer_graph_of
from sezoo.deployment.engine.stream_plan import stream_plan
from sezoo.deployment.tflite import operators as tf
from sezoo.deployment.tflite.axis import Axis
from sezoo.deployment.tflite.flatbuffer import flatbuffer_of
from sezoo.deployment.tflite.lowerable import tflite_graph_of
from sezoo.deployment.tflite.lowering import lower_graph
from sezoo.deployment.tflite.memory import activation_bytes
from sezoo.deployment.tflite.preparation import prepare_graph
from sezoo.deployment.tflite.proof import check_integers, has_litert, litert_outputs
from sezoo.models.onnx_file import load_onnx
from tflite_vectors import OF_8_BITS, OF_16_BITS, of_patches, of_stream

needs_litert = pytest.mark.skipif(not has_litert(), reason="ai-edge-litert is not installed")


def compared(low, vectors):
    return check_integers("LiteRT", litert_outputs(flatbuffer_of(low.file, "test"), low, vectors), vectors)


def read(form):
    return tflite_graph_of(FORMS[form](), PATH)


@needs_litert
@pytest.mark.parametrize("form", OF_8_BITS)
def test_litert_computes_the_integers_of_numpy(form):
    graph = read(form)
    low = lower_graph(graph, PATH)
    vectors = of_patches(graph)
    assert compared(low, vectors) == 3 * vectors.outputs[0].size


@needs_litert
@pytest.mark.parametrize("form", OF_8_BITS)
def test_and_frame_by_frame_with_states_that_are_handed_on(form):
    graph = read(form)
    low = lower_graph(graph, PATH, 1)
    vectors = of_stream(graph)
    assert compared(low, vectors) > 500
    assert [state.rows for state in low.states] == [rows for rows in stream_plan(graph).history_rows.values() if rows]


@needs_litert
@pytest.mark.parametrize("form", ["depthwise", "images", "split input", "Add, Sub, Mul"])
def test_default_kernels_compute_what_the_c_package_does(form):
    from sezoo.deployment.engine.arithmetic import ONNXRUNTIME

    graph = read(form)
    low, vectors = lower_graph(graph, PATH), of_patches(graph, ONNXRUNTIME)
    made = list(litert_outputs(flatbuffer_of(low.file, "test"), low, vectors, reference=False))
    assert np.mean(np.array(made) != vectors.outputs) < 1e-3


@needs_litert
def test_a_wrong_integer_is_found():
    graph = read("dilated")
    low, vectors = lower_graph(graph, PATH), of_patches(graph)
    vectors.outputs[1][3, 5] ^= 1
    with pytest.raises(UserError, match="1 of 240 integers differ from numpy's in call 1"):
        compared(low, vectors)


@pytest.mark.parametrize("form", OF_8_BITS)
def test_what_is_folded_and_cut_off_leaves_the_masks_as_they_are(form):
    whole = integer_graph_of(FORMS[form](), PATH)
    for patch in patches(1):
        np.testing.assert_array_equal(run_graph(prepare_graph(whole), patch), run_graph(whole, patch))


def test_the_last_function_is_the_programs_and_orders_of_channels_are_the_weights():
    kinds = [operator.kind for operator in lower_graph(read("pixel shuffle"), PATH).file.operators]
    assert tf.CAST not in kinds
    assert len(prepare_graph(integer_graph_of(FORMS["pixel shuffle"](), PATH)).operators) < len(
        integer_graph_of(FORMS["pixel shuffle"](), PATH).operators
    )


@pytest.mark.parametrize("form", OF_16_BITS)
def test_16_bits_are_refused(form):
    with pytest.raises(UserError, match=r"tensor '\w+' has 16 bits.*quantization.target: tflite"):
        read(form)


@pytest.mark.parametrize("name", ["mean over bins", "quotient", "product by channel"])
def test_sums_and_functions_of_16_bits_need_another_target(name):
    model = operator_graphs.static_int8(operator_graphs.OPERATORS[name](), 20, bits=16)
    with pytest.raises(UserError, match=r"tensor '\w+' has 16 bits.*quantization.target: tflite"):
        tflite_graph_of(model, PATH)


@pytest.mark.parametrize(("name", "kind"), [("layer norm", "Normalize"), ("softmax over channels", "Softmax")])
@pytest.mark.parametrize("bits", [8, 16])
def test_what_no_target_helps_is_named(name, kind, bits):
    model = operator_graphs.static_int8(operator_graphs.OPERATORS[name](), 20, bits=bits)
    with pytest.raises(UserError, match=rf"operator '\w+' \({kind}\).* has no int8 operator"):
        tflite_graph_of(model, PATH)


def test_recurrent_layers_are_named_before_the_16_bits_beside_them():
    path = ZOO / "ugru" / "ugru_int8_static.onnx"
    with pytest.raises(UserError, match=r"recurrent layer '.+' has no operator"):
        tflite_graph_of(load_onnx(path), path)


def test_recurrent_layers_are_refused_by_name():
    model = recurrent_graphs.static_int8(recurrent_graphs.recurrent("LSTM"), 20)
    with pytest.raises(UserError, match=r"recurrent layer '.+' has no operator.*portable-c, benchmarking"):
        tflite_graph_of(model, PATH)


def test_limits_that_are_no_activation_are_operators():
    file = lower_graph(read("Clip before the quantizer"), PATH).file
    assert tf.MINIMUM in [operator.kind for operator in file.operators]


def test_a_large_stride_becomes_channels():
    """Of 4 positions one is left: Ethos-U55 has no such stride."""
    graph = read("pointwise")
    conv = graph.operators[0]
    weights = np.arange(5 * 2, dtype=np.int8).reshape(1, 2, 1, 5, 1)
    strided = replace(
        conv, weights=weights, bias=conv.bias[:2], multiplier=conv.multiplier[:2], positions_in=12, positions=3,
        stride=4, pad=1, output=replace(conv.output, items=6),
    )  # fmt: skip
    changed = replace(graph, operators=(strided,), output=strided.output)
    low = lower_graph(changed, PATH)
    assert [operator.options.get("stride_w", 1) for operator in low.file.operators if operator.kind is tf.CONV_2D] == [
        1
    ]
    if has_litert():
        vectors = of_patches(changed)
        assert compared(low, vectors) == 3 * 20 * 6


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("taps", [1, 2, 3, 5])
@pytest.mark.parametrize("size", [5, 6, 7])
def test_same_is_where_tensorflow_puts_its_zeros(size, taps, stride):
    made = -(-size // stride)
    total = max(0, (made - 1) * stride + taps - size)
    for before in range(taps):
        axis = Axis(size, made, taps, stride, before=before)
        assert axis.is_same == (before == total // 2)


def test_activations_share_memory():
    low = lower_graph(read("depthwise"), PATH)
    sizes = [np.prod(tensor.shape) for tensor in low.file.tensors if tensor.data is None]
    assert max(sizes) < activation_bytes(low.file) < sum(sizes)
