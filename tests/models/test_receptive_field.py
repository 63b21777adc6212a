import numpy as np
import onnx
import pytest

from builders import mask_graph, time_convolution
from mask_graphs import BINS, lstm, magnitudes, tcnn
from quantizers import ours, quantization, ready
from sezoo.models.mask_model import MaskModel
from sezoo.models.receptive_field import (
    longest_reach,
    receptive_field,
    receptive_field_of,
    recurrent_lookahead,
    without_quantizers,
)


@pytest.mark.parametrize(
    ("kernel", "dilation", "pads", "field"),
    [
        (1, 1, [0, 0], (0, 0)),
        (3, 1, [1, 1], (1, 1)),
        (3, 4, [8, 0], (8, 0)),  # causal
        (3, 2, [0, 4], (0, 4)),
        (5, 10, [20, 20], (20, 20)),
        (3, 200, [200, 200], (200, 200)),
    ],
)
def test_receptive_field_of_one_convolution(kernel, dilation, pads, field):
    model = time_convolution(kernel, dilation, pads)
    assert receptive_field(MaskModel(model), 5, longest_reach(model)) == field


@pytest.mark.parametrize(("late", "field"), [(2, (2, 0)), (-2, (0, 2))])
def test_a_frames_own_mask_counts_though_it_depends_on_others_alone(late, field):
    class Shifted:
        frames = None

        def __call__(self, magnitude):
            return np.roll(magnitude, late, 2)

    assert receptive_field(Shifted(), 5, reach=8) == field


def test_a_field_that_reaches_the_ends_is_not_known():
    assert receptive_field(MaskModel(time_convolution(3, 8, [8, 8])), 5, reach=7) is None


def test_the_reach_is_a_bound():
    assert longest_reach(time_convolution(3, 800, [800, 800])) >= 800
    assert longest_reach(tcnn()) >= 2


def test_strides_and_kernels_over_bins_make_the_bound_no_longer():
    """A U-Net that halves the bins twice, whose kernels over frames are 3 and 5."""
    convs = [
        *(("a", "x4", [3, 1], [2, 1], [1, 0, 1, 0], 1), ("b", "a", [5, 3], [2, 1], [2, 1, 2, 1], 1)),
        ("c", "b", [1, 5], [1, 1], [0, 4, 0, 4], 2),
    ]
    helper = onnx.helper
    nodes = [helper.make_node("Unsqueeze", ["x", "one"], ["x4"])]
    weights = [onnx.numpy_helper.from_array(np.array([1]), "one")]
    for name, value, kernel, strides, pads, dilation in convs:
        weights.append(onnx.numpy_helper.from_array(np.ones((1, 1, *kernel), np.float32), f"w{name}"))
        nodes.append(
            helper.make_node(
                "Conv", [value, f"w{name}"], [name], kernel_shape=kernel, strides=strides, pads=pads,
                dilations=[1, dilation],
            )
        )  # fmt: skip
    weights.append(onnx.numpy_helper.from_array(np.ones((1, 9, 3), np.float32), "spread"))
    nodes.append(helper.make_node("Squeeze", ["c", "one"], ["flat"]))
    nodes.append(helper.make_node("MatMul", ["spread", "flat"], ["mask"]))
    ends = [helper.make_tensor_value_info(name, 1, ["batch", 9, "frames"]) for name in ("x", "mask")]
    graph = helper.make_graph(nodes, "unet", ends[:1], ends[1:], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    assert receptive_field(MaskModel(model), 9, 40) == (5, 5)
    assert 5 <= longest_reach(model) == 2 + 8
    model.graph.node[0].op_type = "NoSuchOperator"  # nothing is known of the axes behind it
    assert longest_reach(model) == (2 + 4 + 8) * 4


def shifted(pads, start, end):
    """The input with frames of zeros before and after it, of which a Slice takes some away."""
    text = """<ir_version: 8, opset_import: ["" : 17]> g (float[1, 5, frames] x) => (float[1, 5, frames] mask)
        <int64[6] pads = {0, 0, %d, 0, 0, %d}, int64[1] start = {%d}, int64[1] end = {%d}, int64[1] axis = {2}>
        { padded = Pad (x, pads)
          mask = Slice (padded, start, end, axis) }"""
    return onnx.parser.parse_model(text % (*pads, start, end))


@pytest.mark.parametrize(
    ("pads", "start", "end", "field"),
    [((3, 0), 0, -3, (3, 0)), ((0, 2), 2, 1 << 60, (0, 2)), ((9, 1), 4, -6, (5, 0)), ((40, 0), 0, -40, (40, 0))],
)
def test_a_tensor_that_is_late_or_early_has_a_field(pads, start, end, field, tmp_path):
    assert receptive_field_of(shifted(pads, start, end), tmp_path / "m.onnx") == field


def test_recurrent_models_have_no_bound(tmp_path):
    assert receptive_field_of(lstm(), tmp_path / "lstm.onnx") is None


@pytest.mark.parametrize("direction, taps, lookahead", [("forward", 1, 0), ("forward", 5, 2), ("reverse", 1, None)])
def test_recurrent_models_look_as_far_ahead_as_their_convolutions(tmp_path, direction, taps, lookahead):
    model = lstm()
    layer = next(node for node in model.graph.node if node.op_type == "LSTM")
    layer.attribute.append(onnx.helper.make_attribute("direction", direction))
    weight = np.full((BINS, 1, taps), 0.5, np.float32)
    model.graph.initializer.append(onnx.numpy_helper.from_array(weight, "taps"))
    model.graph.node[0].input[0] = "filtered"
    pads = [taps // 2] * 2
    model.graph.node.insert(0, onnx.helper.make_node("Conv", ["input", "taps"], ["filtered"], group=BINS, pads=pads))
    assert recurrent_lookahead(model, tmp_path / "lstm.onnx") == lookahead


def test_a_model_without_recurrent_layers_has_a_field_instead(tmp_path):
    assert recurrent_lookahead(tcnn(), tmp_path / "tcnn.onnx") is None


def int8_of(model, clips):
    settings = quantization()
    prepared, op_types = ready(model, settings)
    return ours(prepared, clips, op_types, settings)


def test_an_int8_model_has_the_field_of_its_float_model(tmp_path):
    model = tcnn(scale=0.05)
    field = receptive_field_of(model, tmp_path / "float.onnx")
    assert field is not None
    assert receptive_field_of(int8_of(model, magnitudes(60)), tmp_path / "int8.onnx") == field


def test_without_quantizers_no_activation_is_rounded():
    exact = without_quantizers(int8_of(tcnn(), magnitudes(60)))
    assert "QuantizeLinear" not in {node.op_type for node in exact.graph.node}
    one, other = MaskModel(exact), magnitudes(60)[0]
    nearly = other.copy()
    nearly[0, 3, 30] *= 1 + 1e-4  # far less than a step of eight bits
    assert (one(other) != one(nearly)).any()


def test_a_model_without_quantizers_comes_back_as_it_is():
    model = mask_graph()
    assert without_quantizers(model).SerializeToString() == model.SerializeToString()


def test_a_static_model_shorter_than_its_field_is_looked_at_in_full_length(tmp_path):
    model = time_convolution(5, 10, [20, 20])
    for value in (model.graph.input[0], model.graph.output[0]):
        value.type.tensor_type.shape.dim[2].dim_value = 11
    onnx.checker.check_model(model)
    assert receptive_field_of(model, tmp_path / "m.onnx") == (20, 20)
