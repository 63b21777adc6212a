import numpy as np
import onnx
import pytest

import complex_graphs
import mask_graphs as graphs
import recurrent_graphs
from mask_graphs import BINS
from quantizers import mask_error, ours, quantization, ready, weights_of
from sezoo.base.errors import UserError
from sezoo.models.contract import Contract, check_contract
from sezoo.models.mask_model import MaskModel
from sezoo.models.onnx_file import quantized_nodes
from sezoo.models.onnx_graph import axes_of
from sezoo.models.onnx_session import open_session
from sezoo.models.spectra import COMPLEX_MASK, PARTS_LAST
from sezoo.quantization.graph.preparation import prepare
from sezoo.quantization.graph.static_shape import check_axis_name, dynamic_axes, with_static_shape
from sezoo.quantization.graph.verification import verify

FRAMES = 40
ALL_WAYS = {
    "tcnn": graphs.tcnn(),
    "batch norm": graphs.tcnn(batch_norm=True),
    "relu6": graphs.tcnn(relu6=True),
    "lstm": graphs.lstm(),
    "lstm, unnamed axes": graphs.lstm(axes=(None, BINS, None)),
    "shapes computed": graphs.viewed(),
    "shapes computed, batch 1": graphs.viewed(axes=(1, BINS, "seq_len")),
    "shapes computed, nothing declared": graphs.viewed(axes=(None, BINS, None), declare_mask=False),
    "batch 1 hard-coded": graphs.batch_hard_coded(axes=(1, BINS, "seq_len")),
    "batch 1": graphs.tcnn(axes=(1, BINS, "seq_len")),
    "opset 9": graphs.tcnn(opset=9, relu6=True),
    "opset 11, weights as inputs": graphs.tcnn(opset=11, batch_norm=True, weights_as_inputs=True),
    "opset 21": graphs.tcnn(opset=21),
    "unnamed axes": graphs.tcnn(axes=(None, BINS, None)),
    "other names": graphs.tcnn(axes=("N", BINS, "time")),
    "one name for both": graphs.tcnn(axes=("n", BINS, "n")),
    "mask not declared": graphs.tcnn(declare_mask=False),
    "read twice": graphs.read_twice(),
    "clip then relu": graphs.clip_then_relu(),
    "float16 inside": graphs.float16_inside(),
}


@pytest.fixture(params=ALL_WAYS)
def int8(request):
    """The float model, the int8 model and the static int8 model."""
    prepared, op_types = ready(ALL_WAYS[request.param])
    dynamic = ours(prepared, graphs.magnitudes(50, 61, 40), op_types, quantization())
    return ALL_WAYS[request.param], dynamic, with_static_shape(dynamic, FRAMES)


def saved(folder, **models):
    for name, model in models.items():
        onnx.save(model, folder / f"{name}.onnx")
    return [folder / f"{name}.onnx" for name in models]


def test_every_kind_of_model_goes_all_the_way(int8, tmp_path):
    source, dynamic, static = int8
    (patch,) = graphs.magnitudes(FRAMES, seed=7)
    verify(*saved(tmp_path, dynamic=dynamic, static=static), patch)
    for model in (dynamic, static):
        onnx.checker.check_model(model, full_check=True)
        assert [value.name for value in model.graph.input] == ["input"]
        assert mask_error(source, model, [patch]) < 0.06

    # static on every axis, told by onnxruntime: each tensor's real shape is the one declared
    assert axes_of(static.graph.input[0]) == axes_of(static.graph.output[0]) == [1, BINS, FRAMES]
    shapes = {value.name: axes_of(value) for value in static.graph.value_info}
    made = [name for node in static.graph.node for name in node.output if name and name != "mask"]
    assert set(made) <= shapes.keys()
    probe = onnx.ModelProto()
    probe.CopyFrom(static)
    probe.graph.output.extend(value for value in static.graph.value_info if value.name in made)
    session = open_session(probe, optimization="none")
    names = [output.name for output in session.get_outputs()]
    for name, values in zip(names[1:], session.run(None, {"input": patch})[1:], strict=True):
        assert list(values.shape) == shapes[name], name
    assert quantized_nodes(static) >= quantized_nodes(dynamic)  # folding shapes may double a DequantizeLinear
    int8_weights = {name: values for name, values in weights_of(dynamic).items() if values.dtype == np.int8}
    for name, values in int8_weights.items():
        np.testing.assert_array_equal(weights_of(static)[name], values, err_msg=name)
    assert not {"Shape", "Gather"} & {node.op_type for node in static.graph.node}

    with pytest.raises(UserError):
        MaskModel(static).fresh()(graphs.magnitudes(FRAMES + 1)[0])


