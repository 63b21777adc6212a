"""Int8 models with recurrent layers as integer graphs: against onnxruntime, and in streams cut up in any way."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import recurrent_graphs as graphs
import stateful_graphs
from mask_graphs import magnitudes
from quantizers import quantization, ready
from sezoo.base.errors import UserError
from sezoo.config.sections import Config
from sezoo.deployment.engine.agreement import agreement
from sezoo.deployment.engine.conv import Conv
from sezoo.deployment.engine.interpreter import run_graph
from sezoo.deployment.engine.operators import Loop, unroll
from sezoo.deployment.engine.qdq_reader import integer_graph_of
from sezoo.deployment.engine.stream_plan import stream_masks, stream_plan
from sezoo.deployment.engine_choice import engine_for
from sezoo.models.mask_model import MaskModel
from sezoo.models.states import states_of, with_states
from sezoo.models.streaming import streaming
from sezoo.quantization.calibration.options import CalibrationOptions
from sezoo.quantization.calibration.ranges import calibrate
from sezoo.quantization.graph.qdq import write_qdq
from sezoo.quantization.graph.static_shape import with_static_shape
from sezoo.quantization.plan import Plan
from tiny_loops import recurrent_graph

PATH = Path("recurrent.onnx")
FRAMES = 20


def patches(count=2, frames=FRAMES):
    return [clip[0] for clip in magnitudes(*[frames] * count, seed=7)]


@pytest.mark.parametrize(
    ("kinds", "how"), [(("LSTM", "LSTM"), {}), (("GRU",), {}), (("GRU", "GRU"), {"linear_before_reset": 1})]
)
@pytest.mark.parametrize("wide", [False, True])
def test_the_graph_computes_what_onnxruntime_does(kinds, how, wide):
    model = graphs.static_int8(graphs.recurrent(*kinds, **how), FRAMES, wide=wide)
    graph = integer_graph_of(model, PATH)
    loops = [operator for operator in graph.operators if isinstance(operator, Loop)]
    assert [len(loop.states) for loop in loops] == [2 if kind == "LSTM" else 1 for kind in kinds]
    weights = sum(conv.weights.size for conv in unroll(graph.operators) if isinstance(conv, Conv))
    assert weights == graph.macs_per_frame
    found = agreement(graph, model, patches())
    # A curve is up to two steps of 16 bits from the function, which add up over frames.
    assert found.mean_mask_difference < 1e-3
    by_name = {each.name: each for each in found.operators}
    for operator in graph.operators:
        if not isinstance(operator, Loop):
            assert by_name[operator.output.name].largest <= 1
        else:
            assert by_name[operator.output.name].largest <= (1 if operator.output.bits == 8 else 40)


@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
def test_a_model_of_one_frame_is_one_loop(kind):
    model = graphs.static_int8(graphs.with_own_states(kind), 1, wide=True)
    graph = integer_graph_of(model, PATH)
    loop = graph.frame_loop
    assert loop is not None and len(loop.states) == len(graphs.INITIAL[kind])
    found = agreement(graph, model, patches(frames=30))
    assert found.largest <= 3 and found.mean_mask_difference < 1e-3  # every operator is fed onnxruntime's own integers
    (patch,) = patches(1, 60)
    masks = np.concatenate(list(stream_masks(graph, patch, 5)), axis=1)
    assert np.abs(masks - MaskModel(model).whole(patch[np.newaxis])[0]).mean() < 1e-3


def test_past_frames_in_float_are_no_states_of_the_network():
    """The one-frame form of a level in front of the network: its window is part of the steps in float, as it was."""
    model = graphs.behind_a_level()
    whole = integer_graph_of(graphs.static_int8(model, FRAMES), PATH)
    one_frame = graphs.static_int8(streaming(model, PATH), 1)
    assert list(states_of(one_frame)) == ["node_peak.past", "layer.h"]
    graph = integer_graph_of(one_frame, PATH)
    assert len(graph.frame_loop.states) == 1
    assert [step.window for step in graph.prologue if step.kind == "peak"] == [5]
    found = agreement(graph, one_frame, patches(frames=30))
    assert found.largest <= 3 and found.mean_mask_difference < 1e-3
    (patch,) = patches(1, 60)
    masks = {calls: np.concatenate(list(stream_masks(graph, patch, calls)), axis=1) for calls in (1, 4)}
    np.testing.assert_array_equal(masks[1], masks[4])
    assert np.abs(masks[1] - MaskModel(one_frame).whole(patch[np.newaxis])[0]).mean() < 1e-3
    np.testing.assert_array_equal(masks[1], np.concatenate(list(stream_masks(whole, patch, 4)), axis=1))


def test_other_past_frames_in_float_are_named():
    """A state that is read by something else than the MaxPool, or of which the oldest frame is not dropped."""

    def model_with(change):
        model = graphs.static_int8(streaming(graphs.behind_a_level(), PATH), 1)
        change(model.graph)
        return model

    def keep_the_oldest(graph):
        (cut,) = (node for node in graph.node if node.output[0] == "node_peak.past_out")
        start = next(each for each in graph.initializer if each.name == cut.input[1])
        start.CopyFrom(onnx.numpy_helper.from_array(np.array([0], np.int64), start.name))
        end = next(each for each in graph.initializer if each.name == cut.input[2])
        end.CopyFrom(onnx.numpy_helper.from_array(np.array([4], np.int64), end.name))

    def pool_two_frames(graph):
        (pool,) = (node for node in graph.node if node.op_type == "MaxPool")
        pool.attribute.extend([onnx.helper.make_attribute("dilations", [2])])

    refused(model_with(keep_the_oldest), "MaxPool node")
    refused(model_with(pool_two_frames), "MaxPool node")


def test_a_cell_that_was_written_out_by_hand():
    """As exporters write it: every tensor is rounded to 8 bits, by onnxruntime's quantizer alone."""
    model, states = stateful_graphs.ALL["lstm cell"]
    prepared, op_types = ready(with_states(model, states))
    ranges = calibrate(prepared, [[clip] for clip in magnitudes(60, 60)], op_types, CalibrationOptions(), call_frames=1)
    static = with_static_shape(write_qdq(Plan.initial(prepared, ranges, op_types), quantization()), 1)
    found = agreement(integer_graph_of(static, PATH), static, patches(frames=30))
    assert found.largest <= 1 and found.mean_mask_difference < 0.01


