from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from sezoo.audio.stft import Stft  # noqa: E402
from sezoo.config.registries import LOSSES  # noqa: E402
from sezoo.metrics import si_snr, snr  # noqa: E402
from sezoo.training.batch import spectral_batch  # noqa: E402
from sezoo.training.losses import GUARDED_SI_SNR_WEIGHT, PESQ_WEIGHT, SI_SNR_WEIGHT, build_loss  # noqa: E402
from sezoo.training.pesq_disturbance import PesqDisturbance  # noqa: E402
from sezoo.training.torch_stft import TorchStft  # noqa: E402

SMALL = Stft(64, 20, 50)
LENGTHS = [700, 533, 619]


def clips(lengths, samples=None, seed=0):
    """Noisy and clean clips, padded with zeros."""
    random, samples = np.random.default_rng(seed), samples or max(lengths)
    clean, noisy = np.zeros((2, len(lengths), samples), np.float32)
    for clip, length in enumerate(lengths):
        clean[clip, :length] = 0.1 * (clip + 1) * random.standard_normal(length)
        noisy[clip, :length] = clean[clip, :length] + 0.1 * random.standard_normal(length)
    return noisy, clean


def batch_of(noisy, clean, lengths, stft=SMALL):
    return spectral_batch(torch.tensor(noisy), torch.tensor(clean), torch.tensor(lengths), TorchStft(stft))


def mask_for(batch, seed=0):
    """A mask that is the same for each clip's first frames however many follow."""
    clips, bins, frames = batch.noisy_spectrum.shape
    values = np.random.default_rng(seed).random((clips, bins, 1000), np.float32)
    return torch.tensor(values[..., :frames])


def loss_of(name, batch, mask, stft=SMALL):
    return build_loss(name, TorchStft(stft))(batch, mask)


def compressed_by_numpy(denoised, clean):
    def spectra(spectrum):
        return np.abs(spectrum) ** 0.3 * np.exp(1j * np.angle(spectrum))

    magnitudes = (np.abs(denoised) ** 0.3 - np.abs(clean) ** 0.3) ** 2
    return 0.7 * magnitudes + 0.3 * np.abs(spectra(denoised) - spectra(clean)) ** 2


def guarded_by_numpy(denoised, clean, noisy):
    gain = 1 / np.sqrt(np.mean(np.abs(noisy) ** 2))
    ours, theirs = (np.sqrt(np.abs(gain * spectrum) ** 2 + 1e-6) for spectrum in (denoised, clean))
    errors = ours**0.3 - theirs**0.3
    speech = np.abs(clean) > np.abs(noisy - clean)
    magnitudes = np.where(speech & (errors < 0), 3, 1) * errors**2
    phases = gain * denoised * ours**-0.7 - gain * clean * theirs**-0.7
    return 0.7 * magnitudes + 0.3 * np.abs(phases) ** 2


@pytest.fixture
def by_numpy():
    """Each loss, worked out clip by clip without padding."""
    noisy, clean = (x.astype(np.float64) for x in clips(LENGTHS))
    mask = mask_for(batch_of(*clips(LENGTHS), LENGTHS)).numpy()
    errors, powers, squares, snrs, si_snrs, disturbances, guards, limited = [], [], [], [], [], [], [], []
    for clip, length in enumerate(LENGTHS):
        ours, theirs = noisy[clip, :length], clean[clip, :length]
        target = SMALL.analyse(theirs)
        denoised = mask[clip, :, : SMALL.frames(length)] * SMALL.analyse(ours)
        wave = SMALL.synthesise(denoised, length).astype(np.float64)
        errors.append(np.abs(denoised - target) ** 2)
        powers.append(compressed_by_numpy(denoised, target))
        squares.append((wave - theirs) ** 2)
        snrs.append(snr(theirs, wave))
        si_snrs.append(si_snr(theirs, wave))
        guards.append(guarded_by_numpy(denoised, target, SMALL.analyse(ours)))
        limited.append(-10 * np.log10(10 ** (-si_snrs[-1] / 10) + 1e-4))
        waves = (torch.tensor(x[None], dtype=torch.float32) for x in (wave, theirs))
        disturbances.append(float(PesqDisturbance()(*waves, torch.tensor([length]))))
    compressed = np.concatenate(powers, axis=-1).mean()
    return {
        "spec_mse": np.concatenate(errors, axis=-1).mean(),
        "wave_mse": np.concatenate(squares).mean(),
        "wave_snr": -np.mean(snrs),
        "wave_sisnr": -np.mean(si_snrs),
        "compressed": compressed,
        "compressed_sisnr": compressed - SI_SNR_WEIGHT * np.mean(si_snrs),
        "perceptual": compressed - SI_SNR_WEIGHT * np.mean(si_snrs) + PESQ_WEIGHT * np.mean(disturbances),
        "guarded": np.concatenate(guards, axis=-1).mean()
        - GUARDED_SI_SNR_WEIGHT * np.mean(limited)
        + PESQ_WEIGHT * np.mean(disturbances),
    }


