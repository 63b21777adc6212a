import numpy as np
import onnx
import pytest

import mask_graphs as graphs
from mask_graphs import BINS
from quantizers import mask_error, ours, quantization, ready, theirs, weights_of
from sezoo.base.errors import UserError
from sezoo.models.mask_model import MaskModel
from sezoo.models.onnx_file import quantized_nodes
from sezoo.quantization.calibration.ranges import calibrate
from sezoo.quantization.graph.preparation import with_known_shapes
from sezoo.quantization.graph.qdq import operators_to_quantize, write_qdq
from sezoo.quantization.options import calibration_options
from sezoo.quantization.overrides import check_overrides
from sezoo.quantization.plan import Plan

PART = ["Conv", "Add", "Relu"]
MODELS = {
    "tcnn": graphs.tcnn(batch_norm=True, seed=3),
    "relu6": graphs.tcnn(relu6=True, seed=5),
    "lstm": graphs.lstm(),
    "viewed": graphs.viewed(),
    "read twice": graphs.read_twice(),
    "clip then relu": graphs.clip_then_relu(),
    "opset 11": graphs.tcnn(opset=11),
}


def same_models(first, second):
    """Equal up to the order of what has none, producer and metadata."""
    assert [(node.op_type, list(node.input), list(node.output)) for node in sorted_nodes(first)] == [
        (node.op_type, list(node.input), list(node.output)) for node in sorted_nodes(second)
    ]
    one, other = weights_of(first), weights_of(second)
    assert one.keys() == other.keys()
    for name, values in one.items():
        assert values.dtype == other[name].dtype, name
        np.testing.assert_array_equal(values, other[name], err_msg=name)
    return True


def sorted_nodes(model):
    return sorted(model.graph.node, key=lambda node: list(node.output))


@pytest.mark.parametrize("op_types", [None, PART])
@pytest.mark.parametrize("reduce_range", [False, True])
@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("name", MODELS)
def test_int8_models_are_quantize_statics_to_the_last_bit(name, per_channel, reduce_range, op_types):
    settings = quantization(
        per_channel=per_channel,
        reduce_range=reduce_range,
        op_types_to_quantize=op_types,
        extra_options={"CalibMovingAverage": True},
    )
    if op_types and name == "lstm":
        settings = settings.model_copy(update={"op_types_to_quantize": ["MatMul", "Add"]})
    prepared, chosen = ready(MODELS[name], settings)
    clips = graphs.magnitudes(40, 63, 20)
    model = ours(prepared, clips, chosen, settings)
    assert quantized_nodes(model) >= 3
    assert same_models(model, theirs(prepared, clips, chosen, settings))


def test_weights_too_small_for_the_bias_are_rescaled_as_onnxruntime_does():
    model = graphs.tcnn(blocks=1)
    for weight in model.graph.initializer:
        if weight.name == "b0.in.weight":
            values = onnx.numpy_helper.to_array(weight).copy()
            values[3] *= 1e-12
            values[5] = 0
            weight.CopyFrom(onnx.numpy_helper.from_array(values, weight.name))
    prepared, op_types = ready(model)
    clips = graphs.magnitudes(40)
    assert same_models(
        ours(prepared, clips, op_types, quantization()), theirs(prepared, clips, op_types, quantization())
    )


@pytest.mark.parametrize(
    "extra", [{"ActivationSymmetric": True}, {"MinimumRealRange": 0.5}, {"WeightSymmetric": False}]
)
@pytest.mark.parametrize("per_channel", [False, True])
def test_extra_options_reach_onnxruntime(extra, per_channel):
    settings = quantization(per_channel=per_channel, extra_options=extra)
    prepared, op_types = ready(MODELS["tcnn"])
    clips = graphs.magnitudes(40, 40)
    assert same_models(ours(prepared, clips, op_types, settings), theirs(prepared, clips, op_types, settings))