def test_the_argument_stays_dynamic():
    model = graphs.viewed()
    with_static_shape(model, FRAMES)
    assert model == graphs.viewed()


def test_folding_computes_the_same_mask_and_leaves_no_batch_norm(tmp_path):
    model = graphs.tcnn(batch_norm=True)
    prepared = prepare(model, tmp_path / "m.onnx", check_contract(model, tmp_path / "m.onnx"))
    assert "BatchNormalization" not in {node.op_type for node in prepared.graph.node}
    assert mask_error(model, prepared, graphs.magnitudes(30, 50)) < 1e-6
    assert model == graphs.tcnn(batch_norm=True)


@pytest.mark.parametrize("opset", [9, 11, 13, 17])
def test_weights_listed_as_inputs_are_folded_too(opset, tmp_path):
    path = tmp_path / "m.onnx"
    listed = graphs.tcnn(batch_norm=True, weights_as_inputs=True, opset=opset)
    prepared = prepare(listed, path, check_contract(listed, path))
    assert [value.name for value in prepared.graph.input] == ["input"]
    assert "BatchNormalization" not in {node.op_type for node in prepared.graph.node}
    assert mask_error(listed, prepared, graphs.magnitudes(30)) < 1e-6


def test_a_batch_of_one_becomes_dynamic_where_it_can(tmp_path, caplog):
    path = tmp_path / "m.onnx"
    caplog.set_level("INFO")
    for model, expected in (
        (graphs.tcnn(axes=(1, BINS, "time")), ["batch", BINS, "time"]),
        (graphs.batch_hard_coded(axes=(1, BINS, "time")), [1, BINS, "time"]),
    ):
        prepared = prepare(model, path, check_contract(model, path))
        assert axes_of(prepared.graph.input[0]) == expected
    assert "its batch axis, fixed to 1, is made dynamic" in caplog.text
    assert "works for a batch of 1 only" in caplog.text


@pytest.mark.parametrize("batch", [1, "batch"])
def test_the_batch_is_one_where_only_that_makes_shapes_constants(batch, tmp_path, caplog):
    model, path = graphs.shapes_of_one_clip(axes=(batch, BINS, "seq_len")), tmp_path / "m.onnx"
    caplog.set_level("INFO")
    prepared = prepare(model, path, check_contract(model, path))
    assert axes_of(prepared.graph.input[0]) == [1, BINS, "seq_len"]
    assert not {"Shape", "Mul"} & {node.op_type for node in prepared.graph.node}
    assert "have a batch of 1" in caplog.text
    assert mask_error(model, prepared, graphs.magnitudes(30)) < 1e-6


def test_operators_of_old_opsets_are_converted(tmp_path):
    graph = graphs.Graph()
    graph.node("Upsample", ["input", graph.weight("scales", np.float32([1, 1, 1]))], "large", mode="nearest")
    graph.conv("large", "mask", BINS, BINS)
    model, path = graph.model(opset=9), tmp_path / "old.onnx"
    prepared = prepare(model, path, check_contract(model, path))
    assert [entry.version for entry in prepared.opset_import] == [13]
    assert mask_error(model, prepared, graphs.magnitudes(30)) < 1e-6


def test_what_cannot_be_converted_is_told(tmp_path, monkeypatch):
    def refuse(model, version):
        raise RuntimeError("no adapter for Upsample\nand a trace of it")

    monkeypatch.setattr("sezoo.quantization.graph.preparation.version_converter.convert_version", refuse)
    model, path = graphs.tcnn(opset=9), tmp_path / "old.onnx"
    message = r"old.onnx: opset 9 cannot be converted to 13 \(no adapter for Upsample\); re-export .* opset 13"
    with pytest.raises(UserError, match=message):
        prepare(model, path, check_contract(model, path))


