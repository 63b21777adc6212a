"""Distillation from a larger network, whose output for the noisy clips is a second target besides the clean clips."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from sezoo.base.errors import UserError
from sezoo.models.contract import check_contract
from sezoo.models.mask_model import MaskModel
from sezoo.models.onnx_file import load_onnx
from sezoo.training.batch import SpectralBatch
from sezoo.training.losses import Loss, compressed
from sezoo.training.torch_stft import TorchStft

__all__ = ["add_teacher_loss"]


def add_teacher_loss(loss: Loss, path: Path, weight: float, torch_stft: TorchStft) -> Loss:
    """A loss plus what the masked spectra differ from a teacher's, as `compressed` measures it.

    Hinton et al., "Distilling the knowledge in a neural network", 2015: what a large network leaves of a clip is
    easier to come close to than the clean one.

    Parameters
    ----------
    path : of the teacher, a float ONNX model that maps magnitudes to masks as the network does.
    weight : of the difference.

    Raises
    ------
    UserError : no model, one that is no float mask model, or one with another number of bins or with states.
    """
    try:
        model = load_onnx(path)
        contract = check_contract(model, path, n_fft=torch_stft.stft.n_fft)
    except UserError as error:
        raise UserError(f"training.teacher: {error}") from error
    if contract.states or isinstance(contract.frames, int) or contract.batch == 1:
        raise UserError(
            f"training.teacher: {path} takes clips one by one or a fixed number of frames; a model with dynamic axes "
            "and without states is needed"
        )
    teacher = MaskModel(model, path)

    def compute(batch: SpectralBatch, mask: torch.Tensor) -> torch.Tensor:
        magnitude = torch_stft.magnitude(batch.noisy_spectrum)
        theirs = torch.from_numpy(teacher(magnitude.cpu().numpy())).to(mask.device)
        target = replace(batch, clean_spectrum=theirs * batch.noisy_spectrum)
        return loss(batch, mask) + weight * compressed(torch_stft, target, mask)

    return compute
