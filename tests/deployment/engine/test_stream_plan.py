import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import operator_graphs
from int8_graphs import BINS, FORMS, FRAMES, PATH, chain, dynamic_int8, residual, skip_connection
from mask_graphs import magnitudes
from sezoo.deployment.engine.conv import Conv
from sezoo.deployment.engine.interpreter import run_graph
from sezoo.deployment.engine.qdq_reader import integer_graph_of
from sezoo.deployment.engine.stream_plan import stream_masks, stream_plan
from sezoo.quantization.graph.static_shape import with_static_shape
from shift_graphs import SHIFTS

CLIP = 36
"""Frames."""


def clip(frames=CLIP, seed=11):
    """A clip that is loud at once, so that what is before it matters."""
    return magnitudes(frames, seed=seed, bins=BINS, loudest=4.0)[0][0] + np.float32(0.2)


def streamed(graph, magnitude, frames):
    """The masks of a stream, those of frames before the clip left out: (bins, n - lag) float32."""
    masks = np.concatenate(list(stream_masks(graph, magnitude, frames)), axis=1)
    assert masks.shape == magnitude.shape
    return masks[:, stream_plan(graph).lag[graph.output.name] :]


def check_stream(patch_graph, clip_graph, *lengths):
    """Masks of the stream against those of the whole clip, bit by bit, up to what has not come out yet."""
    magnitude = clip(clip_graph.frames)
    whole = run_graph(clip_graph, magnitude)
    lag = stream_plan(patch_graph).lag[patch_graph.output.name]
    for frames in lengths:
        found = streamed(patch_graph, magnitude, frames)
        np.testing.assert_array_equal(found, whole[:, : clip_graph.frames - lag], err_msg=f"calls of {frames}")
    return lag


@pytest.mark.parametrize("name", FORMS)
def test_a_stream_computes_what_the_whole_clip_does(name):
    patch, whole = (integer_graph_of(FORMS[name](frames), PATH) for frames in (FRAMES, CLIP))
    check_stream(patch, whole, 1, 4, CLIP)


@pytest.mark.parametrize(("name", "lag"), [("frames late", 1), ("a frame early", 2), ("magnitudes a frame late", 0)])
def test_a_stream_keeps_the_frames_that_are_late(name, lag):
    model = SHIFTS[name]()
    patch, whole = (integer_graph_of(operator_graphs.static_int8(model, frames), PATH) for frames in (FRAMES, CLIP))
    assert check_stream(patch, whole, 1, 3, CLIP) == lag


@settings(max_examples=15, derandomize=True, deadline=None)
@given(st.data())
def test_any_lookahead(data):
    layers = []
    for _ in range(data.draw(st.integers(1, 3))):
        taps, dilation = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 3))
        before = data.draw(st.integers(0, (taps - 1) * dilation))
        layers.append({"kernel": (taps,), "dilations": [dilation], "pads": [before, (taps - 1) * dilation - before]})
    model = dynamic_int8(chain(*layers))
    frames = data.draw(st.integers(1, 7))
    # The patch may be shorter than what a mask depends on: the weights are all that counts.
    patch, whole = (
        integer_graph_of(with_static_shape(model, length), PATH)
        for length in (data.draw(st.integers(1, 8)), 7 * frames)
    )
    lag = check_stream(patch, whole, frames)
    assert lag == sum(layer["pads"][1] for layer in layers)


def test_lags_and_kept_rows():
    """Three blocks of dilations 1, 2 and 4, the input of each added to what it makes."""
    graph = integer_graph_of(FORMS["depthwise"](), PATH)
    plan = stream_plan(graph)
    assert plan.lag["input"] == 0
    assert [plan.lag[f"b{block}.sum"] for block in range(3)] == [1, 3, 7]
    assert [plan.history_rows[name] for name in ("input", "b0.sum", "b1.sum")] == [1, 2, 4]  # for the additions
    assert [plan.history_rows[f"b{block}.in.relu"] for block in range(3)] == [2, 4, 8]  # for the convolutions over time
    assert plan.history_rows[graph.output.name] == 0


def test_first_rows_are_those_of_one_frame():
    """Both operands of an addition are of the same frame, though one of them is there earlier."""
    graph = integer_graph_of(FORMS["depthwise"](), PATH)
    plan = stream_plan(graph)
    for operator in graph.operators:
        for operand, tensor in enumerate(operator.inputs):
            # of the first row that it makes, counted from the first new row of the tensor
            frame = plan.first_row(operator, operand) - plan.history_rows[tensor.name] - plan.lag[tensor.name]
            before = operator.before if isinstance(operator, Conv) else 0
            assert frame == -plan.lag[operator.output.name] - before
            assert plan.first_row(operator, operand) >= 0


def test_causal_models_do_not_lag():
    for form in ("causal", "cut off by Slice", "zeros by Concat", "pointwise"):
        assert set(stream_plan(integer_graph_of(FORMS[form](), PATH)).lag.values()) == {0}


def test_a_tensor_that_is_read_twice_keeps_what_the_slower_reader_needs():
    graph = integer_graph_of(with_static_shape(dynamic_int8(skip_connection(gain=1)), FRAMES), PATH)
    plan = stream_plan(graph)
    assert plan.history_rows["c0.relu"] == 2  # two for the convolution, one for the Concat
    deep = integer_graph_of(with_static_shape(dynamic_int8(residual()), FRAMES), PATH)
    assert max(stream_plan(deep).history_rows.values()) == 8


def test_the_masks_of_frames_before_the_clip_come_first():
    graph = integer_graph_of(FORMS["depthwise"](), PATH)
    calls = list(stream_masks(graph, clip(), 4))
    assert [mask.shape for mask in calls] == [(BINS, 4)] * (CLIP // 4)
    assert all(mask.dtype == np.float32 for mask in calls)
