from dataclasses import replace

import numpy as np
import pytest

from int8_graphs import BINS, FORMS, PATH
from sezoo.audio.stft import Stft
from sezoo.denoising.board import BoardStream
from sezoo.denoising.modes import Board
from sezoo.deployment.engine.integer_graph import FloatStep, IntegerGraph
from sezoo.deployment.engine.interpreter import run_graph
from sezoo.deployment.engine.qdq_reader import integer_graph_of
from sezoo.deployment.engine.reference import denoise_in_patches, denoise_in_stream
from sezoo.deployment.engine.stream_plan import stream_plan
from sezoo.deployment.engine.tensor import Tensor
from sezoo.models.mask_model import MaskModel

F = np.float32
STEP = 1 / 32768
"""Of int16."""

STFTS = {
    "full windows": Stft(n_fft=22, hop_length=11, win_length=22),
    "short windows": Stft(n_fft=22, hop_length=5, win_length=16),
    "odd hop": Stft(n_fft=22, hop_length=7, win_length=20),
}


def wave(samples, seed=0):
    """Noise that swells, as samples of 16 bits."""
    noise = np.random.default_rng(seed).uniform(-0.6, 0.6, samples) * np.linspace(0.1, 1, samples)
    return (np.rint(noise / STEP) * STEP).astype(F)


def unity(frames=8):
    """A graph whose mask is 1, whatever it is given."""
    entry = Tensor("entry", BINS, F(0.1), 0)
    steps = (FloatStep("quantize", ("magnitude",), "entry", BINS, tensor=entry),)
    return IntegerGraph(BINS, frames, steps, (entry,), (), entry, np.ones(256, F), np.arange(BINS))


def by_definition(graph, samples, stft):
    """The stream engine's wave from the definition, in float64: frame n ends with the last sample of hop n."""
    hop, length, margin = stft.hop_length, stft.win_length, (stft.n_fft - stft.win_length) // 2
    window = np.zeros(stft.n_fft)
    window[margin : margin + length] = stft.padded_window[margin : margin + length]
    # What a mask looks ahead to is heard as silence behind the clip, and not left out as beyond a patch's edge.
    lag = stream_plan(graph).lag[graph.output.name]
    count = -(-(len(samples) + length - hop) // hop) + lag
    start = length - hop + margin  # zeros in front of the first sample, so that a hop completes the first window
    padded = np.zeros(start + count * hop + stft.n_fft)
    padded[start : start + len(samples)] = samples
    frames = np.stack([padded[n * hop : n * hop + stft.n_fft] * window for n in range(count)])
    spectrum = np.fft.rfft(frames)
    masks = run_graph(replace(graph, frames=count), np.abs(spectrum).T.astype(F)).T
    out, weight = np.zeros_like(padded), np.zeros_like(padded)
    for n, frame in enumerate(np.fft.irfft(spectrum * masks, stft.n_fft)[: count - lag]):
        out[n * hop : n * hop + stft.n_fft] += frame * window
        weight[n * hop : n * hop + stft.n_fft] += window**2
    return (out / np.maximum(weight, 1e-30))[start : start + len(samples)]


@pytest.mark.parametrize("stft", STFTS.values(), ids=STFTS)
@pytest.mark.parametrize("samples", [1, 10, 100, 333])
def test_a_stream_whose_masks_are_one_changes_nothing(stft, samples):
    clip = wave(samples)
    found = denoise_in_stream(unity(), clip, stft, 3)
    assert found.shape == clip.shape
    assert found.dtype == F
    np.testing.assert_allclose(found, clip, atol=1.01 * STEP)


@pytest.mark.parametrize("stft", STFTS.values(), ids=STFTS)
@pytest.mark.parametrize("form", ["depthwise", "causal", "prologue: log"])
def test_a_stream_is_the_whole_clip_masked_at_once(stft, form):
    """With the look-ahead's delay and the windows' taken out, whatever the calls."""
    graph = integer_graph_of(FORMS[form](), PATH)
    clip = wave(400)
    exact = by_definition(graph, clip, stft)
    found = denoise_in_stream(graph, clip, stft, 1)
    # A magnitude on the edge between two integers is now and then rounded otherwise in float64.
    assert np.mean(np.abs(found - exact) > 1.5 * STEP) < 0.02
    assert np.sqrt(np.mean((found - exact) ** 2) / np.mean(exact**2)) < 0.001
    assert np.abs(found - clip).max() > 100 * STEP


@pytest.mark.parametrize("stft", STFTS.values(), ids=STFTS)
def test_the_calls_of_a_stream_are_not_to_be_heard(stft):
    graph = integer_graph_of(FORMS["depthwise"](), PATH)
    assert stream_plan(graph).lag[graph.output.name] == 7
    clip = wave(500)
    once = denoise_in_stream(graph, clip, stft, 1)
    for frames in (2, 5, 200):
        np.testing.assert_array_equal(denoise_in_stream(graph, clip, stft, frames), once)


def test_what_comes_later_does_not_change_what_is_out():
    """A clip cut off is denoised as its beginning is, up to what its last frames can see."""
    graph, stft = integer_graph_of(FORMS["depthwise"](), PATH), STFTS["full windows"]
    clip, samples = wave(600), 400
    short, long = (denoise_in_stream(graph, each, stft, 4) for each in (clip[:samples], clip))
    sure = samples - 7 * stft.hop_length - stft.win_length
    np.testing.assert_array_equal(short[:sure], long[:sure])
    assert (short != long[:samples]).any()


def test_loud_samples_are_cut_off():
    clip = np.concatenate([wave(100), [1.5, -1.5, 1.0], wave(50)]).astype(F)
    found = denoise_in_stream(unity(), clip, STFTS["full windows"], 2)
    np.testing.assert_allclose(found, np.clip(clip, -1, 1 - STEP), atol=1.01 * STEP)


def test_nothing_in_nothing_out():
    assert denoise_in_stream(unity(), np.zeros(0, F), STFTS["short windows"], 3).shape == (0,)


@pytest.mark.parametrize("stft", STFTS.values(), ids=STFTS)
def test_patches_whose_masks_are_one_change_nothing(stft):
    """Without gate; the ring has no room for the end of a window where it is shorter than the transform."""
    clip = wave(300)
    found = denoise_in_patches(unity(8), PATH, clip, stft, Board(4, 2, silence_threshold=None))
    assert found.shape == clip.shape
    np.testing.assert_allclose(found, clip, atol=1.01 * STEP)


@pytest.mark.parametrize("gain", [True, False])
def test_patches_are_what_the_board_makes_of_onnxruntimes_masks(gain):
    model, stft = FORMS["depthwise"](), STFTS["full windows"]
    play = Board(12, 4, silence_threshold=None, input_gain=gain, half_away=False)
    clip = wave(1000)
    stream = BoardStream(MaskModel(model, PATH), stft, play)
    expected = np.concatenate([stream.push(clip), stream.finish()])
    found = denoise_in_patches(integer_graph_of(model, PATH), PATH, clip, stft, play)
    assert found.shape == expected.shape
    assert np.sqrt(np.mean((found - expected) ** 2) / np.mean(expected**2)) < 0.01
