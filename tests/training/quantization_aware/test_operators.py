"""Each operator computes what onnxruntime computes."""

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper

torch = pytest.importorskip("torch")
from sezoo.training.quantization_aware.operators import OPERATORS  # noqa: E402


def real(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def whole(*numbers):
    return np.array(numbers, np.int64)


X, IMAGE = real(2, 4, 9), real(2, 4, 7, 6)
LSTM = [real(9, 2, 4), real(1, 12, 4, seed=1), real(1, 12, 3, seed=2), real(1, 24, seed=3)]
GRU = [real(9, 2, 4), real(2, 9, 4, seed=1), real(2, 9, 3, seed=2), real(2, 18, seed=3)]
CASES = [
    ("Conv", [X, real(6, 2, 3), real(6)], {"group": 2, "dilations": [2], "pads": [3, 1], "strides": [2]}),
    ("Conv", [IMAGE, real(5, 4, 3, 3)], {"pads": [1, 0, 1, 2]}),
    ("Conv", [IMAGE, real(5, 4, 3, 2)], {"auto_pad": "SAME_UPPER", "strides": [2, 2]}),
    ("Conv", [IMAGE, real(5, 4, 4, 2)], {"auto_pad": "SAME_LOWER"}),
    ("ConvTranspose", [X, real(4, 3, 3), real(3)], {"strides": [2], "pads": [1, 0], "output_padding": [1]}),
    ("Gemm", [real(3, 4), real(5, 4), real(5)], {"transB": 1, "alpha": 0.5, "beta": 2.0}),
    ("Gemm", [real(4, 3), real(4, 5)], {"transA": 1}),
    ("MatMul", [X, real(9, 3)], {}),
    ("LSTM", LSTM, {"hidden_size": 3, "outputs": 3}),
    ("LSTM", [*LSTM[:3], None, None, real(1, 2, 3), real(1, 2, 3)], {"hidden_size": 3, "outputs": 3}),
    ("GRU", [part[:1] if index else part for index, part in enumerate(GRU)],
     {"hidden_size": 3, "linear_before_reset": 1, "outputs": 2}),
    ("BatchNormalization", [X, real(4), real(4), real(4), real(4) ** 2], {"epsilon": 1e-3}),
    ("InstanceNormalization", [X, real(4), real(4)], {}),
    ("LayerNormalization", [X, real(9), real(9)], {}),
    ("LayerNormalization", [X, real(4, 9)], {"axis": 1}),
    ("Add", [X, real(4, 1)], {}), ("Sub", [X, real(9)], {}), ("Mul", [X, real(1)], {}), ("Div", [X, real(4, 1)], {}),
    ("Div", [whole(7, -7), whole(2, 2)], {}),
    ("Pow", [np.abs(X), np.float32(0.3)], {}), ("Max", [X, real(9), real(1)], {}), ("Min", [X, real(9)], {}),
    ("Relu", [X], {}), ("LeakyRelu", [X], {"alpha": 0.2}), ("PRelu", [X, real(4, 1)], {}),
    ("Clip", [X, np.float32(-0.5), np.float32(0.5)], {}), ("Clip", [X, None, np.float32(0.5)], {}),
    ("Elu", [X], {"alpha": 0.7}), ("Sigmoid", [X], {}), ("Tanh", [X], {}), ("HardSigmoid", [X], {"alpha": 0.3}),
    ("HardSwish", [4 * X], {}), ("Softplus", [X], {}), ("Gelu", [X], {"approximate": "tanh"}),
    ("Softmax", [X], {"axis": 1}), ("Abs", [X], {}), ("Neg", [X], {}), ("Sqrt", [np.abs(X)], {}), ("Exp", [X], {}),
    ("Log", [np.abs(X)], {}), ("Erf", [X], {}), ("Reciprocal", [X], {}), ("Round", [np.float32([0.5, 1.5, -2.5])], {}),
    ("Where", [X > 0, X, real(9)], {}), ("Equal", [whole(1, 2), whole(1, 3)], {}),
    ("ReduceMean", [X, whole(1)], {}), ("ReduceSum", [X], {"keepdims": 0}), ("ReduceMax", [X, whole(-1)], {}),
    ("MaxPool", [X], {"kernel_shape": [3], "pads": [2, 0]}),
    ("MaxPool", [IMAGE[:, :, :6]], {"kernel_shape": [2, 2], "strides": [2, 2]}),
    ("AveragePool", [IMAGE], {"kernel_shape": [2, 3], "strides": [2, 1]}), ("GlobalAveragePool", [IMAGE], {}),
    ("Reshape", [X, whole(0, -1)], {}), ("Transpose", [X], {"perm": [2, 0, 1]}), ("Transpose", [X], {}),
    ("Flatten", [IMAGE], {"axis": 2}), ("Squeeze", [X[:1], whole(0)], {}), ("Unsqueeze", [X, whole(0, -1)], {}),
    ("Slice", [X, whole(1, -5), whole(4, 100), whole(1, 2), whole(1, 2)], {}),
    ("Slice", [X, whole(-1), whole(-100), whole(2), whole(-2)], {}),
    ("Pad", [X, whole(0, 1, 2, 0, 0, 3), np.float32(0.5)], {}),
    ("Pad", [X, whole(0, 0, 2, 0, 0, 3)], {"mode": "reflect"}),
    ("Pad", [X, whole(2, 3), None, whole(-1)], {"mode": "edge"}),
    ("Split", [X, whole(3, 6)], {"axis": 2, "outputs": 2}), ("Split", [X], {"axis": 1, "num_outputs": 2, "outputs": 2}),
    ("Gather", [X, whole(-1, 0)], {"axis": 2}), ("Gather", [X, np.int64(1)], {"axis": 1}),
    ("Shape", [X], {}), ("Shape", [X], {"start": 1}), ("Expand", [real(4, 1), whole(2, 1, 5)], {}),
    ("Concat", [X, X[:, :1]], {"axis": 1}), ("Tile", [X, whole(1, 2, 1)], {}), ("Identity", [X], {}),
    ("Cast", [X], {"to": 7}), ("ConstantOfShape", [whole(2, 3)], {"value": helper.make_tensor("v", 1, [1], [0.5])}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("op_type", "inputs", "attributes"), CASES, ids=[f"{i} {case[0]}" for i, case in enumerate(CASES)]
)
def test_results_are_onnxruntimes(op_type, inputs, attributes):
    settings = {key: value for key, value in attributes.items() if key != "outputs"}
    outputs = [f"y{index}" for index in range(attributes.get("outputs", 1))]
    names = ["" if value is None else f"x{index}" for index, value in enumerate(inputs)]
    node = helper.make_node(op_type, names, outputs, **settings)
    there = {name: np.asarray(value) for name, value in zip(names, inputs, strict=True) if name}
    ends = [
        helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(value.dtype), value.shape)
        for name, value in there.items()
    ]
    graph = helper.make_graph([node], "graph", ends, [helper.make_empty_tensor_value_info(name) for name in outputs])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    expected = onnxruntime.InferenceSession(model.SerializeToString()).run(None, there)
    given = {entry.name: helper.get_attribute_value(entry) for entry in node.attribute} | {"outputs": len(outputs)}
    found = OPERATORS[op_type]([None if value is None else torch.tensor(value) for value in inputs], given)
    found = [found] if isinstance(found, torch.Tensor) else list(found)
    for one, other in zip(found, expected, strict=True):
        assert tuple(one.shape) == np.shape(other)
        np.testing.assert_allclose(one.numpy(), other, rtol=1e-4, atol=1e-5)


def test_forms_that_are_not_known_say_so():
    for op_type, inputs, attributes in (
        ("GRU", GRU, {"hidden_size": 3}),
        ("AveragePool", [IMAGE], {"kernel_shape": [2, 2], "pads": [1, 1, 1, 1]}),
        ("Cast", [X], {"to": onnx.TensorProto.FLOAT16}),
    ):
        with pytest.raises(NotImplementedError, match=op_type):
            OPERATORS[op_type]([torch.tensor(value) for value in inputs], attributes)