@pytest.mark.parametrize("method", ["MinMax", "Entropy", "Percentile", "Distribution"])
@pytest.mark.parametrize("name", MODELS)
def test_masks_are_no_worse_than_quantize_statics(name, method):
    settings = quantization(calibration_method=method)
    prepared, op_types = ready(MODELS[name])
    clips, held_out = graphs.magnitudes(*[120] * 6, seed=1), graphs.magnitudes(45, 80, 60, seed=9)
    mine = mask_error(prepared, ours(prepared, clips, op_types, settings), held_out)
    other = mask_error(prepared, theirs(prepared, clips, op_types, settings), held_out)
    # Where the ranges differ by a thousandth, the errors differ by how values happen to round.
    assert mine <= other * (1 + (0 if method in ("MinMax", "Distribution") else 0.1))


@pytest.mark.parametrize("opset", [9, 11, 13, 17, 21])
def test_per_channel_models_load_whatever_the_opset_was(opset, tmp_path):
    prepared, op_types = ready(graphs.tcnn(opset=opset, batch_norm=True, weights_as_inputs=opset < 13))
    (clip,) = graphs.magnitudes(50)
    path = tmp_path / "int8.onnx"
    model = ours(prepared, [clip], op_types, quantization())
    onnx.save(model, path)
    assert MaskModel(path)(clip).shape == clip.shape
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", max(opset, 13))]
    assert [value.name for value in model.graph.input] == ["input"]
    axes = {w.name: w.dims for w in model.graph.initializer if w.name.endswith("weight_scale")}
    assert axes
    assert all(len(dims) == 1 for dims in axes.values())


def test_the_same_inputs_give_the_same_bytes():
    clips = graphs.magnitudes(40, 30)
    written = []
    for _ in range(2):
        prepared, op_types = ready(graphs.tcnn(batch_norm=True))
        model = ours(prepared, clips, op_types, quantization(calibration_method="Entropy"))
        written.append(model.SerializeToString(deterministic=True))
    assert written[0] == written[1]


def test_the_float_model_is_not_changed():
    prepared, op_types = ready(graphs.tcnn())
    before = prepared.SerializeToString(deterministic=True)
    ours(prepared, graphs.magnitudes(30), op_types, quantization())
    assert prepared.SerializeToString(deterministic=True) == before


# -- TensorQuantOverrides, as YAML can say them --------------------------------------------------------


def overridden(overrides, *, per_channel=True, model=None):
    settings = quantization(per_channel=per_channel, extra_options={"TensorQuantOverrides": overrides})
    prepared, op_types = ready(model or graphs.tcnn())
    check_overrides(prepared, settings)
    return prepared, ours(prepared, graphs.magnitudes(40, 60), op_types, settings)


@pytest.mark.parametrize("per_channel", [True, False])
@pytest.mark.parametrize("opset", [17, 21])
def test_sixteen_bits_for_the_input_make_a_better_and_portable_model(per_channel, opset):
    source = graphs.tcnn(opset=opset)
    prepared, plain = overridden({}, model=source, per_channel=per_channel)
    wide = overridden({"input": [{"quant_type": "QInt16"}]}, model=source, per_channel=per_channel)[1]
    assert weights_of(wide)["input_zero_point"].dtype == np.int16
    assert [(entry.domain, entry.version) for entry in wide.opset_import] == [("", 21)]
    assert {node.domain for node in wide.graph.node} == {""}
    onnx.checker.check_model(wide, full_check=True)
    held_out = graphs.magnitudes(50, 70, seed=5)
    assert mask_error(prepared, wide, held_out) < mask_error(prepared, plain, held_out)


def test_ranges_scales_and_zero_points_are_taken_over():
    overrides = {
        "input": [{"rmin": 0, "rmax": 25.5}],
        "mask": [{"scale": 0.004, "zero_point": -128}],
        "b0.in.weight": [{"quant_type": "QInt8", "symmetric": True}],
    }
    weights = weights_of(overridden(overrides)[1])
    assert weights["input_scale"] == pytest.approx(0.1)
    assert weights["mask_scale"] == np.float32(0.004)
    assert (weights["mask_zero_point"], weights["mask_zero_point"].dtype) == (-128, np.int8)
    assert weights["b0.in.weight_scale"].ndim == 0  # one scale for the tensor, in spite of per_channel
    assert weights["b1.in.weight_scale"].shape == (graphs.LATENT,)


