import logging

import numpy as np
import pytest

import mask_graphs as graphs
from mask_graphs import BINS, Graph, magnitudes, tcnn
from quantizers import ours, quantization, ready
from sezoo.audio.stft import Stft
from sezoo.models.mask_model import MaskModel
from sezoo.models.states import with_states
from sezoo.quantization.analysis.length_advice import (
    INAUDIBLE,
    LONGEST,
    N6_REMEDY,
    TOLERANCE,
    LengthAdvice,
    advise,
    log_advice,
)
from sezoo.quantization.calibration.segments import Segment
from sezoo.quantization.fidelity.scorer import FidelityScorer
from stateful_graphs import CACHE_STATES, cached_convolution

STFT = Stft(n_fft=2 * (BINS - 1), hop_length=20, win_length=2 * (BINS - 1))


def some_excerpts(*lengths, seed=0):
    rng = np.random.default_rng(seed)
    for magnitude in magnitudes(*lengths, seed=seed):
        phases = np.exp(2j * np.pi * rng.random(magnitude.shape[1:]))
        yield Segment((magnitude[0] * phases).astype(np.complex64), magnitude)


EXCERPTS = list(some_excerpts(150, 97, 120))


def convolution(kernel, pads, dilation=1):
    """A network of one convolution over time, of every bin with itself."""
    graph = Graph(4)
    weight = graph.random("w", BINS, 1, kernel, fan_in=kernel)
    settings = {"kernel_shape": [kernel], "dilations": [dilation], "pads": pads, "group": BINS}
    graph.node("Conv", ["input", weight], "conv", **settings)
    graph.node("Sigmoid", ["conv"], "mask")
    return graph.model()


def strided():
    """A network that halves the frames and doubles them again: masks depend on where a patch begins."""
    graph = Graph(4)
    down = graph.random("down", BINS, 1, 2, fan_in=2)
    graph.node("Conv", ["input", down], "half", kernel_shape=[2], strides=[2], pads=[0, 1], group=BINS)
    graph.node("ConvTranspose", ["half", graph.random("up", BINS, 1, 2)], "long", kernel_shape=[2], strides=[2],
               group=BINS)  # fmt: skip
    shape = graph.node("Shape", ["input"], "shape")
    zero, two, three = (graph.weight(f"n{n}", np.array([n], np.int64)) for n in (0, 2, 3))
    end = graph.node("Slice", [shape, two, three], "end")
    graph.node("Slice", ["long", zero, end, two], "cut")
    graph.node("Sigmoid", ["cut"], "mask")
    return graph.model()


def int8_of(model):
    prepared, op_types = ready(model, quantization())
    return prepared, ours(prepared, [segment.magnitude for segment in EXCERPTS], op_types, quantization())


def advice_for(model, frames=30, lookahead=5, segments=EXCERPTS, most_frames=None):
    prepared, int8 = int8_of(model)
    return advise(int8, prepared, segments, STFT, frames, lookahead, most_frames)


def stitched(model, segment, frames, lookahead):
    """Masks of patches cut out by hand."""
    length = segment.magnitude.shape[2]
    padded = np.pad(segment.magnitude, [(0, 0), (0, 0), (lookahead, frames + lookahead)])
    masks = [
        model(np.ascontiguousarray(padded[:, :, start : start + frames + 2 * lookahead]))
        for start in range(0, length, frames)
    ]
    return np.concatenate([mask[:, :, lookahead : lookahead + frames] for mask in masks], axis=2)[:, :, :length]


def test_a_network_without_context_needs_no_lookahead():
    advice = advice_for(convolution(1, [0, 0]))
    assert (advice.field, advice.needed, advice.static_length) == ((0, 0), 0, 30)
    assert advice.is_enough
    assert advice.closeness == advice.needed_closeness == advice.whole


@pytest.mark.parametrize("lookahead", [0, 3, 11, 12, 20])
def test_the_lookahead_that_is_advised_is_within_the_field_and_good(lookahead):
    advice = advice_for(convolution(7, [12, 12], dilation=4), lookahead=lookahead)
    assert advice.field == (12, 12)
    assert advice.needed <= 12
    assert advice.needed_closeness >= min(advice.whole, INAUDIBLE) - TOLERANCE
    if lookahead >= 12:
        assert advice.closeness == pytest.approx(advice.whole, abs=0.05)
    assert advice.is_enough == (lookahead >= advice.needed)


