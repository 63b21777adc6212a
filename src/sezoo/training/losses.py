"""Training losses: eight built-in measures of the difference between denoised and clean clip, or a user's.

Every loss looks at the clips' own frames and samples only. The zeros behind the shorter clips of a batch, and the
frames that hold them, do not count in any sum or mean: a batch has the same loss however far it is padded.
A clean clip may be silent.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import cache, partial
from types import MappingProxyType
from typing import Any

import torch

from sezoo.config.registries import LOSSES
from sezoo.training.batch import SpectralBatch
from sezoo.training.pesq_disturbance import PesqDisturbance
from sezoo.training.torch_stft import TorchStft
from sezoo.training.user_loss import user_loss

__all__ = ["Loss", "build_loss", "denoised_waveforms"]

Loss = Callable[[SpectralBatch, torch.Tensor], torch.Tensor]

SILENT_POWER = 1e-10
"""Mean square of a waveform that counts as silence: about the rounding noise of a 16-bit file, ``2**-30 / 12``.

Added to both energies of a ratio, which keeps its logarithm and the gradient finite for silent and for perfect clips.
"""

SILENT_ENERGY = 1e-8
"""``abs(spectrum) ** 2`` that counts as silence: that rounding noise in one bin, 1.2e-8 with a Hann window of 400.

Added before a power below 1 is taken, which has an infinite slope at 0.
"""

COMPRESSION = 0.3
"""Exponent of the compressed loss: quiet bins count nearly as much as loud ones, as they do for the ear."""

COMPLEX_SHARE = 0.3
"""Share of the complex spectra in the compressed loss; the magnitudes have the rest."""

SI_SNR_WEIGHT = 0.001
"""Of one dB of SI-SNR in `compressed_sisnr`.

With it both parts have gradients of about the same size: 0.007 to 0.03 and 2 to 9 times this, in the first 120 steps
of a small STFT-TCNN on the demo's clips. Against `compressed` alone it gave 0.5 dB more SI-SNR and no worse spectra;
0.01 gave 0.3 dB more, and spectra 4 % worse.
"""

CUT_WEIGHT = 3.0
GUARDED_SI_SNR_WEIGHT = 0.003
"""The defaults of `guarded`."""

FLOOR_ENERGY = 1e-6
"""Of a bin in `guarded`, beside the mean of the noisy clip's: quieter ones count as silent."""

MOST_SI_SNR = 1e-4
"""Share of the target that counts as error anyway in `guarded`, which ends the SI-SNR at 40 dB."""

PESQ_WEIGHT = 0.01
"""Of a unit of raw PESQ in `perceptual`, by default: its gradient is then about as long as that of the SI-SNR's part.

0.025 and 0.020 on sixteen mixtures with the STFT-TCNN medium, and 0.021 for the compressed spectra.
"""


def build_loss(
    name: str, torch_stft: TorchStft, arguments: Mapping[str, Any] = MappingProxyType({}), **weights: float
) -> Loss:
    """Return the loss of that name: a built-in one, one of a package, or one in a user's file.

    Parameters
    ----------
    arguments : keyword arguments of a loss that is not ours.
    weights : `pesq_weight` of `perceptual` and `guarded`, `cut_weight` and `si_snr_weight` of the latter; other
        losses do without.

    Returns
    -------
    loss : takes a batch and the mask (batch, bins, frames) float32 for its noisy spectra, returns a scalar to
        minimise. Masks of padding frames may hold anything finite.

    Raises
    ------
    UserError : one that is not ours and cannot be imported, called or minimised.
    """
    found = LOSSES.load(name)
    if name not in LOSSES.own:
        return user_loss(name, found, torch_stft, arguments)
    taken = inspect.signature(found).parameters
    return partial(found, torch_stft, **{key: value for key, value in weights.items() if key in taken})


def spec_mse(torch_stft: TorchStft, batch: SpectralBatch, mask: torch.Tensor) -> torch.Tensor:
    """Mean squared error of the complex spectra, ``abs(mask * noisy - clean) ** 2``.

    The mean is over the bins of all valid frames of all clips, so a long clip weighs more than a short one. Pad
    frames are left out of the sum and of the number that it is divided by.
    """
    error = mask * batch.noisy_spectrum - batch.clean_spectrum
    return _mean_over(_energy(error), batch.valid_frames, batch)


def wave_mse(torch_stft: TorchStft, batch: SpectralBatch, mask: torch.Tensor) -> torch.Tensor:
    """Mean squared error of the waveforms, over the samples of all clips."""
    denoised, counts = denoised_waveforms(torch_stft, batch, mask)
    return _mean_over((denoised - batch.clean) ** 2, counts, batch)