@pytest.mark.parametrize(
    ("overrides", "reason"),
    [
        ({"input": [{"quant_type": "QInt7"}]}, "'QInt7' is no type; known are QInt8"),
        ({"input": {"quant_type": "QInt16"}}, "a list of mappings"),
        (["input"], "a list of mappings"),
        ({"input": ["QInt16"]}, "found 'QInt16'; a mapping such as"),
        ({"no_such_tensor": [{"quant_type": "QInt8"}]}, "has no tensor 'no_such_tensor'; it has "),
        ({"input": [{"rmax": "loud"}]}, "loud"),
        ({"mask": [{"scale": 0.1, "zero_point": 1000}]}, "1000"),
    ],
)
def test_overrides_that_make_no_sense(overrides, reason):
    with pytest.raises(UserError, match=rf"quantization\.extra_options.*{reason}") as raised:
        overridden(overrides)
    assert "\n" not in str(raised.value)


# -- what version 4 of the model zoo can say of single tensors and nodes ---------------------------------


@pytest.mark.parametrize(
    "settings",
    [
        {"weight_type": "Int4"},
        {"weight_type": "Int4", "per_channel": False},
        {"weight_type": "UInt8", "activation_type": "UInt8"},
        {"weight_type": "Int16", "activation_type": "Int16"},
        {"activation_type": "UInt16"},
        {"nodes_to_exclude": ["node_b0.in", "node_mask"]},
        {"nodes_to_quantize": ["node_b0.in", "node_b1.out"]},
        {"extra_options": {"QuantizeBias": False, "ActivationSymmetric": True}},
        {"extra_options": {"SmoothQuant": False, "SmoothQuantAlpha": 0.5, "SmoothQuantFolding": True}},
        {"weight_overrides": [["b0.in.weight", {"quant_type": "Int4", "axis": 0}]]},
        {
            "weight_overrides": [["b0.in.weight", {"quant_type": "Int16", "scale": 0.0025, "zero_point": -12}]],
            "activation_overrides": [["b0.in", {"quant_type": "Int16"}], ["input", {"quant_type": "UInt8"}]],
        },
    ],
    ids=str,
)
def test_types_nodes_and_overrides_are_quantize_statics(settings):
    settings = quantization(**settings)
    prepared, op_types = ready(graphs.tcnn(opset=21), settings)
    clips = graphs.magnitudes(40, 63, 20)
    model = ours(prepared, clips, op_types, settings)
    assert same_models(model, theirs(prepared, clips, op_types, settings))
    onnx.checker.check_model(model, full_check=True)
    assert np.all(np.isfinite(MaskModel(model)(clips[0])))


def test_weights_of_4_bits_take_half_a_byte():
    prepared, op_types = ready(graphs.tcnn(opset=21))
    clips = graphs.magnitudes(40)
    weights = {
        kind: next(
            weight
            for weight in ours(prepared, clips, op_types, quantization(weight_type=kind)).graph.initializer
            if weight.name == "b0.in.weight_quantized"
        )
        for kind in ("Int4", "Int8")
    }
    assert len(weights["Int4"].raw_data or weights["Int4"].int32_data) * 2 == len(weights["Int8"].raw_data)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"weight_overrides": [["b0.in.wieght", {"quant_type": "Int4"}]]},
            "quantization.weight_overrides: the model has no weight 'b0.in.wieght'; did you mean 'b0.in.weight'?",
        ),
        (
            {"activation_overrides": [["b0.in.weight", {"quant_type": "Int16"}]]},
            "quantization.activation_overrides: 'b0.in.weight' is no activation of the model; it belongs in "
            "quantization.weight_overrides",
        ),
        (
            {"weight_overrides": [["b0.in.weight", {"quant_type": "Int4", "scale": 0.1}]]},
            "quantization.weight_overrides: 'b0.in.weight' has a scale or a zero_point; both are needed, or neither",
        ),
        (
            {"weight_overrides": [["b0.in.weight", {"quant_type": "Int4", "scale": 0.1, "zero_point": 9}]]},
            "9 is out of bounds for QInt4",
        ),
        (
            {"weight_overrides": [["b0.in.weight", {"quant_type": "Int4"}]] * 2},
            "quantization.weight_overrides: the tensor 'b0.in.weight' has two overrides",
        ),
        (
            {"nodes_to_exclude": ["node_b0.inn"]},
            "quantization.nodes_to_exclude: no node of some_model.onnx is called 'node_b0.inn'; did you mean "
            "'node_b0.in'?",
        ),
    ],
)
def test_overrides_and_nodes_that_are_not_there(settings, message):
    settings = quantization(**settings)
    prepared, op_types = ready(graphs.tcnn(opset=21), settings)
    with pytest.raises(UserError) as raised:
        check_overrides(prepared, settings)
        ours(prepared, graphs.magnitudes(20), op_types, settings)
    assert message in str(raised.value)


