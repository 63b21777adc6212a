import re

import numpy as np
import onnx
import pytest

import mask_graphs as graphs
from mask_graphs import BINS
from sezoo.base.errors import UserError
from sezoo.models.contract import Contract, check_contract
from sezoo.models.mask_model import MaskModel
from sezoo.models.onnx_file import load_onnx, quantized_nodes

HALF = onnx.TensorProto.FLOAT16


@pytest.fixture
def path(tmp_path):
    return tmp_path / "some_model.onnx"


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (graphs.tcnn(), Contract("input", "mask", BINS, "batch", "seq_len")),
        (graphs.tcnn(axes=("N", BINS, "time")), Contract("input", "mask", BINS, "N", "time")),
        (graphs.tcnn(axes=(None, BINS, None)), Contract("input", "mask", BINS, "", "")),
        (graphs.tcnn(axes=(1, BINS, "seq_len")), Contract("input", "mask", BINS, 1, "seq_len")),
        (graphs.tcnn(opset=9), Contract("input", "mask", BINS, "batch", "seq_len")),
        (graphs.tcnn(weights_as_inputs=True), Contract("input", "mask", BINS, "batch", "seq_len")),
        (graphs.tcnn(declare_mask=False), Contract("input", "mask", BINS, "batch", "seq_len")),
        (graphs.tcnn(mask_axes=("x", BINS, "y")), Contract("input", "mask", BINS, "batch", "seq_len")),
        (graphs.lstm(), Contract("input", "mask", BINS, "batch", "seq_len")),
        (graphs.viewed(), Contract("input", "mask", BINS, "batch", "seq_len")),
        (graphs.batch_hard_coded(axes=(1, BINS, "seq_len")), Contract("input", "mask", BINS, 1, "seq_len")),
        (graphs.float16_inside(), Contract("input", "mask", BINS, "batch", "seq_len")),
    ],
)
def test_models_that_fit_the_contract(model, expected, path):
    assert check_contract(model, path, n_fft=2 * (BINS - 1)) == expected
    assert check_contract(model, path) == expected


def two_inputs():
    model = graphs.tcnn()
    model.graph.input.append(onnx.helper.make_tensor_value_info("other", 1, ("batch", BINS, "seq_len")))
    return model


def two_outputs():
    model = graphs.tcnn()
    model.graph.output[0].name = model.graph.node[-1].output[0] = "y"  # either could be the mask
    model.graph.output.append(onnx.helper.make_tensor_value_info("b0.sum", 1, ("batch", BINS, "seq_len")))
    return model


def of_other_shape(axes, *shape):
    graph = graphs.Graph()
    graph.node("Reshape", ["input", graph.weight("shape", np.array(shape, np.int64))], "mask")
    return graph.model(mask_axes=axes)


def as_logarithm():
    graph = graphs.Graph()
    graph.node("Neg", ["input"], "negative")
    graph.node("Log", ["negative"], "mask")
    return graph.model()


def quantized_already():
    graph = graphs.Graph()
    ends = [graph.weight("scale", np.float32(0.1)), graph.weight("zero", np.int8(0))]
    graph.node("QuantizeLinear", ["input", *ends], "q")
    graph.node("DequantizeLinear", ["q", *ends], "mask")
    return graph.model()


def of_unknown_operator():
    model = graphs.tcnn()
    model.graph.node[0].op_type = "NoSuchOperator"
    return model


