"""Shapes become constants, and an int8 model keeps its quantizers as they are."""

import numpy as np
import onnx
from onnx import TensorProto, helper

import mask_graphs
from mask_graphs import BINS
from sezoo.models.onnx_session import open_session
from sezoo.quantization.graph.preparation import with_known_shapes
from sezoo.quantization.graph.shape_folding import with_folded_shapes

FRAMES = 12


def computing_its_shapes(frames):
    """A transposed tensor between quantizers, reshaped by what the graph finds of its input's shape."""
    graph = mask_graphs.Graph()
    scale, zero = graph.weight("scale", np.float32(0.01)), graph.weight("zero", np.int8(-128))
    graph.node("QuantizeLinear", ["input", scale, zero], "q")
    graph.node("DequantizeLinear", ["q", scale, zero], "dq")
    graph.node("Transpose", ["dq"], "turned", perm=[0, 2, 1])
    graph.node("QuantizeLinear", ["turned", scale, zero], "turned_q")
    graph.node("DequantizeLinear", ["turned_q", scale, zero], "turned_dq")
    graph.node("Shape", ["input"], "lengths", start=2)
    graph.node("Mul", ["lengths", graph.weight("bins", np.array([BINS], np.int64))], "all_values")
    graph.node("Reshape", ["turned_dq", "all_values"], "flat")
    graph.node("Shape", ["flat"], "of_flat")
    graph.node("ConstantOfShape", ["of_flat"], "zeros")
    graph.node("Add", ["flat", "zeros"], "sum")
    graph.node("Concat", [graph.weight("one", np.array([1], np.int64)), "lengths", "bins"], "frames_first", axis=0)
    graph.node("Reshape", ["sum", "frames_first"], "clip")
    graph.node("Transpose", ["clip"], "mask", perm=[0, 2, 1])
    return graph.model(axes=(1, BINS, frames))


def quantizers_of(model):
    return [node.SerializeToString() for node in model.graph.node if node.op_type.endswith("Linear")]


def test_what_is_computed_from_known_shapes_becomes_constant():
    model = computing_its_shapes(FRAMES)
    folded = with_folded_shapes(with_known_shapes(onnx.ModelProto.FromString(model.SerializeToString())))
    assert not {"Shape", "Mul", "ConstantOfShape", "Concat"} & {node.op_type for node in folded.graph.node}
    assert quantizers_of(folded) == quantizers_of(model)
    magnitude = np.random.default_rng(0).random((1, BINS, FRAMES), np.float32)
    run = [open_session(each, optimization="none").run(None, {"input": magnitude})[0] for each in (model, folded)]
    np.testing.assert_array_equal(*run)
    onnx.checker.check_model(folded, full_check=True)


def test_shapes_that_are_not_known_stay():
    model = with_known_shapes(computing_its_shapes("seq_len"))
    assert [node.op_type for node in with_folded_shapes(model).graph.node] == [
        node.op_type for node in computing_its_shapes("seq_len").graph.node
    ]


def test_weights_behind_quantizers_stay():
    graph = mask_graphs.Graph()
    scale = graph.weight("scale", np.float32(0.5))
    graph.node("DequantizeLinear", [graph.weight("stored", np.int8([[2]])), scale], "weight")
    graph.node("Mul", ["input", "weight"], "mask")
    model = with_folded_shapes(with_known_shapes(graph.model(axes=(1, BINS, FRAMES))))
    assert [node.op_type for node in model.graph.node] == ["DequantizeLinear", "Mul"]
    assert helper.tensor_dtype_to_np_dtype(TensorProto.INT8) in {
        onnx.numpy_helper.to_array(weight).dtype for weight in model.graph.initializer
    }