def test_an_axis_that_depends_on_the_values_cannot_be_static():
    graph = graphs.Graph()
    graph.node("NonZero", ["input"], "where")
    graph.node("ReduceSum", ["where"], "sum", keepdims=0)
    graph.node("Cast", ["sum"], "number", to=onnx.TensorProto.FLOAT)
    graph.node("Add", ["input", "number"], "mask")
    message = "cannot be made static: the shape of tensor 'where', made by the node NonZero 'node_where', .* export"
    with pytest.raises(UserError, match=message):
        with_static_shape(graph.model(), FRAMES)
    assert dynamic_axes(graph.model())[:2] == ["input", "where"]


def test_the_axis_name():
    path = "m.onnx"
    check_axis_name("seq_len", Contract("input", "mask", BINS, "batch", "seq_len"), path)
    check_axis_name("anything", Contract("input", "mask", BINS, "", ""), path)
    for name in ("time", "T", "unk__9"):  # the last axis is that of the frames, whatever it is called
        check_axis_name("seq_len", Contract("input", "mask", BINS, "N", name), path)
    with pytest.raises(UserError, match=r"found 'N', which is the batch axis of .*; its frames axis is named 'time'"):
        check_axis_name("N", Contract("input", "mask", BINS, "N", "time"), path)


@pytest.fixture(scope="module")
def pair():
    prepared, op_types = ready(graphs.tcnn())
    dynamic = ours(prepared, graphs.magnitudes(50), op_types, quantization())
    return prepared, dynamic, with_static_shape(dynamic, FRAMES)


def test_verification_finds_what_is_wrong(pair, tmp_path):
    prepared, dynamic, static = pair
    (patch,) = graphs.magnitudes(FRAMES)

    def check(message, **models):
        with pytest.raises(UserError, match=message):
            verify(*saved(tmp_path, **models), patch)

    check("dynamic.onnx: the written model holds no quantized node", dynamic=prepared, static=static)
    check("static.onnx: tensor 'input' is not static on every axis", dynamic=dynamic, static=dynamic)
    other = onnx.ModelProto()
    other.CopyFrom(static)
    for weight in other.graph.initializer:
        if weight.name == "b0.out.weight_scale":
            weight.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(weight) * 1.5, weight.name))
    check(r"static.onnx: its mask differs from dynamic.onnx's by 0\.\d+", dynamic=dynamic, static=other)
    verify(*saved(tmp_path, dynamic=dynamic, static=static), patch)
    (tmp_path / "static.onnx").write_bytes(b"cut off")
    with pytest.raises(UserError, match=r"static.onnx is not an ONNX model"):
        verify(tmp_path / "dynamic.onnx", tmp_path / "static.onnx", patch)


def test_of_recurrent_models_a_rounding_that_is_heard_of_later_is_forgiven(tmp_path):
    dynamic = recurrent_graphs.dynamic_int8(recurrent_graphs.recurrent("GRU", "LSTM"), wide=True)
    static = with_static_shape(dynamic, FRAMES)
    patch = np.concatenate(graphs.magnitudes(*[FRAMES] * 4), axis=2)

    def scaled(factor):
        other = onnx.ModelProto()
        other.CopyFrom(static)
        (scale,) = [each for each in other.graph.initializer if each.name == "layer0/state_candidate/weight_scale"]
        scale.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(scale) * np.float32(factor), scale.name))
        return other

    paths = saved(tmp_path, dynamic=dynamic, static=scaled(1 + 1e-6))
    first = {"input": patch[..., :FRAMES]}
    masks = [open_session(path, optimization="none").run(None, first)[0] for path in paths]
    assert np.abs(masks[0] - masks[1]).max() > 1e-3
    verify(*paths, patch)
    with pytest.raises(UserError, match=r"static.onnx: its mask differs"):
        verify(*saved(tmp_path, dynamic=dynamic, static=scaled(1.5)), patch)


@pytest.mark.parametrize("turned", [1, 1j])
def test_masks_of_recurrent_models_may_be_complex(turned, tmp_path):
    model = complex_graphs.int8_of(complex_graphs.network(PARTS_LAST, COMPLEX_MASK), PARTS_LAST)
    verify(*saved(tmp_path, dynamic=model, static=model), turned * complex_graphs.spectra(PARTS_LAST, 8))