@pytest.mark.parametrize(
    ("model", "found", "mend"),
    [
        (quantized_already(), "is quantized already", "give the float model"),
        (two_inputs(), r"has 2 inputs \(input, other\)", "the contract is one"),
        (two_outputs(), r"has 2 outputs \(y, b0.sum\)", "the contract is one"),
        (graphs.tcnn(dtype=np.float16, elem_type=HALF), "input 'input' is float16", "float32 is needed; re-export"),
        (graphs.viewed(axes=("batch", 1, BINS, "t")), r"has 4 axes \(batch, 1, 33, t\)", r"\(batch, bins, frames\)"),
        (graphs.tcnn(axes=(4, BINS, "seq_len")), "batch axis of input 'input' is fixed to 4", "--fix-axes"),
        (graphs.tcnn(axes=("batch", "f", "t")), "is f, but preprocessing.n_fft: 64 makes 33", "re-export it with that"),
        (
            of_other_shape(("batch", 66, "t"), 0, 66, -1),
            r"output 'mask' is \(batch, 66, t\)",
            r"\(batch, 33, seq_len\)",
        ),
        (of_other_shape(("batch", "t"), 0, -1), r"output 'mask' is \(batch, t\)", "not of the input's shape"),
        (of_other_shape((None, None, None), 0, -1, BINS), r"mask has shape \(1, 24, 33\)", "re-export"),
        (graphs.batch_hard_coded(), r"mask has shape \(1, 33, 74\).*\(2, 33, 37\)", "with dynamic axes"),
        (graphs.frames_hard_coded(axes=("b", BINS, "t")), r"\(1, 33, 24\).*cannot be reshaped", "with dynamic axes"),
        (as_logarithm(), "mask has NaN", "some_model.onnx"),
        (of_unknown_operator(), "cannot load it.*NoSuchOperator", "some_model.onnx"),
    ],
)
def test_a_violation_says_what_was_found_and_what_to_do(model, found, mend, path, capfd):
    with pytest.raises(UserError, match=found) as raised:
        check_contract(model, path, n_fft=2 * (BINS - 1))
    message = str(raised.value)
    assert message.startswith(str(path))
    assert re.search(mend, message)
    assert "\n" not in message
    assert "onnxruntime_src" not in message
    assert "[ONNXRuntimeError]" not in message
    assert capfd.readouterr().err == ""  # onnxruntime itself says nothing


def test_other_bins_than_n_fft_makes(path):
    with pytest.raises(UserError, match=r"is 33, but preprocessing.n_fft: 512 makes 257 bins; set .*n_fft: 64 if"):
        check_contract(graphs.tcnn(), path, n_fft=512)


def test_dynamic_bins_without_configuration(path):
    with pytest.raises(UserError, match=r"axis 1 \(bins\) of input 'input' .*is dynamic"):
        check_contract(graphs.tcnn(axes=("batch", None, "seq_len")), path)


def test_a_batch_of_one_is_no_warning(path, caplog):
    assert check_contract(graphs.tcnn(axes=(1, BINS, "seq_len")), path).batch == 1
    assert caplog.text == ""


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is not an ONNX model"),
        (b"this is a text file, not a model\n" * 20, "is not an ONNX model"),
        (np.random.default_rng(0).bytes(5000), "is not an ONNX model"),
        (graphs.tcnn().SerializeToString()[:-100], "is not an ONNX model"),
    ],
)
def test_files_that_are_no_models(content, reason, path):
    path.write_bytes(content)
    with pytest.raises(UserError, match=reason) as raised:
        load_onnx(path)
    assert str(raised.value).startswith(str(path))


def test_missing_file_and_folder(tmp_path):
    for path in (tmp_path / "missing.onnx", tmp_path):
        with pytest.raises(UserError, match=r"there is no model|is a folder; an ONNX file is needed"):
            load_onnx(path)


@pytest.mark.parametrize("name", ["model.onnx", "model.json", "model.pb", "model.txt", "model"])
def test_a_model_is_read_whatever_its_file_is_called(name, tmp_path):
    (tmp_path / name).write_bytes(graphs.tcnn().SerializeToString())
    assert load_onnx(tmp_path / name) == graphs.tcnn()


def test_external_data_is_read_and_missed_when_gone(path):
    model = graphs.tcnn()
    settings = {"save_as_external_data": True, "location": "weights.bin", "size_threshold": 0}
    onnx.save(graphs.tcnn(), path, **settings)
    loaded = load_onnx(path)
    (clip,) = graphs.magnitudes(20)
    check_contract(loaded, path)
    np.testing.assert_array_equal(MaskModel(loaded, path)(clip), MaskModel(model, path)(clip))
    (path.parent / "weights.bin").unlink()
    with pytest.raises(UserError, match=r"weights\.bin, which is not there"):
        load_onnx(path)


def test_quantized_nodes_are_counted():
    assert quantized_nodes(quantized_already()) == 2
    assert quantized_nodes(graphs.tcnn()) == 0