@pytest.mark.parametrize("name", LOSSES.own)
def test_formulas(name, by_numpy):
    batch = batch_of(*clips(LENGTHS), LENGTHS)
    loss = loss_of(name, batch, mask_for(batch))
    assert loss.shape == () and loss.dtype == torch.float32
    assert loss.item() == pytest.approx(by_numpy[name], rel=1e-4, abs=1e-4)


def test_the_weight_of_pesq():
    batch = batch_of(*clips(LENGTHS), LENGTHS)
    mask, stft = mask_for(batch), TorchStft(SMALL)
    losses = [build_loss("perceptual", stft, pesq_weight=weight)(batch, mask).item() for weight in (0, 0.01, 0.05)]
    assert losses[0] == pytest.approx(build_loss("compressed_sisnr", stft)(batch, mask).item(), rel=1e-5)
    assert losses[2] - losses[0] == pytest.approx(5 * (losses[1] - losses[0]), rel=1e-3)
    assert losses[1] > losses[0]
    assert build_loss("perceptual", stft)(batch, mask).item() == pytest.approx(losses[1])


def guarded(batch, mask, **weights):
    return build_loss("guarded", TorchStft(SMALL), **{"pesq_weight": 0, "si_snr_weight": 0, **weights})(batch, mask)


def test_cut_speech_costs_more_than_noise_that_is_left():
    _, clean = clips([4000])
    batch = batch_of(clean, clean, [4000])  # a mask of 1 is right
    ones = torch.ones_like(batch.noisy_spectrum.real)
    quieter, louder = (guarded(batch, ones * gain ** (1 / 0.3)) for gain in (0.8, 1.2))  # as far off, compressed
    assert quieter > 2 * louder
    even = [guarded(batch, ones * gain ** (1 / 0.3), cut_weight=1) for gain in (0.8, 1.2)]
    assert even[0] == pytest.approx(float(even[1]), rel=0.1)
    assert guarded(batch, ones) < 1e-6


def test_nothing_is_won_below_the_floor():
    """Muting what is 60 dB below the clip's mean gains next to nothing."""
    noisy, clean = clips([4000])
    noisy[:, 2000:], clean[:, 2000:] = 1e-5 * noisy[:, 2000:], 0
    batch = batch_of(noisy, clean, [4000])
    mask = torch.ones_like(batch.noisy_spectrum.real)
    muted = mask.clone()
    muted[..., 110:] = 0
    assert abs(float(guarded(batch, mask) - guarded(batch, muted))) < 1e-5


@pytest.mark.parametrize("gain", [1e-2, 0.1, 3.0])
def test_the_guarded_loss_does_not_depend_on_the_level(gain):
    noisy, clean = clips([4000, 3000])
    loss, other = (
        guarded(batch := batch_of(scale * noisy, scale * clean, [4000, 3000]), mask_for(batch), si_snr_weight=0.003)
        for scale in (1, gain)
    )
    assert other == pytest.approx(float(loss), rel=2e-3)


def test_a_perfect_clip_has_40_db_in_the_guarded_loss():
    _, clean = clips([4000])
    batch = batch_of(clean, clean, [4000])
    assert float(guarded(batch, torch.ones_like(batch.noisy_spectrum.real), si_snr_weight=1)) == pytest.approx(
        -40, abs=0.1
    )


@pytest.mark.parametrize("name", LOSSES.own)
def test_the_mean_of_two_processes_is_the_loss_of_all_clips(name):
    """With clips of 0.7 and of 0.07 of a second, a process each, padded to its own longest clip."""
    lengths = [700, 700, 70, 90]
    whole = batch_of(*clips(lengths), lengths)
    expected_mask = mask_for(whole).requires_grad_()
    expected = loss_of(name, whole, expected_mask)
    expected.backward()
    noisy, clean = clips(lengths)
    halves = [
        batch_of(noisy[part, : max(lengths[part])], clean[part, : max(lengths[part])], lengths[part])
        for part in (slice(0, 2), slice(2, 4))
    ]
    counted = [[], []]
    for half, counts in zip(halves, counted, strict=True):  # what each would tell the others
        noted = replace(half, across=lambda count, counts=counts: counts.append(count) or count)
        loss_of(name, noted, mask_for(noted))
    means = [torch.stack(pair).mean(0) for pair in zip(*counted, strict=True)]
    losses, gradients = [], []
    for number, half in enumerate(halves):
        given = iter(means)
        half = replace(half, across=lambda count, given=given: next(given))
        mask = mask_for(whole)[2 * number : 2 * number + 2, :, : half.noisy_spectrum.shape[-1]].requires_grad_()
        losses.append(loss_of(name, half, mask))
        losses[-1].backward()
        gradients.append(mask.grad / 2)
    assert sum(losses).item() / 2 == pytest.approx(expected.item(), rel=1e-5, abs=1e-6)
    for number, gradient in enumerate(gradients):
        found = expected_mask.grad[2 * number : 2 * number + 2, :, : gradient.shape[-1]]
        torch.testing.assert_close(gradient, found, rtol=1e-3, atol=1e-7)


