import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plain_librosa import librosa

torch = pytest.importorskip("torch")

from sezoo.audio.stft import Stft  # noqa: E402
from sezoo.training.torch_stft import TorchStft  # noqa: E402


def noise(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


@st.composite
def transforms(draw):
    n_fft = draw(st.sampled_from([64, 100, 256, 101]))
    win_length = max(8, int(draw(st.floats(0.3, 1.0)) * n_fft))
    hop_length = max(1, int(draw(st.floats(0.1, 0.5)) * win_length))
    window = draw(st.sampled_from(["hann", "hamming", "blackman", "boxcar"]))
    return Stft(n_fft, hop_length, win_length, window, draw(st.booleans()), draw(st.sampled_from([0.5, 1.0, 2.0])))


@settings(deadline=None, max_examples=60)
@given(transforms(), st.integers(256, 1500))
def test_it_computes_what_the_numpy_transform_does(stft, samples):
    waves, ours = noise(3, samples), TorchStft(stft)
    expected = stft.analyse(waves)
    spectrum = ours.analyse(torch.tensor(waves))
    assert spectrum.dtype == torch.complex64
    assert spectrum.shape == expected.shape == (3, stft.bins, ours.frames(samples))
    np.testing.assert_allclose(spectrum, expected, atol=2e-4)

    magnitude = ours.magnitude(spectrum)
    assert magnitude.dtype == torch.float32
    np.testing.assert_allclose(magnitude, stft.magnitude(spectrum.numpy()), rtol=1e-4, atol=1e-6)

    masked = noise(*expected.shape, seed=1) * expected
    for length in (samples - 7, samples, samples + 300):
        back = ours.synthesise(torch.tensor(masked), length).numpy()
        assert (back.dtype, back.shape) == (np.float32, (3, length))
        # Where the windows' sum is next to nothing both divide noise by it.
        solid = ours.covered(masked.shape[-1], length)[0].numpy()
        np.testing.assert_allclose(back[:, solid], stft.synthesise(masked, length)[:, solid], rtol=1e-4, atol=1e-3)


@settings(deadline=None, max_examples=40)
@given(transforms(), st.integers(256, 1500))
def test_it_computes_what_librosa_does(stft, samples):
    wave, ours = noise(samples), TorchStft(stft)
    arguments = {
        "n_fft": stft.n_fft,
        "hop_length": stft.hop_length,
        "win_length": stft.win_length,
        "window": stft.window,
        "center": stft.center,
    }
    expected = librosa.stft(wave, pad_mode="constant", **arguments)
    np.testing.assert_allclose(ours.analyse(torch.tensor(wave)[None])[0], expected, atol=2e-4)

    masked = noise(*expected.shape, seed=1) * expected
    oracle = librosa.istft(masked, length=samples, **arguments)
    back = ours.synthesise(torch.tensor(masked)[None], samples)[0].numpy()
    weight = librosa.filters.window_sumsquare(
        window=stft.window,
        n_frames=expected.shape[1],
        n_fft=stft.n_fft,
        hop_length=stft.hop_length,
        win_length=stft.win_length,
    )
    offset = stft.n_fft // 2 if stft.center else 0
    solid = np.pad(weight[offset:], (0, samples))[:samples] > 1e-2
    np.testing.assert_allclose(back[solid], oracle[solid], rtol=1e-4, atol=1e-3)
    covered = ours.covered(expected.shape[1], samples)[0].numpy()
    assert covered[solid].all()


@settings(deadline=None, max_examples=40)
@given(transforms(), st.lists(st.integers(256, 900), min_size=1, max_size=4), st.integers(0, 500))
def test_frames_behind_a_clip_do_not_touch_it(stft, lengths, padding):
    ours, samples = TorchStft(stft), max(lengths) + padding
    waves = torch.tensor(noise(len(lengths), samples))
    frames = ours.frames(torch.tensor(lengths))
    assert frames.tolist() == [stft.frames(length) for length in lengths]
    spectra = ours.analyse(waves)  # what follows a clip is noise here
    back = ours.synthesise(spectra, samples, frames)
    covered = ours.covered(spectra.shape[-1], samples, frames)
    for clip, length in enumerate(lengths):
        alone = spectra[clip : clip + 1, :, : frames[clip]]
        torch.testing.assert_close(back[clip, :length], ours.synthesise(alone, length)[0])
        assert (covered[clip, :length] == ours.covered(alone.shape[-1], length)[0]).all()
        end = stft.n_fft + (int(frames[clip]) - 1) * stft.hop_length
        assert not back[clip, end:].any() and not covered[clip, end:].any()


def test_frames_of_a_number_and_of_a_tensor():
    centred, plain = TorchStft(Stft()), TorchStft(Stft(center=False))
    assert [centred.frames(samples) for samples in (1, 159, 160, 16000)] == [1, 1, 2, 101]
    assert plain.frames(torch.tensor([100, 512, 671, 672])).tolist() == [0, 1, 1, 2]
    assert plain.frames(100) == 0


def test_the_inverse_undoes_the_analysis_but_for_the_rims():
    waves = torch.tensor(noise(2, 5000))
    for stft in (Stft(), Stft(center=False), Stft(512, 256, 512, center=False)):
        ours = TorchStft(stft)
        spectra = ours.analyse(waves)
        covered = ours.covered(spectra.shape[-1], 5000)[0]
        assert covered.sum() > 4500
        torch.testing.assert_close(ours.synthesise(spectra, 5000)[:, covered], waves[:, covered], atol=1e-4, rtol=1e-4)


def test_the_default_transform_covers_every_sample_of_a_clip():
    ours = TorchStft(Stft())
    lengths = torch.arange(1000, 1321)
    covered = ours.covered(ours.frames(1400), 1400, ours.frames(lengths))
    assert (covered | (torch.arange(1400) >= lengths[:, None])).all()


def test_the_rims_of_half_overlapping_windows_are_not_covered():
    ours, samples = TorchStft(Stft(512, 256, 512)), 256 * 8 + 255
    spectrum = ours.analyse(torch.tensor(noise(1, samples)))
    loud = ours.synthesise(spectrum * torch.tensor(noise(*spectrum.shape, seed=1)), samples).abs()[0]
    covered = ours.covered(spectrum.shape[-1], samples)[0]
    assert loud[-1] > 1000 and loud[covered].max() < 200
    assert not covered[-1] and covered[:-60].all()


@pytest.mark.parametrize("power", [0.1, 0.5, 1.0, 1.5, 2.0])
def test_the_magnitude_has_a_finite_gradient_at_zero(power):
    spectrum = torch.tensor([0, 1e-45, 1e-38, 1e-20j, 3 - 4j], dtype=torch.complex64, requires_grad=True)
    magnitude = TorchStft(Stft(power=power)).magnitude(spectrum)
    assert magnitude[0] == 0
    torch.testing.assert_close(magnitude[-1], torch.tensor(5.0**power))
    magnitude.sum().backward()
    assert torch.isfinite(torch.view_as_real(spectrum.grad)).all()
    assert spectrum.grad[0] == 0 and spectrum.grad[-1] != 0


@pytest.mark.parametrize("center", [True, False])
def test_gradients_are_right(center):
    ours = TorchStft(Stft(16, 5, 12, center=center, power=0.7)).double()
    frames = torch.tensor([4, 3])
    solid = ours.covered(6, 30, frames)

    def play(wave):
        spectrum = ours.analyse(wave)
        mask = torch.sigmoid(ours.magnitude(spectrum))
        return torch.where(solid, ours.synthesise(mask * spectrum, 30, frames[: len(wave)]), 0.0)

    wave = torch.tensor(noise(2, 41 if not center else 29), dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(play, wave)


def test_it_belongs_to_no_state_and_moves():
    ours = TorchStft(Stft())
    assert not ours.state_dict() and not list(ours.parameters())
    assert ours.to("meta") is ours
    assert ours.analyse(torch.zeros(2, 1600, device="meta")).shape == (2, 257, 11)
    assert ours.frames(1600) == 11