# -- options and operators, checked --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ({"CalibMovingAvarage": True}, "no such option; did you mean CalibMovingAverage?"),
        ({"ActivationSymetric": True}, "did you mean ActivationSymmetric?"),
        ({"xyz": 1}, "known are CalibMovingAverage, "),
        ({"SmoothQuant": True}, "found True; it needs a package"),
        ({"CalibPercentile": "many"}, "found 'many'; a number is needed"),
        ({"CalibPercentile": True}, "found True; a number is needed"),
        ({"CalibPercentile": 0}, "found 0; a percentage above 0"),
        ({"CalibPercentile": 101}, "found 101; a percentage above 0"),
        ({"CalibStridedMinMax": 2.5}, "found 2.5; a whole number is needed"),
        ({"CalibStridedMinMax": 0}, "found 0; a number of clips"),
        ({"CalibMovingAverageConstant": 1.5}, "found 1.5; a number from 0 to 1"),
        ({"CalibMovingAverageConstant": -0.1}, "found -0.1; a number from 0 to 1"),
    ],
)
def test_wrong_extra_options(extra, message):
    (key,) = extra
    with pytest.raises(UserError) as raised:
        calibration_options(quantization(extra_options=extra))
    assert str(raised.value).startswith(f"quantization.extra_options.{key}: ")
    assert message in str(raised.value)


def test_calibration_options_are_read():
    extra = {
        "CalibMovingAverage": True,
        "CalibMovingAverageConstant": 0,
        "CalibStridedMinMax": 5,
        "CalibPercentile": 99,
    }
    options = calibration_options(quantization(extra_options=extra, calibration_method="Percentile"))
    assert (options.averaging_constant, options.stride) == (0, 5)
    assert (options.percentile, options.method, options.symmetric) == (99, "Percentile", None)
    assert calibration_options(quantization(extra_options={"CalibPercentile": None})).percentile == 99.999


@pytest.mark.parametrize(
    ("method", "averages"), [("MinMax", True), ("Distribution", False), ("Entropy", False), ("Percentile", False)]
)
def test_only_minmax_averages_over_the_clips(method, averages):
    settings = quantization(extra_options={"CalibMovingAverage": True}, calibration_method=method)
    assert calibration_options(settings).moving_average is averages


def test_operators(caplog, tmp_path):
    path = tmp_path / "m.onnx"
    model = graphs.tcnn()
    everything = operators_to_quantize(model, None, path)
    assert everything == sorted(everything)
    assert {"Conv", "Add", "Relu", "MatMul"} <= set(everything)
    assert operators_to_quantize(model, ["Conv", "MatMul"], path) == ["Conv", "MatMul"]
    assert "MatMul not in" in caplog.text
    for wanted, message in (
        (["Convv"], r"'Convv' cannot be quantized; did you mean Conv\? .*m.onnx has Add, Conv, Relu, Sigmoid"),
        (["LSTM"], "'LSTM' cannot be quantized"),
        (["MatMul", "Gemm"], "none of MatMul, Gemm is in .*m.onnx, which has Add, Conv"),
    ):
        with pytest.raises(UserError, match=rf"quantization.op_types_to_quantize: {message}"):
            operators_to_quantize(model, wanted, path)
    with pytest.raises(UserError, match=r"no operator that can be quantized is in .*, which has Exp, Neg"):
        operators_to_quantize(graphs.without_weights(), None, path)


