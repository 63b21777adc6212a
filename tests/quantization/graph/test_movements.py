"""Quantizers behind movements of int8 tensors, without which onnxruntime refuses a model of opset 21."""

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx.reference import ReferenceEvaluator

import mask_graphs
from mask_graphs import BINS
from sezoo.quantization.graph.movements import with_quantized_movements


def sliced(opset):
    """Bins of an int8 tensor, turned and turned back, and a function of them that is not rounded."""
    graph = mask_graphs.Graph()
    scale, zero = graph.weight("scale", np.float32(0.01)), graph.weight("zero", np.int8(3))
    graph.node("QuantizeLinear", ["input", scale, zero], "integers")
    graph.node("DequantizeLinear", ["integers", scale, zero], "values")
    graph.node("Transpose", ["values"], "turned", perm=[0, 2, 1])
    graph.node("Transpose", ["turned"], "again", perm=[0, 2, 1])
    ends = [graph.weight(name, np.array([value], np.int64)) for name, value in (("a", 0), ("b", BINS - 1), ("c", 1))]
    graph.node("Slice", ["again", *ends], "some")
    graph.node("Slice", ["again", ends[1], graph.weight("d", np.array([BINS], np.int64)), ends[2]], "last")
    graph.node("Concat", ["last", "some"], "all", axis=1)
    graph.node("Tanh", ["all"], "mask")
    return graph.model(opset=opset)


def plain_session(model):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(model.SerializeToString(), options)


def test_plain_onnxruntime_opens_it_with_the_same_values():
    model = sliced(21)
    magnitude = np.random.default_rng(0).random((2, BINS, 7), np.float32)
    (expected,) = ReferenceEvaluator(model).run(None, {"input": magnitude})
    changed = with_quantized_movements(onnx.ModelProto.FromString(model.SerializeToString()))
    onnx.checker.check_model(changed, full_check=True)
    for run in (plain_session(changed), ReferenceEvaluator(changed)):
        np.testing.assert_allclose(run.run(None, {"input": magnitude})[0], expected, atol=1e-6)
    behind = [changed.graph.node[place + 1].op_type for place, node in enumerate(changed.graph.node)
              if node.op_type in ("Transpose", "Slice")]  # fmt: skip
    assert behind == ["QuantizeLinear"] * 4


@pytest.mark.parametrize("opset", [17])
def test_models_of_earlier_opsets_stay(opset):
    model = sliced(opset)
    assert with_quantized_movements(onnx.ModelProto.FromString(model.SerializeToString())) == model


def test_what_is_rounded_already_and_outputs_stay():
    graph = mask_graphs.Graph()
    scale, zero = graph.weight("scale", np.float32(0.01)), graph.weight("zero", np.int8(3))
    graph.node("QuantizeLinear", ["input", scale, zero], "integers")
    graph.node("DequantizeLinear", ["integers", scale, zero], "values")
    graph.node("Transpose", ["values"], "turned", perm=[0, 2, 1])
    graph.node("QuantizeLinear", ["turned", scale, zero], "turned integers")
    graph.node("DequantizeLinear", ["turned integers", scale, zero], "turned values")
    graph.node("Transpose", ["turned values"], "mask", perm=[0, 2, 1])
    model = graph.model(opset=21)
    assert with_quantized_movements(model).graph == graph.model(opset=21).graph
