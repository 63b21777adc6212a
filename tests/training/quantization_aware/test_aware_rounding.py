"""Rounding as onnxruntime does it, and the gradients that are trained by."""

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper

torch = pytest.importorskip("torch")
from sezoo.training.quantization_aware.rounding import fake_quantize, fake_quantize_bias, round_straight_through  # noqa: E402


def test_values_are_onnxruntimes():
    values = np.random.default_rng(0).normal(0, 3, 1000).astype(np.float32)
    values[:9] = np.arange(-4, 5) * np.float32(0.025)  # ties
    nodes = [helper.make_node("QuantizeLinear", ["x", "s", "z"], ["q"]),
             helper.make_node("DequantizeLinear", ["q", "s", "z"], ["y"])]  # fmt: skip
    constants = [onnx.numpy_helper.from_array(np.float32(0.05), "s"), onnx.numpy_helper.from_array(np.int8(-9), "z")]
    ends = [[helper.make_tensor_value_info(name, 1, [1000])] for name in "xy"]
    graph = helper.make_graph(nodes, "graph", *ends, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    expected = onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"x": values})[0]
    found = fake_quantize(torch.from_numpy(values), torch.tensor(0.05), torch.tensor(-9.0), (-128, 127))
    np.testing.assert_array_equal(found.numpy(), expected)


def test_gradients_are_those_of_learned_step_sizes():
    x = torch.tensor([0.26, -0.4, 5.0, -5.0], requires_grad=True)
    scale = torch.tensor(0.1, requires_grad=True)
    made = fake_quantize(x, scale, torch.tensor(0.0), (-8, 7))
    torch.testing.assert_close(made, torch.tensor([0.3, -0.4, 0.7, -0.8]))
    made.sum().backward()
    assert x.grad.tolist() == [1, 1, 0, 0]  # nothing passes where it is cut off
    slopes = (3 - 2.6) + (-4 + 4) + 7 - 8
    assert float(scale.grad) == pytest.approx(slopes / (4 * 7) ** 0.5, abs=1e-5)


def test_channels_have_gradients_of_their_own():
    x = torch.tensor([[0.26, 9.0], [0.5, 0.52]])
    scale = torch.tensor([[0.1], [0.5]], requires_grad=True)
    fake_quantize(x, scale, torch.zeros(2, 1), (-8, 7)).sum().backward()
    expected = [(0.4 + 7) / 14**0.5, (1 - 1.04) / 14**0.5]
    assert scale.grad.flatten().tolist() == pytest.approx(expected, abs=1e-5)


def test_a_bias_is_rounded_beyond_what_float32_counts():
    bias = torch.tensor([1.0, -0.3, 1e9], requires_grad=True)
    scale = torch.tensor([3e-9, 0.25, 0.25])
    made = fake_quantize_bias(bias, scale)
    expected = np.array([np.rint(1 / float(scale[0])) * float(scale[0]), -0.25, (2**31 - 1) * 0.25])
    np.testing.assert_allclose(made.detach().numpy(), expected, rtol=1e-7)
    made.sum().backward()
    assert bias.grad.tolist() == [1, 1, 1]


def test_whole_numbers_pass_the_gradient_on():
    x = torch.tensor([0.5, 1.5, -0.2], requires_grad=True)
    round_straight_through(x).sum().backward()
    assert round_straight_through(x).tolist() == [0, 2, 0]
    assert x.grad.tolist() == [1, 1, 1]