@pytest.mark.parametrize("name", LOSSES.own)
@settings(deadline=None, max_examples=25)
@given(
    lengths=st.lists(st.integers(64, 400), min_size=1, max_size=4),
    padding=st.integers(0, 300),
    center=st.booleans(),
    hop=st.sampled_from([16, 20, 32]),
)
def test_more_padding_changes_no_loss(name, lengths, padding, center, hop):
    stft = Stft(64, hop, 64 if hop == 32 else 50, center=center)
    tight = batch_of(*clips(lengths), lengths, stft)
    noisy, clean = (np.pad(x, ((0, 0), (0, padding))) for x in clips(lengths))
    padded = batch_of(noisy, clean, lengths, stft)
    assert (tight.frames == padded.frames).all()
    masks = [mask_for(batch).requires_grad_() for batch in (tight, padded)]
    losses = [loss_of(name, batch, mask, stft) for batch, mask in zip((tight, padded), masks, strict=True)]
    torch.testing.assert_close(losses[1], losses[0], rtol=1e-4, atol=1e-5)
    for loss in losses:
        loss.backward()
    shared = tight.noisy_spectrum.shape[-1]
    torch.testing.assert_close(masks[1].grad[..., :shared], masks[0].grad, rtol=1e-3, atol=1e-5)
    assert not masks[1].grad[..., shared:].any()


@pytest.mark.parametrize("name", LOSSES.own)
def test_masks_of_padding_frames_do_not_count(name):
    batch = batch_of(*clips(LENGTHS), LENGTHS)
    mask = mask_for(batch)
    other = torch.where(batch.valid_frames, mask, 50.0)
    assert (other != mask).any()
    torch.testing.assert_close(loss_of(name, batch, other), loss_of(name, batch, mask))


@pytest.mark.parametrize("name", LOSSES.own)
@pytest.mark.parametrize("center", [True, False])
@pytest.mark.parametrize("silent", ["clean", "noisy", "both", "mask", "everything", "perfect", "half a clip"])
def test_losses_and_gradients_are_finite_in_silence(name, center, silent):
    stft = Stft(64, 20, 50, center=center)
    noisy, clean = clips(LENGTHS)
    if silent in ("clean", "both", "everything"):
        clean[0] = 0
    if silent in ("noisy", "both", "everything"):
        noisy[0] = 0
    if silent == "perfect":
        noisy = clean.copy()
    if silent == "half a clip":
        clean[0, :350] = noisy[0, :350] = 0
    batch = batch_of(noisy, clean, LENGTHS, stft)
    mask = torch.ones_like(batch.noisy_spectrum.real) * (0.0 if silent in ("mask", "everything") else 1.0)
    loss = loss_of(name, batch, mask.requires_grad_(), stft)
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(mask.grad).all()
    assert mask.grad.abs().max() < 1e4


@pytest.mark.parametrize("name", ["wave_snr", "wave_sisnr"])
def test_for_a_silent_clean_clip_less_noise_is_better(name):
    noisy, clean = clips([600])
    batch = batch_of(noisy, np.zeros_like(clean), [600])
    mask = torch.ones_like(batch.noisy_spectrum.real)
    losses = [loss_of(name, batch, share * mask).item() for share in (1.0, 0.1, 0.01, 0.0)]
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] == pytest.approx(0, abs=1e-3)


def test_clips_without_a_frame_do_not_count():
    stft = Stft(64, 20, 50, center=False)
    noisy, clean = clips([300, 40])
    both = batch_of(noisy, clean, [300, 40], stft)
    alone = batch_of(noisy[:1], clean[:1], [300], stft)
    assert both.frames.tolist() == [12, 0]
    for name in ("spec_mse", "wave_mse", "compressed"):
        torch.testing.assert_close(
            loss_of(name, both, mask_for(both), stft), loss_of(name, alone, mask_for(both)[:1], stft)
        )
    assert all(torch.isfinite(loss_of(name, both, mask_for(both), stft)) for name in LOSSES.own)


@pytest.mark.parametrize("name", LOSSES.own)
def test_a_mask_learns_from_every_loss(name):
    batch = batch_of(*clips(LENGTHS), LENGTHS)
    logits = torch.zeros_like(batch.noisy_spectrum.real, requires_grad=True)
    optimizer, losses = torch.optim.Adam([logits], 0.2), []
    for _ in range(30):
        loss = loss_of(name, batch, torch.sigmoid(logits))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
    assert losses[-1] == min(losses)


def test_the_level_is_free_in_si_snr_alone():
    batch = batch_of(*clips(LENGTHS), LENGTHS)
    mask = mask_for(batch)
    for name in LOSSES.own:
        same = torch.isclose(loss_of(name, batch, mask), loss_of(name, batch, 0.5 * mask), rtol=1e-3)
        assert same == (name == "wave_sisnr")


def test_the_validation_metrics_are_the_losses():
    noisy, clean = clips([4000])
    batch = batch_of(noisy, clean, [4000], Stft())
    ones = torch.ones_like(batch.noisy_spectrum.real)
    assert loss_of("wave_snr", batch, ones, Stft()).item() == pytest.approx(-snr(clean[0], noisy[0]), abs=0.01)
