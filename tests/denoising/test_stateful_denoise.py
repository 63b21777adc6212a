"""Models with states in every play: each frame once, in order, and a new clip begins with nothing."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import stateful_graphs as graphs
from builders import noise
from mask_graphs import BINS, magnitudes, tcnn
from sezoo.audio.stft import Stft
from sezoo.base.errors import UserError
from sezoo.denoising import Board, Patches, WholeClip, denoise, denoise_variants, masking, open_stream
from sezoo.denoising.masking import MaskStream
from sezoo.models.mask_model import MaskModel
from sezoo.models.states import with_states

STFT = Stft(n_fft=64, hop_length=32, win_length=64)
MODELS = {name: MaskModel(with_states(model, states), name) for name, (model, states) in graphs.ALL.items()}
FIXED = [name for name, model in MODELS.items() if model.frames]


def masks_of(model, play, magnitude, pieces=()):
    """The masks that a stream gives for magnitudes (bins, frames), pushed in pieces of these lengths."""
    stream, bounds = MaskStream(model, play, len(magnitude)), np.cumsum(pieces)
    split = [np.split(each, bounds, axis=1) for each in (np.ones_like(magnitude, np.complex64), magnitude)]
    return np.concatenate([*(stream.push(*both) for both in zip(*split, strict=True)), stream.finish()], axis=1).real


@settings(deadline=None, max_examples=40)
@given(
    st.sampled_from(list(MODELS)),
    st.integers(1, 60),  # frames of the clip
    st.lists(st.integers(0, 30), max_size=4),  # pieces
)
def test_a_stream_has_the_masks_of_a_loop(name, frames, pieces):
    model, states = graphs.ALL[name]
    magnitude = magnitudes(frames, seed=frames)[0]
    length = MODELS[name].frames
    expected = graphs.looped_mask(model, states, magnitude, length or frames)[0]
    np.testing.assert_allclose(masks_of(MODELS[name], WholeClip(), magnitude[0], pieces), expected, atol=1e-6)
    play = Patches(length or 7, 0)
    expected = graphs.looped_mask(model, states, magnitude, length or 7)[0]
    np.testing.assert_allclose(masks_of(MODELS[name], play, magnitude[0], pieces), expected, atol=1e-6)


@pytest.mark.parametrize("name", MODELS)
def test_a_long_clip_in_blocks_remembers_across_them(name, monkeypatch):
    monkeypatch.setattr(masking, "WHOLE_CLIP_FRAMES", 16)
    (magnitude,) = magnitudes(70)
    np.testing.assert_allclose(masks_of(MODELS[name], WholeClip(), magnitude[0]), MODELS[name](magnitude)[0], atol=1e-6)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("play", [WholeClip(), Patches(1, 0), Patches(5, 0), Board(1, 0), Board(5, 0)])
def test_a_new_clip_begins_with_nothing_and_two_at_once_keep_apart(name, play):
    model = MODELS[name]
    if isinstance(play, Patches) and model.frames not in (None, play.frames):
        return
    one, other = noise(0.2, seed=1), noise(0.2, seed=2)
    first = denoise(one, model, STFT, play)
    assert first.shape == one.shape
    streams = [open_stream(model, STFT, play) for _ in range(2)]
    pieces = [[], []]
    for start in range(0, len(one), 700):
        for stream, wave, into in zip(streams, (one, other), pieces, strict=True):
            into.append(stream.push(wave[start : start + 700]))
    together = [np.concatenate([*into, stream.finish()]) for stream, into in zip(streams, pieces, strict=True)]
    np.testing.assert_allclose(together[0], first, atol=1e-6)
    np.testing.assert_allclose(together[1], denoise(other, model, STFT, play), atol=1e-6)


def test_models_with_and_without_states_share_a_spectrum():
    wave = noise(0.3)
    players = {name: (model, WholeClip()) for name, model in MODELS.items()}
    players["tcnn"] = MaskModel(tcnn()), WholeClip((3, 3))
    for name, denoised in denoise_variants(wave, players, STFT).items():
        np.testing.assert_allclose(denoised, denoise(wave, *players[name][:1], STFT, players[name][1]), atol=1e-6)


def test_a_fixed_length_is_kept_to_and_the_last_call_filled_up():
    model = MODELS["cached convolution of 5 frames"]
    shapes = []
    run = model.fresh()

    class Recorded:
        path, batch, frames, input_quantizer, stateful = "recorded", 1, 5, None, True

        @staticmethod
        def fresh():
            return lambda magnitude: shapes.append(magnitude.shape) or run(magnitude)

    assert masks_of(Recorded(), WholeClip(), magnitudes(12)[0][0], (3, 4)).shape == (BINS, 12)
    assert shapes == [(1, BINS, 5)] * 3


@pytest.mark.parametrize("kind", [Patches, Board])
@pytest.mark.parametrize("name", MODELS)
def test_frames_may_not_be_shown_twice(kind, name):
    frames = MODELS[name].frames or 30
    with pytest.raises(UserError, match=rf"{name}: patches with 5 frames of look-ahead .* lookahead_frames: 0"):
        open_stream(MODELS[name], STFT, kind(frames, 5))


@pytest.mark.parametrize("kind", [Patches, Board])
@pytest.mark.parametrize("name", FIXED)
def test_patches_are_calls_where_these_have_a_length(kind, name):
    message = rf"{name}: patches of 30 frames .* takes {MODELS[name].frames} in each call; frames_per_patch: "
    with pytest.raises(UserError, match=message):
        open_stream(MODELS[name], STFT, kind(30, 0))