@given(seed=st.integers(0, 10000), bits=st.sampled_from([8, 16]), layers=st.integers(1, 3))
@settings(max_examples=6, deadline=None, derandomize=True)
def test_a_stream_in_pieces_of_any_size_is_the_whole_clip(seed, bits, layers):
    graph = recurrent_graph(seed, 17, 24, bits=bits, layers=layers)
    magnitude = np.random.default_rng(seed).gamma(0.5, 1.0, (17, 24)).astype(np.float32)
    lag = stream_plan(graph).lag[graph.output.name]
    whole = run_graph(graph, magnitude)
    for frames in (1, 3, 8, 24):
        masks = np.concatenate(list(stream_masks(graph, magnitude, frames)), axis=1)
        np.testing.assert_array_equal(masks[:, lag:], whole[:, : 24 - lag])


def refused(model, *words):
    with pytest.raises(UserError) as caught:
        integer_graph_of(model, PATH)
    for word in words:
        assert word in str(caught.value)


def test_what_cannot_be_run_is_named():
    chunk = graphs.static_int8(graphs.with_own_states("GRU", frames=4), 4)
    refused(chunk, "1 state", "takes 4 frames", "one frame a call")
    in_float = graphs.static_int8(graphs.recurrent("LSTM"), FRAMES)
    scan = next(node for node in in_float.graph.node if node.op_type == "Scan")
    backwards = next(entry for entry in scan.attribute if entry.name == "scan_input_axes")
    copy = scan.attribute.add()
    copy.CopyFrom(backwards)
    copy.name, copy.ints[:] = "scan_input_directions", [1, 1]
    refused(in_float, "Scan node", "backwards over the frames")


def test_a_recurrent_network_has_no_patches():
    graph = integer_graph_of(graphs.static_int8(graphs.recurrent("GRU"), FRAMES), PATH)
    deployment = {"backend": "portable-c", "engine": "patch"}
    config = Config.model_validate({"operation_mode": "deployment", "deployment": deployment})
    with pytest.raises(UserError) as caught:
        engine_for(graph, PATH, config)
    told = str(caught.value)
    assert (
        "deployment.engine: found patch" in told and "layer0" in told and "allowed: deployment.engine: stream" in told
    )
    assert "\n" not in told