def test_a_model_in_which_nothing_gets_quantized():
    """The only operators of the type work on shapes, which are no floats."""
    settings = quantization(op_types_to_quantize=["Gather"])
    prepared, op_types = with_known_shapes(graphs.viewed(axes=(None, BINS, None), declare_mask=False)), ["Gather"]
    with pytest.raises(UserError, match="op_types_to_quantize: Gather of the model work on no float32 activation"):
        calibrate(prepared, [graphs.magnitudes(30)], op_types, calibration_options(settings))
    with pytest.raises(UserError, match="op_types_to_quantize: no operator of the model was quantized"):
        write_qdq(Plan(prepared, prepared, {}, tuple(op_types)), settings)


# -- layers whose channels onnxruntime's quantizer takes for others --------------------------------------------


def normalized_over_two_axes():
    """A LayerNormalization over channels and bins, as those of dual-path networks."""
    graph = graphs.Graph()
    source = graph.node("Transpose", ["input"], "frames_first", perm=[0, 2, 1])
    split = graph.weight("split", np.array([0, -1, 3, 11]))
    source = graph.node("Reshape", [source, split], "in_two")
    parts = [graph.random(f"norm.{part}", 3, 11) for part in ("weight", "bias")]
    source = graph.node("LayerNormalization", [source, *parts], "norm", axis=-2)
    source = graph.node("Reshape", [source, graph.weight("joined", np.array([0, -1, BINS]))], "in_one")
    source = graph.node("Transpose", [source], "bins_first", perm=[0, 2, 1])
    graph.node("Sigmoid", [graph.conv(source, "last", BINS, BINS)], "mask")
    return graph.model()


def transposed_in_groups():
    graph = graphs.Graph()
    source = graph.conv("input", "first", BINS, 12)
    weights = [graph.random("up.weight", 12, 2, 1, fan_in=3), graph.random("up.bias", 8)]
    source = graph.node("ConvTranspose", [source, *weights], "up", group=4, kernel_shape=[1])
    graph.node("Sigmoid", [graph.conv(source, "last", 8, BINS)], "mask")
    return graph.model()


def gemm_with_a_bias_of_shape(*shape):
    graph = graphs.Graph()
    source = graph.node("Transpose", ["input"], "frames_first", perm=[0, 2, 1])
    source = graph.node("Reshape", [source, graph.weight("flat", np.array([-1, BINS]))], "rows")
    weights = [graph.random("gemm.weight", BINS, BINS, fan_in=BINS), graph.random("gemm.bias", *shape)]
    source = graph.node("Gemm", [source, *weights], "gemm")
    source = graph.node("Reshape", [source, graph.weight("back", np.array([1, -1, BINS]))], "frames")
    graph.node("Sigmoid", [graph.node("Transpose", [source], "bins_first", perm=[0, 2, 1])], "mask")
    return graph.model(axes=(1, BINS, "seq_len"))


@pytest.mark.parametrize(
    "model",
    [
        normalized_over_two_axes(), transposed_in_groups(), gemm_with_a_bias_of_shape(1, BINS),
        gemm_with_a_bias_of_shape(1), gemm_with_a_bias_of_shape(),
    ],
    ids=["layer norm", "groups", "a row", "one", "a number"],
)  # fmt: skip
def test_layers_whose_channels_are_not_those_of_their_biases(model):
    prepared, op_types = ready(model)
    clips = graphs.magnitudes(20, 31)
    int8 = ours(prepared, clips, op_types, quantization())
    assert mask_error(model, int8, clips) < 0.02
