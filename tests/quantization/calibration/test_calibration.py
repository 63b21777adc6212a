import tracemalloc
import weakref

import numpy as np
import pytest

import mask_graphs as graphs
from quantizers import Clips, ready, their_ranges
from sezoo.base.errors import UserError
from sezoo.quantization.calibration import statistics
from sezoo.quantization.calibration.options import CalibrationOptions
from sezoo.quantization.calibration.ranges import calibrate, calibrate_groups, ranges_of_activations

MODELS = {
    "tcnn": graphs.tcnn(batch_norm=True),
    "relu6": graphs.tcnn(relu6=True),
    "lstm": graphs.lstm(),
    "viewed": graphs.viewed(),
    "read twice": graphs.read_twice(),
    "clip then relu": graphs.clip_then_relu(),
}
NOT_NEGATIVE = ("Relu", "Sigmoid", "Softmax", "Abs")


@pytest.fixture(params=MODELS)
def model(request):
    return ready(MODELS[request.param])


def expected_ranges(prepared, op_types, theirs):
    """onnxruntime's ranges as its quantizer uses them: zero is part of each, and activations give theirs away."""
    kinds = {output: node.op_type for node in prepared.graph.node for output in node.output}
    readers = [name for node in prepared.graph.node for name in node.input]
    used = {name: (0.0 if kinds.get(name) in NOT_NEGATIVE else low, high) for name, (low, high) in theirs.items()}
    for node in prepared.graph.node:  # as adjust_tensor_ranges does, in the order of the graph
        if node.op_type in ("Clip", "Relu") and node.op_type in op_types and readers.count(node.input[0]) == 1:
            used[node.input[0]] = used[node.output[0]]
    return {name: (min(low, 0), max(high, 0)) for name, (low, high) in used.items()}


def with_zero(ranges):
    return {name: (min(float(low), 0), max(float(high), 0)) for name, (low, high) in ranges.items()}


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ({}, {}),
        ({"moving_average": True}, {"moving_average": True}),
        ({"symmetric": True}, {"symmetric": True}),
        ({"stride": 2}, {"stride": 2}),
        ({"stride": 2, "moving_average": True}, {"stride": 2, "moving_average": True}),
        (
            {"stride": 3, "moving_average": True, "averaging_constant": 0.3, "symmetric": True},
            {"stride": 3, "moving_average": True, "averaging_constant": 0.3, "symmetric": True},
        ),
    ],
)
def test_extremes_are_onnxruntimes(model, ours, theirs):
    prepared, op_types = model
    clips = graphs.magnitudes(40, 17, 61, 33, 25, 80)
    ranges = calibrate(prepared, [[clip] for clip in clips], op_types, CalibrationOptions(**ours))
    expected = their_ranges(prepared, clips, op_types, "MinMax", **theirs)
    assert ranges.keys() == expected.keys()
    if not ours.get("symmetric"):
        expected = expected_ranges(prepared, op_types, expected)
        ranges = with_zero(ranges)
    else:  # a symmetric range is its upper end
        expected = {name: ends[1] for name, ends in expected_ranges(prepared, op_types, expected).items()}
        ranges = {name: ends[1] for name, ends in ranges.items()}
    for name, ends in expected.items():
        assert ranges[name] == pytest.approx(ends, rel=2e-7, abs=1e-12), name


@pytest.mark.parametrize("percentile", [99.999, 99, 90])
@pytest.mark.parametrize("symmetric", [True, False])
def test_percentiles_are_onnxruntimes_within_its_bins(model, percentile, symmetric):
    prepared, op_types = model
    clips = graphs.magnitudes(*[53] * 4)  # so many that no percentile falls between two values
    options = CalibrationOptions(method="Percentile", percentile=percentile, symmetric=symmetric)
    ranges = with_zero(calibrate(prepared, [[clip] for clip in clips], op_types, options))
    theirs = their_ranges(prepared, clips, op_types, "Percentile", percentile=percentile, symmetric=symmetric)
    largest = {name: max(map(abs, ends)) for name, ends in their_ranges(prepared, clips, op_types, "MinMax").items()}
    shared = ranges_of_activations(prepared, set(op_types))
    for name, ends in with_zero(theirs).items():
        if name not in shared:
            width = 2 * largest[name] / 2048 * 1.5  # one of its bins, and half of one for ours
            assert ranges[name] == pytest.approx(ends, abs=width), name


@pytest.mark.parametrize("method", ["MinMax", "Distribution", "Entropy", "Percentile"])
def test_clips_of_any_length_give_ranges(model, method):
    prepared, op_types = model
    clips = graphs.magnitudes(1, 90, 13, 250)
    widest = with_zero(calibrate(prepared, [[clip] for clip in clips], op_types, CalibrationOptions()))
    ranges = calibrate(prepared, [[clip] for clip in clips], op_types, CalibrationOptions(method=method))
    assert ranges.keys() == widest.keys()
    for name, (low, high) in with_zero(ranges).items():
        assert widest[name][0] <= low <= 0 <= high <= widest[name][1], name
        assert high > low, name


@pytest.mark.parametrize("method", ["MinMax", "Entropy", "Percentile"])
def test_pieces_of_a_clip_count_as_one_clip(method):
    """Without context (1x1 convolutions alone) cutting a clip changes nothing at all."""
    prepared, op_types = ready(graphs.read_twice())
    clips = graphs.magnitudes(300, 50)
    pieces = [np.array_split(clip, 4, axis=2) for clip in clips]
    options = CalibrationOptions(method=method, moving_average=True)
    whole = calibrate(prepared, [[clip] for clip in clips], op_types, options)
    cut = calibrate(prepared, [map(np.ascontiguousarray, piece) for piece in pieces], op_types, options)
    for name, ends in whole.items():
        assert cut[name] == pytest.approx(ends, rel=1e-3 if method == "Entropy" else 1e-5), name


