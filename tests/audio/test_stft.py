import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plain_librosa import librosa
from sezoo.audio.stft import Stft


def noise(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


settings_of_a_transform = st.tuples(
    st.sampled_from([64, 100, 256, 512]),  # n_fft
    st.floats(0.3, 1.0),  # win_length / n_fft
    st.floats(0.1, 0.5),  # hop_length / win_length
    st.sampled_from(["hann", "hamming", "blackman"]),
    st.booleans(),
    st.integers(512, 3000),  # samples
)


@settings(deadline=None, max_examples=60)
@given(settings_of_a_transform)
def test_analysis_and_synthesis_are_librosas(drawn):
    n_fft, win_share, hop_share, window, center, samples = drawn
    win_length = max(8, int(win_share * n_fft))
    hop_length = max(1, int(hop_share * win_length))
    stft = Stft(n_fft, hop_length, win_length, window, center)
    wave = noise(samples)
    arguments = {"hop_length": hop_length, "win_length": win_length, "window": window, "center": center}

    expected = librosa.stft(wave, n_fft=n_fft, pad_mode="constant", **arguments)
    spectrum = stft.analyse(wave)
    assert spectrum.dtype == np.complex64
    assert spectrum.shape == expected.shape == (stft.bins, stft.frames(samples))
    np.testing.assert_allclose(spectrum, expected, atol=2e-4)

    back = stft.synthesise(expected, samples)
    oracle = librosa.istft(expected, n_fft=n_fft, length=samples, **arguments)
    assert back.dtype == np.float32
    assert back.shape == (samples,)
    # Where the windows' sum is next to nothing both divide noise by it: compare where it is not.
    weight = librosa.filters.window_sumsquare(
        window=window, n_frames=expected.shape[1], n_fft=n_fft, hop_length=hop_length, win_length=win_length
    )
    offset = n_fft // 2 if center else 0
    solid = np.pad(weight[offset:], (0, samples))[:samples] > 1e-3
    np.testing.assert_allclose(back[solid], oracle[solid], atol=2e-4)


@pytest.mark.parametrize("power", [0.5, 1, 2])
def test_magnitude_is_the_absolute_value_to_the_power(power):
    stft = Stft(power=power)
    spectrum = stft.analyse(noise(4000))
    magnitude = stft.magnitude(spectrum)
    assert magnitude.dtype == np.float32
    assert magnitude.flags.c_contiguous
    np.testing.assert_allclose(magnitude, np.abs(spectrum) ** power, rtol=1e-5)


def test_batches_are_transformed_clip_by_clip():
    stft, waves = Stft(), noise(2, 3, 5000)
    spectra = stft.analyse(waves)
    assert spectra.shape == (2, 3, 257, 32)
    np.testing.assert_array_equal(spectra[1, 2], stft.analyse(waves[1, 2]))
    back = stft.synthesise(spectra, 5000)
    np.testing.assert_allclose(back, waves, atol=1e-5)


@pytest.mark.parametrize("center", [True, False])
@pytest.mark.parametrize("max_frames", [1, 7, 1000])
def test_blocks_are_pieces_of_the_whole(center, max_frames):
    stft, wave = Stft(center=center), noise(6000)
    blocks = list(stft.analyse_blocks(wave, max_frames))
    assert max(block.shape[-1] for block in blocks) <= max_frames
    np.testing.assert_allclose(np.concatenate(blocks, axis=-1), stft.analyse(wave), atol=1e-6)
