import numpy as np
import onnx
from hypothesis import given, settings
from hypothesis import strategies as st

from builders import Unity, mask_graph, noise, write_model
from plain_librosa import librosa
from sezoo.audio.stft import Stft
from sezoo.denoising import denoise, normalize_peak
from sezoo.models.mask_model import MaskModel


@settings(deadline=None, max_examples=25)
@given(st.integers(400, 5000))
def test_a_mask_of_ones_gives_the_wave_back(samples):
    wave = noise(samples / 16000)[:samples]
    np.testing.assert_allclose(denoise(wave, Unity(), Stft()), wave, atol=1e-5)


def test_a_clip_is_denoised_as_librosa_and_onnxruntime_would(tmp_path):
    wave, model = noise(0.8), MaskModel(write_model(tmp_path / "m.onnx"))
    settings_ = {"hop_length": 160, "win_length": 400}
    spectrum = librosa.stft(wave, n_fft=512, **settings_)
    mask = model.session.run(None, {"x": np.abs(spectrum)[np.newaxis]})[0][0]
    expected = librosa.istft(mask * spectrum, n_fft=512, length=len(wave), **settings_)
    np.testing.assert_allclose(denoise(wave, model, Stft()), expected, atol=1e-5)


def test_the_model_sees_the_magnitude_to_the_power():
    model, wave = Unity(), noise(0.2)
    denoise(wave, model, Stft(power=2))
    np.testing.assert_allclose(model.seen[0][0], np.abs(Stft().analyse(wave)) ** 2, rtol=1e-4)


def test_peak_normalized():
    assert np.abs(normalize_peak(np.array([0.1, -0.2], np.float32))).max() == 1
    np.testing.assert_array_equal(normalize_peak(np.zeros(5, np.float32)), np.zeros(5))


def test_a_static_model_says_how_long_it_is(tmp_path):
    onnx.save(mask_graph(batch=1, frames=40), tmp_path / "s.onnx")
    assert MaskModel(tmp_path / "s.onnx").frames == 40
    assert MaskModel(mask_graph()).frames is None