def test_the_advice_does_not_depend_on_the_present_lookahead():
    model = tcnn(blocks=4, seed=3)
    advised = {advice_for(model, lookahead=lookahead).needed for lookahead in (0, 2, 20)}
    assert len(advised) == 1
    assert 0 < advised.pop() <= 15


def test_taking_the_advice_gives_what_it_promises():
    model = tcnn(blocks=4, seed=3)
    advice = advice_for(model, frames=10, lookahead=1)
    assert advice.field == (15, 15)
    assert advice.lookahead < advice.needed <= 15
    assert advice.needed_closeness > advice.closeness + TOLERANCE
    again = advice_for(model, frames=10, lookahead=advice.needed)
    assert again.is_enough
    assert again.closeness == advice.needed_closeness
    assert again.needed == advice.needed


def test_what_is_measured_are_patches_of_the_int8_model_against_the_float_models_whole_clip():
    prepared, int8 = int8_of(convolution(7, [12, 12], dilation=4))
    advice = advise(int8, prepared, EXCERPTS, STFT, 30, 5)
    by_float, by_int8 = MaskModel(prepared), MaskModel(int8)
    by_magnitude = {id(segment.magnitude): segment for segment in EXCERPTS}
    closeness = FidelityScorer(by_float, EXCERPTS, STFT)  # one convolution: zeros around it are its own padding
    assert advice.whole == pytest.approx(closeness(by_int8), abs=0.05)
    for lookahead, found in ((5, advice.closeness), (advice.needed, advice.needed_closeness)):
        by_hand = closeness(lambda magnitude, k=lookahead: stitched(by_int8, by_magnitude[id(magnitude)], 30, k))
        assert found == pytest.approx(by_hand, abs=0.05)


def test_a_causal_network_needs_its_past_on_both_sides():
    advice = advice_for(convolution(5, [8, 0], dilation=2), frames=10, lookahead=0)
    assert advice.field == (8, 0)
    assert 0 < advice.needed <= 8
    assert advice.needed_closeness >= advice.whole - TOLERANCE


def test_a_network_without_bound_is_measured(caplog):
    advice = advice_for(graphs.lstm(), lookahead=0)
    assert advice.field is None
    assert 0 < advice.needed <= LONGEST
    assert advice.needed_closeness > advice.closeness
    log_advice(advice)
    assert "no bound of it was found" in caplog.text


