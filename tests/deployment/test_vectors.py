import numpy as np
import onnx
import pytest

import mask_graphs as graphs
import stateful_graphs
from mask_graphs import BINS, magnitudes
from quantizers import ours, quantization, ready
from sezoo.base.errors import UserError
from sezoo.deployment.validation.vectors import read_vectors, write_vectors
from sezoo.models.input_quantizer import input_quantizer_of
from sezoo.models.mask_model import MaskModel
from sezoo.models.onnx_file import load_onnx
from sezoo.models.onnx_session import open_session
from sezoo.models.states import with_states
from sezoo.quantization.fidelity.probe import tensors_of
from sezoo.quantization.graph.static_shape import with_static_shape

FRAMES = 12


def static_model(path, model=None, frames=FRAMES):
    """A small static int8 model as a file."""
    prepared, op_types = ready(model or graphs.tcnn())
    dynamic = ours(prepared, magnitudes(50), op_types, quantization())
    onnx.save(with_static_shape(dynamic, frames), path)
    return path


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return static_model(tmp_path_factory.mktemp("vectors") / "small.onnx")


@pytest.fixture
def patches():
    return magnitudes(FRAMES, FRAMES, FRAMES, seed=3)


def arrays(path):
    with np.load(path, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


def test_the_ends_are_what_the_model_computes(model, patches, tmp_path):
    files = write_vectors(model, patches, tmp_path / "new")
    floats, integers = arrays(files.floats), arrays(files.integers)
    assert [path.name for path in sorted(files.floats.parent.iterdir())] == [
        "small_vectors.npz",
        "small_vectors_int8.npz",
        "small_vectors_layers.npz",
    ]
    assert list(floats) == list(integers) == ["m_inputs_1", "m_outputs_1"]
    assert floats["m_inputs_1"].shape == floats["m_outputs_1"].shape == (3, BINS, FRAMES)
    assert {array.dtype for array in floats.values()} == {np.dtype(np.float32)}
    assert {array.dtype for array in integers.values()} == {np.dtype(np.int8)}
    quantizer = input_quantizer_of(load_onnx(model))
    session = open_session(model, optimization="none")
    for index, patch in enumerate(patches):
        np.testing.assert_array_equal(floats["m_inputs_1"][[index]], quantizer.rounded_half_away(patch))
        (mask,) = session.run(None, {"input": floats["m_inputs_1"][[index]]})
        np.testing.assert_array_equal(floats["m_outputs_1"][[index]], mask)
    shift = np.float32(quantizer.zero_point)
    np.testing.assert_array_equal((integers["m_inputs_1"] - shift) * quantizer.scale, floats["m_inputs_1"])
    assert np.ptp(integers["m_outputs_1"]) > 50


def test_halves_in_the_input_are_rounded_away_from_zero_as_a_board_does(model, tmp_path):
    quantizer = input_quantizer_of(load_onnx(model))
    patch = np.full((1, BINS, FRAMES), 1.5 * quantizer.scale, np.float32)
    patch[0, 0] = 1e9
    files = write_vectors(model, [patch], tmp_path)
    written = arrays(files.integers)["m_inputs_1"].astype(int) - quantizer.zero_point
    assert np.unique(written[0, 1:]).tolist() == [1]  # -126.5 to -127; to even it would be 2
    assert np.unique(written[0, 0]).tolist() == [127 - quantizer.zero_point]


def test_every_quantized_tensor_is_there_in_graph_order(model, patches, tmp_path):
    vectors = read_vectors(write_vectors(model, patches, tmp_path).layers)
    graph = load_onnx(model).graph
    behind = {node.input[0]: node.output[0] for node in graph.node if node.op_type == "DequantizeLinear"}
    activations = [
        node.output[0]
        for node in graph.node
        if node.op_type == "QuantizeLinear" and not node.input[0].endswith(".bias")
    ]
    assert len(vectors.layers) == len(activations) > 6
    assert (vectors.layers[0].name, vectors.layers[-1].name) == ("input", "mask") == (vectors.inputs[0], vectors.mask)
    assert (vectors.layers[0].made_by, vectors.layers[-1].made_by) == ("input", "Sigmoid node_mask")
    assert (vectors.frames, vectors.model) == (FRAMES, "small.onnx")
    run = tensors_of(load_onnx(model), [behind[name] for name in activations])
    for index in range(3):
        ((_, expected),) = run(vectors.layers[0].real[[index]])
        for layer, name, values in zip(vectors.layers, activations, expected, strict=True):
            assert name in layer.aliases
            np.testing.assert_allclose(layer.real[[index]], values, rtol=1e-6, err_msg=layer.name)


def test_states_are_inputs_of_every_sample(tmp_path):
    states = stateful_graphs.GRU_STATES
    float_model = with_states(stateful_graphs.gru_cell(), states)
    path = static_model(tmp_path / "gru.onnx", float_model, 1)
    calls = np.split(magnitudes(4, seed=5)[0], 4, axis=2)
    files = write_vectors(path, calls, tmp_path)
    floats, vectors = arrays(files.floats), read_vectors(files.layers)
    assert vectors.inputs == ("hidden", "input") and vectors.outputs == ("hidden_new", "mask")
    assert vectors.mask == "mask"
    assert list(floats) == ["m_inputs_1", "m_inputs_2", "m_outputs_1", "m_outputs_2"]
    assert not floats["m_inputs_1"][0].any()
    np.testing.assert_array_equal(floats["m_inputs_1"][1:], floats["m_outputs_1"][:-1])
    run = MaskModel(path).fresh()
    for index in range(4):
        np.testing.assert_allclose(run(floats["m_inputs_2"][[index]]), floats["m_outputs_2"][[index]], atol=0.03)


def test_an_input_that_is_not_quantized_stays_in_float(tmp_path):
    graph = graphs.Graph()
    graph.node("Sqrt", ["input"], "root")
    graph.conv("root", "conv", BINS, BINS)
    graph.node("Sigmoid", ["conv"], "mask")
    path = static_model(tmp_path / "root.onnx", graph.model())
    files = write_vectors(path, magnitudes(FRAMES), tmp_path)
    np.testing.assert_array_equal(arrays(files.integers)["m_inputs_1"], magnitudes(FRAMES)[0])
    vectors = read_vectors(files.layers)
    assert (vectors.layers[0].name, vectors.layers[0].scale) == ("input", None)
    assert vectors.layers[1].name == "root" and vectors.layers[1].scale is not None


def test_all_three_files_lead_to_the_vectors(model, patches, tmp_path):
    files = write_vectors(model, patches, tmp_path)
    for path in (files.floats, files.integers, files.layers):
        assert read_vectors(path).path == files.layers
    files.layers.unlink()
    with pytest.raises(
        UserError, match=r"small_vectors.npz is not one of the files .*; it has m_inputs_1, m_outputs_1"
    ):
        read_vectors(files.floats)


def test_what_is_no_static_int8_model_is_refused(model, tmp_path):
    onnx.save(graphs.tcnn(axes=(1, BINS, FRAMES)), tmp_path / "float.onnx")
    with pytest.raises(UserError, match=r"float.onnx: vectors are made of a static int8 model"):
        write_vectors(tmp_path / "float.onnx", magnitudes(FRAMES), tmp_path / "out")
    with pytest.raises(UserError, match=r"takes patches of \(1, 33, 12\); one of \(1, 33, 13\) was given"):
        write_vectors(model, magnitudes(FRAMES + 1), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_same_patches_make_the_same_bytes(model, patches, tmp_path):
    one, other = (write_vectors(model, patches, tmp_path / name) for name in ("one", "other"))
    assert one.layers.read_bytes() == other.layers.read_bytes()
