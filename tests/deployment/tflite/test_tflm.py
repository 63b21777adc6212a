"""Files run by TensorFlow Lite Micro itself: its integers are numpy's, every one, and its arena is as planned."""

import functools

import numpy as np
import pytest

from int8_graphs import FORMS, PATH
from sezoo.base.errors import UserError
from sezoo.base.shipped import ZOO
from sezoo.deployment.tflite.flatbuffer import flatbuffer_of
from sezoo.deployment.tflite.lowerable import tflite_graph_of
from sezoo.deployment.tflite.lowering import lower_graph
from sezoo.deployment.tflite.memory import activation_bytes, arena_bytes
from sezoo.deployment.tflite.proof import check_integers
from sezoo.deployment.tflite.tflm import has_tflm, tflm_arena, tflm_outputs
from sezoo.models.onnx_file import load_onnx
from tflite_vectors import OF_8_BITS, of_patches, of_stream

pytestmark = pytest.mark.skipif(not has_tflm(), reason="tflite-micro is not installed")

SHIPPED = ("stft_tcnn_medium", "utcn", "utcn_live", "utcn_live_small", "utcn_small")
WORST_ARENA = 1.25
"""Of the planned one over the one that is taken."""


def compared(low, vectors):
    return check_integers("TFLM", tflm_outputs(flatbuffer_of(low.file, "test"), low, vectors), vectors)


def magnitudes(frames, seed=8):
    """Of noise whose level changes: (257, frames)."""
    rng = np.random.default_rng(seed)
    level = 10 ** rng.uniform(-3, 1, (1, frames))
    return (np.abs(rng.standard_normal((257, frames))) * level).astype(np.float32)


@functools.cache
def shipped(name):
    """The integer graph of a model that comes with sezoo, and where its file is."""
    path = ZOO / name / f"{name}_int8_static.onnx"
    return tflite_graph_of(load_onnx(path), path), path


@functools.cache
def lowered(name, frames):
    """Its TensorFlow Lite graph, of whole patches (None) or of a stream."""
    return lower_graph(*shipped(name), frames)


@pytest.mark.parametrize("form", OF_8_BITS)
def test_it_computes_the_integers_of_numpy(form):
    graph = tflite_graph_of(FORMS[form](), PATH)
    vectors = of_patches(graph)
    assert compared(lower_graph(graph, PATH), vectors) == 3 * vectors.outputs[0].size


@pytest.mark.parametrize("form", OF_8_BITS)
def test_and_frame_by_frame_with_states_that_are_handed_on(form):
    graph = tflite_graph_of(FORMS[form](), PATH)
    vectors = of_stream(graph)
    assert compared(lower_graph(graph, PATH, 1), vectors) > 500


@pytest.mark.parametrize("name", SHIPPED)
def test_the_models_that_come_with_sezoo(name):
    """Patches of real lengths and levels, and a stream until all of its states are full."""
    graph, _ = shipped(name)
    patch = of_patches(graph, magnitudes=[magnitudes(graph.frames)])
    assert compared(lowered(name, None), patch) == patch.outputs[0].size
    assert len(np.unique(patch.outputs[0])) > 50
    stream = of_stream(graph, magnitudes(60))
    assert compared(lowered(name, 1), stream) > 30 * graph.output.items


@pytest.mark.parametrize("frames", [None, 1])
@pytest.mark.parametrize("name", SHIPPED)
def test_the_planned_arena_is_enough_and_little_more(name, frames):
    low = lowered(name, frames)
    arena = tflm_arena(flatbuffer_of(low.file, "test"), low)
    assert arena.activations == activation_bytes(low.file)
    assert arena.total <= arena_bytes(low.file) <= arena.total * WORST_ARENA


def test_what_it_refuses_is_an_error():
    low = lower_graph(tflite_graph_of(FORMS["dilated"](), PATH), PATH)
    data = bytearray(flatbuffer_of(low.file, "test"))
    low.file.tensors.clear()  # so that the planned arena is far too small
    low.file.operators.clear()
    low.file.inputs.clear()
    low.file.outputs.clear()
    with pytest.raises(UserError, match="TensorFlow Lite Micro refuses"):
        tflm_arena(bytes(data), low)
