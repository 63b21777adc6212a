import numpy as np
import onnx
import onnx.reference
import pytest
from onnx import helper

import mask_graphs
from int8_graphs import FORMS, PATH, patches
from sezoo.deployment.engine.interpreter import mask_of, run_graph, run_tensors
from sezoo.deployment.engine.qdq_reader import integer_graph_of
from sezoo.models.onnx_file import load_onnx
from sezoo.models.onnx_session import open_session
from sezoo.models.unsigned_integers import with_unsigned_integers
from sezoo.zoo import zoo_model, zoo_models


@pytest.mark.parametrize("name", FORMS)
def test_a_session_computes_the_integers_of_the_engine(name):
    model = FORMS[name]()
    graph, session = integer_graph_of(model, PATH), open_session(model)
    for magnitude in patches(seed=7, frames=graph.frames):
        (mask,) = session.run(None, {session.get_inputs()[0].name: magnitude[np.newaxis]})
        np.testing.assert_array_equal(mask[0], run_graph(graph, magnitude))


def noise_for(graph, count=3):
    generator = np.random.default_rng(5)
    for _ in range(count):
        yield (2 * generator.gamma(0.3, size=(1, graph.bins, graph.frames))).astype(np.float32)


FEED_FORWARD = [shipped for shipped in zoo_models() if shipped.name != "ugru"]


@pytest.mark.parametrize("shipped", FEED_FORWARD, ids=lambda shipped: shipped.name)
def test_masks_of_the_shipped_models_are_the_engines_bit_for_bit(shipped):
    model = onnx.load(shipped.int8_static)
    graph = integer_graph_of(model, shipped.int8_static)
    # Entries are taken from the session, as powers in float may be rounded to another integer there.
    sites = [next(site for site in graph.sites if site.tensor is entry) for entry in graph.inputs]
    looked_into = with_unsigned_integers(model)
    looked_into.graph.output.extend(helper.make_empty_tensor_value_info(site.name) for site in sites)
    session, look = open_session(shipped.int8_static), open_session(looked_into)
    for magnitude in noise_for(graph):
        (mask,) = session.run(None, {session.get_inputs()[0].name: magnitude})
        entries = {}
        for site, integers in zip(sites, look.run([site.name for site in sites], {"input": magnitude}), strict=True):
            row = np.empty(site.items.size, np.int8)
            row[site.items.ravel()] = integers.ravel().astype(np.int16) - 128
            entries[site.tensor.name] = row.reshape(graph.frames, -1)
        np.testing.assert_array_equal(mask[0], mask_of(graph, run_tensors(graph, entries)[graph.output.name]))


def test_a_shipped_recurrent_model_is_the_engines_but_for_its_tables():
    shipped = zoo_model("ugru")
    graph, session = integer_graph_of(onnx.load(shipped.int8_static), PATH), open_session(shipped.int8_static)
    for magnitude in noise_for(graph):
        (mask,) = session.run(None, {"input": magnitude})
        off = np.abs(mask[0] - run_graph(graph, magnitude[0])) / graph.output.scale
        assert off.mean() < 1  # step of 8 bits


def test_a_file_of_a_float_model_is_opened_by_its_path(tmp_path):
    model = zoo_models()[0].float_model
    session = open_session(model, threads=2, optimization="basic", optimized_model_path=tmp_path / "basic.onnx")
    assert [value.name for value in session.get_inputs()] == [onnx.load(model).graph.input[0].name]
    assert (tmp_path / "basic.onnx").is_file()


def test_a_length_that_is_noted_inside_of_a_graph_is_not_believed(tmp_path):
    model, path = mask_graphs.length_noted_inside(frames=40), tmp_path / "exported.onnx"
    onnx.save(model, path)
    other_length = np.random.default_rng(0).random((1, mask_graphs.BINS, 64), np.float32)
    (expected,) = onnx.reference.ReferenceEvaluator(model).run(None, {"input": other_length})
    for opened in (path, load_onnx(path)):
        (mask,) = open_session(opened).run(None, {"input": other_length})
        np.testing.assert_allclose(mask, expected, atol=1e-5)


def test_a_quantizer_that_onnxruntime_moves_has_the_type_of_its_zero_point():
    """Signed integers are an output, so that onnxruntime makes the others unsigned, and of opset 21 quantizers."""
    graph = mask_graphs.Graph(3)
    scale, zero = graph.weight("scale", np.float32(0.1)), graph.weight("zero", np.int8(3))
    graph.node("QuantizeLinear", ["input", scale, zero], "integers")
    graph.node("DequantizeLinear", ["integers", scale, zero], "rounded")
    ends = [graph.weight(name, np.array([value], np.int64)) for name, value in (("from", 1), ("to", 9), ("along", 1))]
    graph.node("Tanh", [graph.node("Slice", ["rounded", *ends], "cut")], "mask")
    model = graph.model(opset=21)
    model.graph.output.append(helper.make_tensor_value_info("integers", onnx.TensorProto.INT8, None))
    given = {"input": np.random.default_rng(0).normal(0, 5, (2, mask_graphs.BINS, 6)).astype(np.float32)}
    expected = onnx.reference.ReferenceEvaluator(model).run(["mask", "integers"], given)
    for found, wanted in zip(open_session(model).run(["mask", "integers"], given), expected, strict=True):
        np.testing.assert_allclose(found, wanted, atol=1e-6)
