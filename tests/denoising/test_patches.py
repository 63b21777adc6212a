"""Whole clips in pieces, and masks stitched from patches, against the model on the whole clip."""

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders import Unity, noise
from mask_graphs import BINS, lstm, magnitudes, tcnn
from sezoo.audio.stft import Stft
from sezoo.denoising import Patches, WholeClip, denoise, masking
from sezoo.denoising.masking import MaskStream
from sezoo.models.axes import with_dynamic_axes
from sezoo.models.mask_model import MaskModel
from sezoo.models.receptive_field import receptive_field_of
from sezoo.quantization.graph.static_shape import with_static_shape

FLOAT_ERROR = 1e-5
MODELS = {"tcnn": tcnn(), "one block": tcnn(blocks=1, seed=3), "wide": tcnn(blocks=3, seed=5)}
FIELDS = {name: receptive_field_of(model, name) for name, model in MODELS.items()}
SESSIONS = {name: MaskModel(model) for name, model in MODELS.items()}


def masks_of(model, play, magnitude, pieces=()):
    """The masks that a stream gives for magnitudes (bins, frames), pushed in pieces of these lengths."""
    stream = MaskStream(model, play, magnitude.shape[0])
    ones = np.ones_like(magnitude, np.complex64)
    bounds = np.cumsum(pieces)
    pushed = [
        stream.push(spectrum, seen)
        for spectrum, seen in zip(np.split(ones, bounds, axis=1), np.split(magnitude, bounds, axis=1), strict=True)
    ]
    return np.concatenate([*pushed, stream.finish()], axis=1).real


@settings(deadline=None, max_examples=60)
@given(
    st.sampled_from(list(MODELS)),
    st.integers(1, 150),  # frames of the clip
    st.integers(1, 40),  # frames of a patch
    st.integers(0, 6),  # look-ahead beyond what the field needs
    st.lists(st.integers(0, 60), max_size=4),  # pieces
)
def test_with_enough_lookahead_patches_have_the_whole_clips_masks(name, frames, new, more, pieces):
    reach = max(FIELDS[name])
    magnitude = magnitudes(frames, seed=frames)[0][0]
    whole = SESSIONS[name](magnitude[np.newaxis])[0]
    stitched = masks_of(SESSIONS[name], Patches(new, reach + more), magnitude, pieces)
    assert stitched.shape == whole.shape
    inside = slice(reach, max(reach, frames - reach))  # at the ends the layers' zero padding differs
    np.testing.assert_allclose(stitched[:, inside], whole[:, inside], atol=FLOAT_ERROR)


def test_with_too_little_lookahead_they_have_not():
    magnitude = magnitudes(120)[0][0]
    whole = SESSIONS["tcnn"](magnitude[np.newaxis])[0]
    stitched = masks_of(SESSIONS["tcnn"], Patches(30, 0), magnitude)
    assert np.abs(stitched - whole)[:, 10:-10].max() > 100 * FLOAT_ERROR


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 300), st.integers(5, 60), st.lists(st.integers(0, 100), max_size=4))
def test_a_clip_in_pieces_has_the_masks_of_the_whole(frames, step, pieces):
    magnitude = magnitudes(frames, seed=frames)[0][0]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(masking, "WHOLE_CLIP_FRAMES", step)
        masks = masks_of(SESSIONS["wide"], WholeClip(FIELDS["wide"]), magnitude, pieces)
    np.testing.assert_allclose(masks, SESSIONS["wide"](magnitude[np.newaxis])[0], atol=FLOAT_ERROR)


def test_a_recurrent_model_has_a_long_context(monkeypatch):
    monkeypatch.setattr(masking, "UNBOUNDED_FRAMES", 300)
    monkeypatch.setattr(masking, "UNBOUNDED_CONTEXT", 100)
    model, magnitude = MaskModel(lstm()), magnitudes(700)[0][0]
    masks = masks_of(model, WholeClip(None), magnitude, (250, 250))
    np.testing.assert_allclose(masks, model(magnitude[np.newaxis])[0], atol=1e-3)


def test_every_patch_has_its_context_and_the_clip_mirrored_outside():
    model, magnitude = Unity(), np.arange(1, 8, dtype=np.float32)[np.newaxis]
    for pieces in ((), (1,), (2, 3), (6,)):
        model.seen.clear()
        assert masks_of(model, Patches(3, 2), magnitude, pieces).shape == (1, 7)
        seen = np.concatenate(model.seen)[:, 0].tolist()
        assert seen == [[3, 2, 1, 2, 3, 4, 5], [2, 3, 4, 5, 6, 7, 6], [5, 6, 7, 6, 5, 4, 3]]


def test_or_zeros_outside():
    model, magnitude = Unity(), np.arange(1, 8, dtype=np.float32)[np.newaxis]
    masks_of(model, Patches(3, 2, mirrored=False), magnitude)
    seen = np.concatenate(model.seen)[:, 0].tolist()
    assert seen == [[0, 0, 1, 2, 3, 4, 5], [2, 3, 4, 5, 6, 7, 0], [5, 6, 7, 0, 0, 0, 0]]


@pytest.mark.parametrize("frames", [1, 2, 3])
def test_clips_shorter_than_the_context(frames):
    model = Unity()
    assert masks_of(model, Patches(3, 5), np.ones((1, frames), np.float32)).shape == (1, frames)
    assert (np.concatenate(model.seen) == 1).all()


def test_a_static_model_is_run_patch_by_patch_and_gives_the_same():
    static = MaskModel(with_static_shape(MODELS["tcnn"], 20))
    assert (static.batch, static.frames) == (1, 20)
    magnitude = magnitudes(90)[0][0]
    dynamic = masks_of(SESSIONS["tcnn"], Patches(12, 4), magnitude)
    np.testing.assert_allclose(masks_of(static, Patches(12, 4), magnitude), dynamic, atol=FLOAT_ERROR)


def test_the_length_of_a_static_model_can_be_made_dynamic_again():
    static = with_static_shape(MODELS["tcnn"], 20)
    onnx.checker.check_model(static)
    assert MaskModel(with_dynamic_axes(static, axes=("frames",))).frames is None


@pytest.mark.parametrize("play", [WholeClip((14, 14)), WholeClip(), Patches(30, 5), Patches(1, 0), Patches(7, 40)])
@pytest.mark.parametrize("center", [True, False])
def test_a_unity_mask_gives_the_wave_back_in_every_play(play, center):
    wave = noise(1.234)
    denoised = denoise(wave, Unity(), Stft(center=center), play)
    assert denoised.shape == wave.shape
    inside = slice(None) if center else slice(200, -400)  # without padding the windows fade in and out
    np.testing.assert_allclose(denoised[inside], wave[inside], atol=1e-5)


def test_a_piece_is_held_as_long_as_its_context_needs_it():
    stream = MaskStream(Unity(), Patches(10, 3), BINS)
    for _ in range(50):
        stream.push(np.ones((BINS, 7), np.complex64), np.ones((BINS, 7), np.float32))
    assert stream.seen.shape[1] < 10 + 3 + 3 + 7
    assert stream.spectrum.shape[1] < 10 + 3 + 7
