import numpy as np
import onnx
import pytest
from onnx import helper

from int8_graphs import FORMS, PATH, patches
from sezoo.deployment.engine.interpreter import mask_of, run_graph, run_tensors
from sezoo.deployment.engine.qdq_reader import integer_graph_of
from sezoo.models.onnx_session import open_session
from sezoo.models.unsigned_integers import with_unsigned_integers
from sezoo.zoo import zoo_models


@pytest.mark.parametrize("name", FORMS)
def test_a_session_computes_the_integers_of_the_engine(name):
    model = FORMS[name]()
    graph, session = integer_graph_of(model, PATH), open_session(model)
    for magnitude in patches(seed=7, frames=graph.frames):
        (mask,) = session.run(None, {session.get_inputs()[0].name: magnitude[np.newaxis]})
        np.testing.assert_array_equal(mask[0], run_graph(graph, magnitude))


@pytest.mark.parametrize("shipped", zoo_models(), ids=lambda shipped: shipped.name)
def test_masks_of_the_shipped_models_are_the_engines_bit_for_bit(shipped):
    model = onnx.load(shipped.int8_static)
    graph = integer_graph_of(model, shipped.int8_static)
    (entry,) = graph.entries  # taken from the session, as powers in float may be rounded to another integer there
    site = next(site for site in graph.sites if site.tensor is entry)
    looked_into = with_unsigned_integers(model)
    looked_into.graph.output.append(helper.make_empty_tensor_value_info(site.name))
    session, look = open_session(shipped.int8_static), open_session(looked_into)
    generator = np.random.default_rng(5)
    for _ in range(3):
        magnitude = (2 * generator.gamma(0.3, size=(1, graph.bins, graph.frames))).astype(np.float32)
        (mask,) = session.run(None, {session.get_inputs()[0].name: magnitude})
        (integers,) = look.run([site.name], {look.get_inputs()[0].name: magnitude})
        row = np.empty(graph.frames * entry.items, np.int8)
        row[site.items.ravel()] = integers.ravel().astype(np.int16) - 128
        tensors = run_tensors(graph, {entry.name: row.reshape(graph.frames, -1)})
        np.testing.assert_array_equal(mask[0], mask_of(graph, tensors[graph.result.name]))


def test_a_file_of_a_float_model_is_opened_by_its_path(tmp_path):
    model = zoo_models()[0].float_model
    session = open_session(model, threads=2, optimization="basic", optimized_model_path=tmp_path / "basic.onnx")
    assert [value.name for value in session.get_inputs()] == [onnx.load(model).graph.input[0].name]
    assert (tmp_path / "basic.onnx").is_file()