def wave_snr(torch_stft: TorchStft, batch: SpectralBatch, mask: torch.Tensor) -> torch.Tensor:
    """Negative signal-to-noise ratio in dB, mean over clips. For a silent clean clip, what is left of the noise."""
    denoised, counts = denoised_waveforms(torch_stft, batch, mask)
    signal = _clip_means(batch.clean**2, counts)
    noise = _clip_means((denoised - batch.clean) ** 2, counts)
    return -_ratio_db(signal, noise).mean()


def wave_sisnr(torch_stft: TorchStft, batch: SpectralBatch, mask: torch.Tensor) -> torch.Tensor:
    """Negative scale-invariant SNR in dB, mean over clips; no mean is removed.

    The SI-SDR of Le Roux et al., "SDR - half-baked or well done?", ICASSP 2019, as `sezoo.metrics` measures it.
    For a silent clean clip, what is left of the noise.
    """
    return -_si_snr(batch, *denoised_waveforms(torch_stft, batch, mask))


def compressed(torch_stft: TorchStft, batch: SpectralBatch, mask: torch.Tensor) -> torch.Tensor:
    """Mean squared error of spectra whose magnitudes were taken to the power 0.3, over bins and valid frames.

    0.7 times that of the magnitudes plus 0.3 times that of the complex spectra with their phases. It follows
    Ephrat et al., "Looking to listen at the cocktail party", 2018, and, with these shares, Braun and Tashev, "A
    consolidated view of loss functions for supervised deep learning-based speech enhancement", 2021.
    """
    denoised, clean = mask * batch.noisy_spectrum, batch.clean_spectrum
    denoised_energy, clean_energy = _energy(denoised) + SILENT_ENERGY, _energy(clean) + SILENT_ENERGY
    magnitudes = (denoised_energy ** (COMPRESSION / 2) - clean_energy ** (COMPRESSION / 2)) ** 2
    spectra = _compressed_error(denoised, denoised_energy, clean, clean_energy)
    return _mean_over((1 - COMPLEX_SHARE) * magnitudes + COMPLEX_SHARE * spectra, batch.valid_frames, batch)


def _compressed_error(
    denoised: torch.Tensor, denoised_energy: torch.Tensor, clean: torch.Tensor, clean_energy: torch.Tensor
) -> torch.Tensor:
    """Squared error of two compressed spectra with their phases, given with their energies."""
    slope = (COMPRESSION - 1) / 2
    return _energy(denoised * denoised_energy**slope - clean * clean_energy**slope)


def compressed_sisnr(torch_stft: TorchStft, batch: SpectralBatch, mask: torch.Tensor) -> torch.Tensor:
    """`compressed`, plus a little of the negative SI-SNR in dB.

    The compressed spectra alone care little for the phase and for loud bins, so the waveform suffers; the SI-SNR
    alone leaves the level free and cares little for quiet bins.
    """
    return compressed(torch_stft, batch, mask) + SI_SNR_WEIGHT * wave_sisnr(torch_stft, batch, mask)


def perceptual(
    torch_stft: TorchStft, batch: SpectralBatch, mask: torch.Tensor, *, pesq_weight: float = PESQ_WEIGHT
) -> torch.Tensor:
    """`compressed_sisnr`, plus a little of the disturbance that PESQ measures, for clips at 16 kHz.

    See `sezoo.training.pesq_disturbance`. That alone does not suffice: PESQ forgives what is not speech-like, and
    knows nothing of intelligibility.
    """
    denoised, counts = denoised_waveforms(torch_stft, batch, mask)
    disturbance = _disturbance(batch, denoised, counts)
    si_snr = _si_snr(batch, denoised, counts)
    return compressed(torch_stft, batch, mask) - SI_SNR_WEIGHT * si_snr + pesq_weight * disturbance


def guarded(
    torch_stft: TorchStft,
    batch: SpectralBatch,
    mask: torch.Tensor,
    *,
    pesq_weight: float = PESQ_WEIGHT,
    cut_weight: float = CUT_WEIGHT,
    si_snr_weight: float = GUARDED_SI_SNR_WEIGHT,
) -> torch.Tensor:
    """`perceptual` that guards the speech, for clips at 16 kHz of any level, without noise or without speech.

    All clips are brought to the same level first: the power 0.3 would make little of the quiet ones. A bin with more
    speech than noise that is quieter than in the clean clip costs `cut_weight` times what it costs when it is as much
    too loud (Wang et al., "Voicefilter-lite", 2020, call it over-suppression); in the others, the background of a clean
    recording would be guarded beside the noise. What is 60 dB below the clip's mean counts as silence, so
    that muting a pause deeper than its recording has it gains nothing. The SI-SNR ends at 40 dB, and does not count
    where there is no speech.
    """
    denoised, counts = denoised_waveforms(torch_stft, batch, mask)
    disturbance = _disturbance(batch, denoised, counts)
    spectra = _guarded_spectra(batch, mask, cut_weight)
    return spectra - si_snr_weight * _limited_si_snr(batch, denoised, counts) + pesq_weight * disturbance


