import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from sezoo.audio.stft import Stft
from sezoo.audio.stft_stream import AnalysisStream, SynthesisStream

transforms = st.sampled_from(
    [
        Stft(),
        Stft(center=False),
        Stft(256, 64, 256, "hamming"),
        Stft(101, 33, 80, "hann", center=False),
        Stft(64, 64, 64),
    ]
)
lengths_of_pieces = st.lists(st.integers(0, 700), min_size=1, max_size=8)


def pieces_of(values, lengths):
    """Pieces of these lengths along the last axis, and what is left."""
    return np.split(values, np.cumsum(lengths), axis=-1)


@settings(deadline=None, max_examples=60)
@given(transforms, st.integers(600, 4000), lengths_of_pieces)
def test_frames_are_those_of_the_whole_wave(stft, samples, lengths):
    wave = np.random.default_rng(samples).standard_normal(samples).astype(np.float32)
    stream = AnalysisStream(stft)
    frames = [stream.push(piece) for piece in pieces_of(wave, lengths)] + [stream.finish()]
    assert all(piece.dtype == np.complex64 for piece in frames)
    np.testing.assert_allclose(np.concatenate(frames, axis=1), stft.analyse(wave), atol=1e-5)


@settings(deadline=None, max_examples=60)
@given(transforms, st.integers(1, 40), st.lists(st.integers(0, 9), min_size=1, max_size=8))
def test_samples_are_those_of_the_whole_spectrum(stft, frames, lengths):
    rng = np.random.default_rng(frames)
    spectrum = (rng.standard_normal((stft.bins, frames)) + 1j * rng.standard_normal((stft.bins, frames))).astype(
        np.complex64
    )
    stream = SynthesisStream(stft)
    wave = np.concatenate([stream.push(piece) for piece in pieces_of(spectrum, lengths)] + [stream.finish()])
    expected = stft.synthesise(spectrum, len(wave))
    assert len(wave) == stft.n_fft + (frames - 1) * stft.hop_length - (stft.n_fft // 2 if stft.center else 0)
    np.testing.assert_allclose(wave, expected, atol=1e-5, rtol=1e-4)


def test_a_sample_is_given_as_soon_as_no_frame_reaches_it():
    stft = Stft(center=False)
    stream = SynthesisStream(stft)
    spectrum = stft.analyse(np.ones(5000, np.float32))
    assert len(stream.push(spectrum[:, :1])) == stft.hop_length
    assert len(stream.push(spectrum[:, 1:4])) == 3 * stft.hop_length
