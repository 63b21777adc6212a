"""The stream engine call by call: what is heard live is what a clip sounds like, as late as the C code has it."""

import numpy as np
import pytest

import stateful_graphs
from mask_graphs import BINS
from sezoo.audio.board_input import from_int16, to_int16
from sezoo.audio.stft import Stft
from sezoo.base.errors import UserError
from sezoo.denoising import Stream, denoise
from sezoo.denoising.call_stream import CallStream
from sezoo.denoising.latency import delay_samples
from sezoo.models.mask_model import MaskModel
from sezoo.models.states import with_states
from tiny_models import LOOKAHEAD, int8_model

STFT = Stft(n_fft=64, hop_length=30, win_length=51)


def played(stream, clip):
    """All whole calls of a clip, (samples,) int16."""
    calls = len(clip) // stream.samples
    return np.concatenate([stream.process(each) for each in np.split(clip[: calls * stream.samples], calls)])


@pytest.fixture
def clip():
    noise = np.random.default_rng(3).uniform(-0.6, 0.6, 3000) * np.linspace(0.02, 1, 3000)
    return to_int16(noise.astype(np.float32))


@pytest.mark.parametrize("frames", [1, 2, 7])
@pytest.mark.parametrize("rest", [{}, {"silence_threshold": -20}, {"attenuation_limit": 9.0}])
def test_it_is_the_clip_as_the_stream_engine_plays_it_later_by_its_delay(clip, frames, rest):
    model, play = MaskModel(int8_model(), "model"), Stream((12, LOOKAHEAD), frames, **rest)
    found = played(CallStream(model, STFT, play), clip)
    delay = delay_samples(LOOKAHEAD, STFT)
    expected = to_int16(denoise(from_int16(clip), model, STFT, play))[: len(found) - delay]
    np.testing.assert_allclose(found[delay:], expected, atol=1)
    assert np.abs(expected).max() > 3000 and not found[: LOOKAHEAD * STFT.hop_length].any()
    assert found[:delay].astype(int).std() < 100  # nothing but what the window of the first frames lets through


@pytest.mark.parametrize("name", stateful_graphs.ALL)
def test_a_model_with_states_remembers_from_call_to_call(clip, name):
    graph, states = stateful_graphs.ALL[name]
    model, stft = MaskModel(with_states(graph, states), name), Stft(n_fft=2 * (BINS - 1), hop_length=20, win_length=40)
    stream = CallStream(model, stft, Stream())
    assert stream.frames == (model.frames or 1)
    found = played(stream, clip)
    delay = delay_samples(0, stft)
    expected = to_int16(denoise(from_int16(clip), model, stft, Stream()))[: len(found) - delay]
    np.testing.assert_allclose(found[delay:], expected, atol=2)


def test_a_transform_that_no_device_computes():
    with pytest.raises(UserError, match=r"preprocessing\.power: found 2"):
        CallStream(MaskModel(int8_model(), "model"), Stft(n_fft=64, power=2), Stream((3, 3)))