def test_a_mask_model_from_a_file_knows_its_length(path):
    onnx.save(graphs.tcnn(axes=(1, BINS, 40)), path)
    model = MaskModel(path)
    assert (model.input, model.frames) == ("input", 40)
    assert MaskModel(graphs.tcnn(), path).frames is None
    with pytest.raises(UserError, match=r"cannot be run on shape \(1, 33, 41\)"):
        model.fresh()(np.ones((1, BINS, 41), np.float32))


def test_a_model_of_fixed_length_takes_clips_piece_by_piece(path):
    model = MaskModel(graphs.tcnn(axes=(1, BINS, 40)), path)
    clip = graphs.magnitudes(90)[0]
    pieces = [clip[:, :, :40], clip[:, :, 40:80], np.pad(clip[:, :, 80:], [(0, 0), (0, 0), (0, 30)])]
    expected = np.concatenate([model(piece) for piece in pieces], axis=2)[:, :, :90]
    assert np.array_equal(model.whole(clip), expected)


def halving(times):
    """A network that halves the frames again and again, and doubles them as often."""
    graph = graphs.Graph()
    source = "input"
    for kind, channels in (("Conv", (graphs.LATENT, BINS)), ("ConvTranspose", (graphs.LATENT, BINS))):
        weight = graph.random(f"{kind}.weight", *channels, 2**times, fan_in=BINS)
        source = graph.node(kind, [source, weight], kind, kernel_shape=[2**times], strides=[2**times])
    graph.node("Sigmoid", [source], "mask")
    return graph.model()


@pytest.mark.parametrize("times", [1, 2, 3])
def test_networks_for_multiples_of_a_number_of_frames(times, path):
    model = halving(times)
    assert check_contract(model, path).multiple == 2**times
    mask_model, clip = MaskModel(model, path), graphs.magnitudes(37)[0]
    filled_up = np.pad(clip, [(0, 0), (0, 0), (0, 3)])
    assert np.array_equal(mask_model(clip), mask_model(filled_up)[:, :, :37])


def with_activity(name="activity"):
    """A mask, and whether there is speech in a frame."""
    model = graphs.tcnn()
    model.graph.node.append(onnx.helper.make_node("ReduceMean", ["mask"], [name], axes=[1], keepdims=1))
    model.graph.output.insert(0, onnx.helper.make_tensor_value_info(name, 1, ("batch", 1, "seq_len")))
    return model


def test_of_two_outputs_the_mask_is_taken(path, caplog):
    caplog.set_level("INFO")
    model, clip = with_activity(), graphs.magnitudes(30)[0]
    assert check_contract(model, path).output == "mask"
    assert "output 'mask' is the mask; not used: activity" in caplog.text
    assert np.array_equal(MaskModel(model, path)(clip), MaskModel(graphs.tcnn(), path)(clip))


def test_magnitudes_instead_of_a_mask_are_told(path, caplog):
    graph = graphs.Graph()
    graph.node("Relu", [graph.conv("input", "c", BINS, graphs.LATENT, bias=False)], "r")
    graph.node("Relu", [graph.conv("r", "y", graphs.LATENT, BINS, bias=False)], "mask")
    check_contract(graph.model(), path)
    assert "does it make magnitudes instead of a mask?" in caplog.text
    caplog.clear()
    check_contract(graphs.tcnn(), path)
    assert not caplog.text


def in_training(op_type):
    graph = graphs.Graph()
    graph.conv("input", "c", BINS, BINS)
    if op_type == "Dropout":
        graph.weight("ratio", np.float32(0.5))
        graph.weight("trains", np.array(True))
        graph.node("Dropout", ["c", "ratio", "trains"], "n")
    else:
        graph.batch_norm("c", "n", BINS)
        graph.nodes[-1].attribute.append(onnx.helper.make_attribute("training_mode", 1))
        graph.nodes[-1].output.extend(["mean", "var"])
    graph.node("Sigmoid", ["n"], "mask")
    return graph.model()


@pytest.mark.parametrize("op_type", ["BatchNormalization", "Dropout"])
def test_exports_in_training_mode_are_refused(op_type, path):
    with pytest.raises(UserError, match=rf"exported in training mode \(the node {op_type} .*network\.eval\(\)"):
        check_contract(in_training(op_type), path)
