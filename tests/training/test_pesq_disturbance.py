import numpy as np
import pesq
import pytest
from scipy.signal import lfilter

from speech_clips import RATE, noised, real_pairs, speech_like

torch = pytest.importorskip("torch")

from sezoo.training.pesq_disturbance import PesqDisturbance  # noqa: E402


def raw(score):
    """The PESQ score before P.862.2 maps it to MOS-LQO."""
    return (3.8224 - np.log(4 / (score - 0.999) - 1)) / 1.3669


def ours(clean, degraded):
    waves = (torch.tensor(np.asarray(wave)[None], dtype=torch.float32) for wave in (degraded, clean))
    return 4.5 - PesqDisturbance()(*waves, torch.tensor([len(clean)])).item()


def degraded_clips():
    """Speech-like clips with noise of many levels, filtered, clipped, and with holes in their spectra."""
    for seed in range(6):
        clean, random = speech_like(3.0, seed), np.random.default_rng(seed)
        for level in (0.0003, 0.002, 0.01, 0.04):
            yield clean, noised(clean, level, seed)
        yield clean, np.clip(clean, -0.1 - 0.02 * seed, 0.1)
        yield clean, lfilter([1, 0.9], [1.0], clean)
        yield clean, noised(clean, 0.01, seed) * np.repeat(random.uniform(0.2, 1, 60), RATE // 20)


def agreement(pairs):
    """Correlation with the scores of the package, and mean distance from them."""
    scores = np.array([raw(pesq.pesq(RATE, clean, degraded, "wb")) for clean, degraded in pairs])
    found = np.array([ours(clean, degraded) for clean, degraded in pairs])
    return np.corrcoef(scores, found)[0, 1], np.abs(scores - found).mean()


def test_it_says_what_pesq_says():
    correlation, distance = agreement(list(degraded_clips()))
    assert correlation > 0.98 and distance < 0.2


def test_it_says_what_pesq_says_of_real_speech():
    correlation, distance = agreement(real_pairs(40))
    assert correlation > 0.99 and distance < 0.08


def test_levels_do_not_matter_and_a_perfect_clip_does_not_disturb():
    clean = speech_like(2.0)
    noisy = noised(clean)
    assert ours(clean, noisy) == pytest.approx(ours(3 * clean, 0.1 * noisy), abs=1e-3)
    assert ours(clean, clean) == pytest.approx(4.5, abs=1e-3)


def test_clips_that_cannot_be_heard_do_not_count():
    waves = torch.rand(3, 400)
    assert PesqDisturbance()(waves, waves.flip(0), torch.tensor([400, 400, 400])).tolist() == [0, 0, 0]
    waves = torch.rand(2, 4000)
    reference = torch.stack([torch.zeros(4000), waves[0]])
    disturbance = PesqDisturbance()(waves, reference, torch.tensor([4000, 4000]))
    assert disturbance[0] == 0 and disturbance[1] > 0.1


def test_following_its_gradient_raises_the_score_of_pesq():
    clean = speech_like(2.0)
    noisy = torch.tensor(noised(clean, 0.02), dtype=torch.float32)[None]
    reference, lengths = torch.tensor(clean, dtype=torch.float32)[None], torch.tensor([len(clean)])
    spectrum = torch.stft(noisy, 512, 128, window=torch.hann_window(512), return_complex=True)
    logits = torch.zeros(spectrum.shape, requires_grad=True)
    optimizer, measure = torch.optim.Adam([logits], 0.3), PesqDisturbance()
    for _ in range(30):
        wave = torch.istft(torch.sigmoid(logits) * spectrum, 512, 128, window=torch.hann_window(512), length=len(clean))
        loss = measure(wave, reference, lengths).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    before, after = (pesq.pesq(RATE, clean, x[0].detach().numpy(), "wb") for x in (noisy, wave))
    assert after > before + 0.5
