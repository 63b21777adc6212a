"""A loss that is not ours: a function or a class of a user or of a package, checked before the first epoch."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch

from sezoo.base.errors import UserError
from sezoo.base.user_code import exception_line, failing_line
from sezoo.training.batch import SpectralBatch, spectral_batch
from sezoo.training.torch_stft import TorchStft

__all__ = ["user_loss"]

KEY = "training.loss"
CHECKED_FRAMES = 12


def user_loss(
    name: str, found: object, torch_stft: TorchStft, arguments: Mapping[str, Any]
) -> Callable[[SpectralBatch, torch.Tensor], torch.Tensor]:
    """A loss, after it has been computed once on two short clips of noise.

    Parameters
    ----------
    name : how the configuration names it, for messages.
    found : a function (torch_stft, batch, mask, **arguments), as `sezoo.training.losses` has them; or a class that is
        built with (torch_stft, **arguments) and whose objects are called with (batch, mask).
    torch_stft : on the device of the training.

    Raises
    ------
    UserError : it cannot be called so, raises, or what it gives is no scalar that the mask has a gradient of.
    """
    if not callable(found):
        raise UserError(f"{KEY}: {name} is no loss: a function or a class is needed, found {type(found).__name__}")
    try:
        compute = found(torch_stft, **arguments) if inspect.isclass(found) else partial(found, torch_stft, **arguments)
    except Exception as error:
        raise UserError(f"{KEY}: {name} cannot be built: {exception_line(error)}{_line(found, error)}") from error
    if isinstance(compute, torch.nn.Module):
        compute.to(torch_stft.window.device)

    def loss(batch: SpectralBatch, mask: torch.Tensor) -> torch.Tensor:
        try:
            value = compute(batch, mask)
        except Exception as error:
            raise UserError(f"{KEY}: {name}: {exception_line(error)}{_line(found, error)}") from error
        if not isinstance(value, torch.Tensor) or value.ndim or not value.is_floating_point():
            what = f"{value.dtype} {tuple(value.shape)}" if isinstance(value, torch.Tensor) else type(value).__name__
            raise UserError(f"{KEY}: {name} gives {what}; a float tensor without dimensions is needed")
        return value

    _check(name, loss, torch_stft)
    return loss


def _check(name: str, loss: Callable[[SpectralBatch, torch.Tensor], torch.Tensor], torch_stft: TorchStft) -> None:
    device, stft = torch_stft.window.device, torch_stft.stft
    samples = stft.n_fft + CHECKED_FRAMES * stft.hop_length
    generator = torch.Generator().manual_seed(0)
    clean, noise = (0.1 * torch.randn(2, samples, generator=generator) for _ in range(2))
    lengths = torch.tensor([samples, samples - stft.hop_length])
    clean, noise = (torch.where(torch.arange(samples) < lengths[:, None], waveform, 0.0) for waveform in (clean, noise))
    batch = spectral_batch((clean + noise).to(device), clean.to(device), lengths.to(device), torch_stft)
    mask = torch.full(batch.noisy_spectrum.shape, 0.5, device=device, requires_grad=True)
    value = loss(batch, mask)
    if not value.requires_grad:
        raise UserError(f"{KEY}: {name} has no gradient: it does not depend on the mask, or is detached from it")
    if not torch.isfinite(value):
        raise UserError(f"{KEY}: {name} is {value.item()} for two clips of noise")


def _line(found: object, error: BaseException) -> str:
    try:
        return failing_line(error, Path(inspect.getfile(found)).parent)
    except (TypeError, OSError):
        return ""