@pytest.mark.parametrize(("frames", "lookahead", "most"), [(30, 0, 40), (30, 2, 40), (30, 2, 30), (30, 1, 1000)])
def test_what_is_advised_runs_on_the_device(frames, lookahead, most):
    advice = advice_for(convolution(7, [12, 12], dilation=4), frames, lookahead, most_frames=most)
    assert advice.static_length <= max(most, frames + 2 * lookahead)
    assert advice.longest == min(12, max(lookahead, (most - frames) // 2))
    assert advice.most_frames == (most if advice.longest < 12 else None)
    assert advice.needed_closeness >= advice.closeness
    assert advice.whole == advice_for(convolution(7, [12, 12], dilation=4)).whole


def test_where_patches_begin_at_another_phase_the_best_is_advised_or_nothing():
    advice = advice_for(strided(), frames=15, lookahead=1)
    assert advice.needed_closeness >= advice.closeness
    assert np.isfinite(advice.needed_closeness)


def test_patches_longer_than_excerpts_are_measured_with_a_cut():
    advice = advice_for(convolution(7, [12, 12], dilation=4), frames=1000, lookahead=0, segments=EXCERPTS * 3)
    assert advice.static_length == 1000 + 2 * advice.needed
    long = list(some_excerpts(300))
    assert not advice_for(convolution(7, [12, 12], dilation=4), frames=1000, lookahead=0, segments=long).is_enough


def test_models_with_states_get_no_advice():
    stateful = with_states(cached_convolution(), CACHE_STATES)
    assert advise(stateful, stateful, EXCERPTS, STFT, 30, 0) is None


def test_silence_gives_no_advice(caplog):
    prepared, int8 = int8_of(convolution(3, [1, 1]))
    silent = [Segment(np.zeros((BINS, 60), np.complex64), np.zeros((1, BINS, 60), np.float32))]
    for segments in (silent, []):
        assert advise(int8, prepared, segments, STFT, 30, 0) is None
    with caplog.at_level(logging.DEBUG):
        log_advice(None)
    assert not caplog.records


def test_with_the_field_as_lookahead_nothing_is_lost_at_the_ends_either():
    """The layers' own padding is not zero inside the network, where biases are: it counts for neither."""
    advice = advice_for(tcnn(blocks=4, seed=3), lookahead=15, segments=EXCERPTS)
    assert advice.closeness == pytest.approx(advice.whole, abs=0.01)


@pytest.mark.parametrize(
    ("advice", "level", "words"),
    [
        (
            LengthAdvice((14, 14), 30, 5, 24.06, 38.2, 12, 37.9, 14),
            "WARNING",
            "lookahead_frames: 5 is less than the receptive field (14 before, 14 after): SI-SNR of the clips denoised "
            "in patches to the float model's is 24.1 dB instead of 38.2; quantization.static_sequence_length: "
            "54 with lookahead_frames: 12 gives 37.9 (30 new frames)",
        ),
        (
            LengthAdvice((14, 14), 30, 12, 37.9, 38.2, 12, 37.9, 14),
            "DEBUG",
            "lookahead_frames: 12 is enough: SI-SNR of the clips denoised in patches to the float model's is 37.9 dB, "
            "38.2 uncut",
        ),
        (
            LengthAdvice((14, 14), 30, 14, 38.2, 38.2, 12, 37.9, 14),
            "DEBUG",
            "lookahead_frames: 14 is enough: SI-SNR of the clips denoised in patches to the float model's is 38.2 dB, "
            "38.2 uncut; 12 would do: 37.9 with quantization.static_sequence_length: 54 (30 new frames)",
        ),
        (
            LengthAdvice(None, 1, 5, 20.0, 38.2, 5, 20.0, 64),
            "WARNING",
            "lookahead_frames: 5: SI-SNR of the clips denoised in patches to the float model's is 20.0 dB instead of "
            "38.2, and no look-ahead of up to 64 frames brings it up; deployment.engine: stream, "
            "where the backend has it, cuts no patches",
        ),
        (
            LengthAdvice(None, 30, 5, 20.0, 38.2, 35, 30.0, 35, 100),
            "WARNING",
            "lookahead_frames: 5 is less than the receptive field (no bound of it was found): SI-SNR of the clips "
            "denoised in patches to the float model's is 20.0 dB instead of 38.2; "
            "quantization.static_sequence_length: 100 with lookahead_frames: 35 gives 30.0 (30 new frames); "
            "the device takes 100 frames at most",
        ),
        (
            LengthAdvice(None, 90, 5, 20.0, 38.2, 5, 20.0, 5, 100),
            "WARNING",
            "lookahead_frames: 5: SI-SNR of the clips denoised in patches to the float model's is 20.0 dB instead of "
            "38.2, and no look-ahead of up to 5 frames brings it up; the device takes 100 frames at most; "
            "deployment.engine: stream, where the backend has it, cuts no patches",
        ),
    ],
)
def test_the_advice_in_one_line(advice, level, words, caplog):
    with caplog.at_level(logging.DEBUG):
        log_advice(advice)
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [(level, words)]


def test_where_no_look_ahead_helps_the_remedy_is_the_targets_own(caplog):
    log_advice(LengthAdvice((16, 16), 30, 16, 26.5, 29.3, 16, 26.5, 16), N6_REMEDY)
    assert caplog.messages == [
        "lookahead_frames: 16: SI-SNR of the clips denoised in patches to the float model's is 26.5 dB instead of "
        "29.3, and no look-ahead of up to 16 frames brings it up; ST's application has patches only; "
        "quantization.target: cortex-m with deployment.backend: portable-c makes a stream for the core of that board, "
        "which cuts none"
    ]