def _guarded_spectra(batch: SpectralBatch, mask: torch.Tensor, cut_weight: float) -> torch.Tensor:
    """`compressed` at the level of 1, with its magnitudes' error asymmetric and nothing below the floor."""
    frames = batch.valid_frames
    level = _energy(batch.noisy_spectrum)
    level = torch.where(frames, level, 0.0).sum((1, 2)) / (frames.sum((1, 2)) * level.shape[1]).clamp_min(1)
    gain = (level + SILENT_ENERGY).rsqrt()[:, None, None]
    denoised, clean = mask * batch.noisy_spectrum * gain, batch.clean_spectrum * gain
    denoised_energy, clean_energy = _energy(denoised) + FLOOR_ENERGY, _energy(clean) + FLOOR_ENERGY
    error = denoised_energy ** (COMPRESSION / 2) - clean_energy ** (COMPRESSION / 2)
    speech = _energy(clean) > _energy((batch.noisy_spectrum - batch.clean_spectrum) * gain)
    magnitudes = torch.where(speech & (error < 0), cut_weight, 1.0) * error**2
    spectra = _compressed_error(denoised, denoised_energy, clean, clean_energy)
    return _mean_over((1 - COMPLEX_SHARE) * magnitudes + COMPLEX_SHARE * spectra, frames, batch)


def _limited_si_snr(batch: SpectralBatch, denoised: torch.Tensor, counts: torch.Tensor) -> torch.Tensor:
    """Return the SI-SNR in dB, at most 40 dB, mean over all clips with 0 for those without speech."""
    power = _clip_means(batch.clean**2, counts)
    product = _clip_means(denoised * batch.clean, counts)
    target = (product / (power + SILENT_POWER))[:, None] * batch.clean
    kept, left = _clip_means(target**2, counts), _clip_means((denoised - target) ** 2, counts)
    ratio = 10 * (torch.log10(kept + SILENT_POWER) - torch.log10(left + MOST_SI_SNR * kept + SILENT_POWER))
    return torch.where(power > SILENT_POWER, ratio, 0.0).mean()


def _disturbance(batch: SpectralBatch, denoised: torch.Tensor, counts: torch.Tensor) -> torch.Tensor:
    """The disturbance that PESQ finds in the samples that count, mean over clips."""
    parts = (torch.where(counts, waveform, 0.0) for waveform in (denoised, batch.clean))
    return _pesq_disturbance(denoised.device)(*parts, batch.lengths).mean()


@cache
def _pesq_disturbance(device: torch.device) -> PesqDisturbance:
    return PesqDisturbance().to(device)


def denoised_waveforms(
    torch_stft: TorchStft, batch: SpectralBatch, mask: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """The denoised waveforms (batch, samples) float32, and which of their samples count: bool of that shape."""
    spectrum, samples = mask * batch.noisy_spectrum, batch.noisy.shape[-1]
    denoised = torch_stft.synthesise(spectrum, samples, batch.frames)
    return denoised, torch_stft.covered(spectrum.shape[-1], samples, batch.frames) & batch.valid_samples


def _si_snr(batch: SpectralBatch, denoised: torch.Tensor, counts: torch.Tensor) -> torch.Tensor:
    """Return the SI-SNR in dB, mean over clips."""
    product = _clip_means(denoised * batch.clean, counts)
    scale = product / (_clip_means(batch.clean**2, counts) + SILENT_POWER)
    target = scale[:, None] * batch.clean
    return _ratio_db(_clip_means(target**2, counts), _clip_means((denoised - target) ** 2, counts)).mean()


def _energy(spectrum: torch.Tensor) -> torch.Tensor:
    """``abs(spectrum) ** 2`` without the root, whose slope at 0 is infinite."""
    return spectrum.real**2 + spectrum.imag**2


def _mean_over(values: torch.Tensor, counts: torch.Tensor, batch: SpectralBatch) -> torch.Tensor:
    """Mean of the values that count; 0 if none does. `counts` is bool and may be 1 long where `values` is longer."""
    counts = counts.expand_as(values)
    return torch.where(counts, values, 0.0).sum() / batch.across(counts.sum().to(values.dtype)).clamp_min(1)


def _clip_means(values: torch.Tensor, counts: torch.Tensor) -> torch.Tensor:
    """Mean of each clip's values that count: (batch, samples) to (batch,)."""
    return torch.where(counts, values, 0.0).sum(-1) / counts.sum(-1).clamp_min(1)


def _ratio_db(signal: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
    return 10 * (torch.log10(signal + SILENT_POWER) - torch.log10(noise + SILENT_POWER))