def test_pieces_differ_at_their_edges_only():
    prepared, op_types = ready(graphs.tcnn())
    (clip,) = graphs.magnitudes(400)
    whole = calibrate(prepared, [[clip]], op_types, CalibrationOptions())
    cut = calibrate(prepared, [[clip[:, :, :200].copy(), clip[:, :, 200:].copy()]], op_types, CalibrationOptions())
    for name, ends in whole.items():
        assert cut[name] == pytest.approx(ends, rel=0.05, abs=0.05 * float(ends[1])), name


@pytest.mark.parametrize("method", ["MinMax", "Entropy", "Percentile"])
def test_nan_inside_the_float_model_names_the_tensor(method):
    """A few NaN among many values, which onnxruntime's ReduceMax passes over, and a mask that hides them."""
    prepared, op_types = ready(graphs.becoming_nan())
    clips = [[clip] for clip in graphs.magnitudes(40)]
    with pytest.raises(UserError, match="tensor 'log' becomes NaN or infinite") as raised:
        calibrate(prepared, clips, op_types, CalibrationOptions(method=method))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("method", ["MinMax", "Percentile"])
def test_memory_does_not_grow_with_the_clips(method):
    """What NumPy holds: clips, histograms and the like."""
    prepared, op_types = ready(graphs.tcnn(blocks=1))
    (clip,) = graphs.magnitudes(400)
    options = CalibrationOptions(method=method, moving_average=True)

    def peak(count):
        tracemalloc.start()
        try:
            calibrate(prepared, ([clip * np.float32(1 + index)] for index in range(count)), op_types, options)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(2)  # imports and caches
    few, many = peak(3), peak(60)
    assert many < few + 10 * clip.nbytes


@pytest.mark.parametrize("method", ["Entropy", "Percentile"])
def test_activations_of_one_clip_at_a_time_are_alive(method, monkeypatch):
    """What onnxruntime holds, told by weak references: tracemalloc does not see its arrays."""
    prepared, op_types = ready(graphs.tcnn(blocks=1))
    runner, alive, most = statistics.runner, weakref.WeakSet(), 0

    class Activation(np.ndarray):
        __hash__ = object.__hash__

    def watched(*how):
        run = runner(*how)

        def run_and_watch(pieces):
            nonlocal most
            for given in run(pieces):
                outputs = [values.view(Activation) for values in given]
                del given
                alive.update(outputs)
                most = max(most, len(alive) / len(outputs))
                yield outputs
                del outputs

        return run_and_watch

    monkeypatch.setattr(statistics, "runner", watched)
    clips = [[clip] for clip in graphs.magnitudes(*[30] * 8)]
    calibrate(prepared, clips, op_types, CalibrationOptions(method=method))
    assert 1 <= most <= 2


def test_clips_are_asked_for_one_at_a_time():
    prepared, op_types = ready(graphs.tcnn(blocks=1))
    alive, most = 0, 0

    class Counted(np.ndarray):
        def __del__(self):
            nonlocal alive
            alive -= 1

    def clips():
        nonlocal alive, most
        for clip in graphs.magnitudes(*[20] * 5):
            counted = clip.copy().view(Counted)
            alive += 1
            most = max(most, alive)
            yield iter([np.asarray(counted)])
            del counted

    calibrate(prepared, clips(), op_types, CalibrationOptions())
    assert most <= 2


def test_only_quantized_operators_are_looked_at():
    prepared, _ = ready(graphs.tcnn(blocks=1))
    ranges = calibrate(prepared, [graphs.magnitudes(30)], ["Add"], CalibrationOptions())
    assert set(ranges) == {"input", "b0.out", "b0.sum"}


def test_the_oracle_reads_what_it_is_given():
    clips = graphs.magnitudes(3, 4, 5)
    reader = Clips(clips)
    reader.set_range(1, 3)
    assert [reader.get_next()["input"].shape[2] for _ in range(2)] == [4, 5]
    assert reader.get_next() is None


@pytest.mark.parametrize("options", [{}, {"moving_average": True}, {"method": "Percentile", "percentile": 99.0}])
def test_groups_of_clips_are_calibrated_in_one_pass(options):
    prepared, op_types = ready(MODELS["relu6"])
    clips, options = [[clip] for clip in graphs.magnitudes(40, 17, 61, 33)], CalibrationOptions(**options)
    groups = [None, range(0, 4, 2), [1], {2, 3}]
    found = calibrate_groups(prepared, clips, op_types, options, groups)
    assert found == [
        calibrate(prepared, [clips[index] for index in group or range(4)], op_types, options) for group in groups
    ]


@pytest.mark.parametrize("name", MODELS)
def test_ranges_of_some_activations_are_those_among_all(name):
    prepared, op_types = ready(MODELS[name])
    clips, options = [[clip] for clip in graphs.magnitudes(40, 17)], CalibrationOptions()
    everything = calibrate(prepared, clips, op_types, options)
    for wanted in everything:
        found = calibrate(prepared, clips, op_types, options, wanted=[wanted])
        assert found == {wanted: everything[wanted]}
