"""Channels scaled together: the masks stay, whatever the factors, and no channel outgrows its tensor."""

import numpy as np
import pytest
import scipy.sparse

import foreign_graphs
import mask_graphs as graphs
from mask_graphs import BINS, LATENT
from quantizers import quantization, ready
from recovery_bench import bench_of
from sezoo.models.mask_model import MaskModel
from sezoo.quantization.calibration.ranges import ranges_of_activations
from sezoo.quantization.fidelity.probe import tensors_of
from sezoo.quantization.recovery.channel_ties import channel_ties, connected_components
from sezoo.quantization.recovery.equalization import channel_peaks, class_factors, equalize
from sezoo.quantization.recovery.steps import equalization


def image_of_a_product(*, seed=0):
    """A product with its channels along the last axis, which convolutions take for that of the bins."""
    graph = graphs.Graph(seed)
    source = graph.node("Transpose", ["input"], "frames_first", perm=[0, 2, 1])
    source = graph.node("MatMul", [source, graph.random("w", BINS, BINS, fan_in=BINS)], "product")
    source = graph.node("Unsqueeze", [source, graph.weight("one", np.array([1]))], "image")
    for name, inward, outward in (("first", 1, 4), ("last", 4, 1)):
        weight = graph.random(f"{name}.weight", outward, inward, 1, 3, fan_in=3 * inward)
        source = graph.node("Conv", [source, weight], name, kernel_shape=[1, 3], pads=[0, 1, 0, 1])
    source = graph.node("Squeeze", [source, "one"], "frames")
    graph.node("Sigmoid", [graph.node("Transpose", [source], "bins_first", perm=[0, 2, 1])], "mask")
    return graph.model()


MODELS = {
    "image": lambda seed: image_of_a_product(seed=seed),
    "tcnn": lambda seed: graphs.tcnn(batch_norm=True, seed=seed),
    "relu6": lambda seed: graphs.tcnn(relu6=True, seed=seed),
    "viewed": lambda seed: graphs.viewed(seed=seed),
    "read twice": lambda seed: graphs.read_twice(seed=seed),
    **{name: lambda seed, build=build: build(seed=seed) for name, build in foreign_graphs.PLAIN.items()},
}


def magnitudes(seed=0):
    return graphs.magnitudes(40, seed=seed)[0]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", MODELS)
def test_the_masks_are_the_same_for_any_factors(name, seed):
    prepared, _ = ready(MODELS[name](seed))
    ties = channel_ties(prepared)
    rng = np.random.default_rng(seed)
    count = 1 + max(int(classes.max()) for classes in ties.classes.values())
    factors = np.exp(rng.uniform(-2, 2, count))
    factors[0] = 1
    scaled = equalize(prepared, ties, factors)
    before, after = MaskModel(prepared, "a")(magnitudes()), MaskModel(scaled, "b")(magnitudes())
    np.testing.assert_allclose(after, before, atol=2e-5)


@pytest.mark.parametrize(
    ("name", "free"),
    [
        ("tcnn", True),
        ("read twice", False),
        ("conv_transpose_encoder_decoder", True),
        ("grouped_dilated", True),
        ("two_nodes", False),
        ("attention_gate", True),
        ("lstm_mask", False),
    ],
)
def test_channels_are_free_between_layers_and_nowhere_else(name, free):
    prepared, _ = ready(MODELS[name](0))
    ties = channel_ties(prepared)
    assert any(classes.any() for classes in ties.classes.values()) == free
    for value in (*prepared.graph.input, *prepared.graph.output):
        assert not ties.classes.get(value.name, np.zeros(1)).any()


def test_scaled_tensors_have_the_factors():
    """What changes inside is each channel, by the factor of its class."""
    prepared, _ = ready(MODELS["tcnn"](0))
    ties = channel_ties(prepared)
    factors = np.random.default_rng(0).uniform(1, 9, 1 + max(int(c.max()) for c in ties.classes.values()))
    factors[0] = 1
    names = [name for name, classes in ties.classes.items() if classes.any()]
    ((_, before),) = tensors_of(prepared, names)(magnitudes())
    ((_, after),) = tensors_of(equalize(prepared, ties, factors), names)(magnitudes())
    for name, exact, scaled in zip(names, before, after, strict=True):
        of_channels = factors[ties.classes[name]][:, np.newaxis]
        np.testing.assert_allclose(scaled, exact * of_channels, rtol=1e-3, atol=1e-4 * np.abs(scaled).max())


def test_residual_streams_are_told_apart():
    graph = graphs.Graph(0)
    first = graph.conv("input", "first", BINS, LATENT)
    second = graph.conv(first, "second", LATENT, LATENT)
    stream = graph.node("Add", [first, second], "stream")
    graph.node("Sigmoid", [graph.conv(stream, "out", LATENT, BINS)], "mask")
    prepared, _ = ready(graph.model())
    ties = channel_ties(prepared)
    assert set(ties.classes["first"]) == set(ties.classes["second"]) == set(ties.classes["stream"]) <= ties.summed
    peaks = {"stream": np.linspace(0.1, 1, LATENT)}
    np.testing.assert_array_equal(class_factors(ties, peaks), 1)


def test_factors_are_limited_by_every_tensor_and_leave_silent_channels_alone():
    prepared, _ = ready(graphs.tcnn(blocks=1, seed=0))
    ties = channel_ties(prepared)
    name = next(name for name, classes in ties.classes.items() if classes.any())
    channels = len(ties.classes[name])
    peaks = {name: np.array([1.0, 0.5, 1e-6, 0.0] + [1.0] * (channels - 4))}
    factors = class_factors(ties, peaks)[ties.classes[name]]
    np.testing.assert_allclose(factors[:4], [1, 2, 50, 1])


def test_the_step_makes_ranges_no_wider_and_peaks_even():
    clips = graphs.magnitudes(*[40] * 10)
    prepared, _ = ready(graphs.tcnn(seed=1))
    plan, context = bench_of(prepared, clips, quantization())
    done = equalization(plan, context)
    ties = channel_ties(prepared)
    covered = ranges_of_activations(prepared, set(plan.op_types))  # what a Relu cuts off does not count
    names = [name for name in plan.ranges if ties.classes.get(name, np.zeros(1)).any() and name not in covered]
    assert names
    for name in names:
        assert done.ranges[name][1] <= plan.ranges[name][1] * 1.001
    before = channel_peaks(prepared, ties, names, context.fit)
    after = channel_peaks(done.exact, ties, names, context.fit)
    evenness = [np.mean([np.median(peak) / peak.max() for peak in peaks.values()]) for peaks in (before, after)]
    assert evenness[1] > 1.3 * evenness[0]
    np.testing.assert_allclose(MaskModel(done.exact, "b")(clips[0]), MaskModel(prepared, "a")(clips[0]), atol=1e-5)


@pytest.mark.parametrize(("count", "edges"), [(1, 0), (6, 3), (300, 120), (300, 290), (300, 2000), (300, "chain")])
def test_components_and_their_numbers_are_those_of_scipy(count, edges):
    rng = np.random.default_rng(count)
    if edges == "chain":
        order = rng.permutation(count)
        pairs = np.stack([order[:-1], order[1:]])
    else:
        pairs = rng.integers(0, count, (2, edges))
    graph = scipy.sparse.coo_matrix((np.ones(pairs.shape[1]), tuple(pairs)), shape=(count, count))
    expected = scipy.sparse.csgraph.connected_components(graph, directed=False)[1]
    np.testing.assert_array_equal(connected_components(count, pairs), expected)
