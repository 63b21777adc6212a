"""`sezoo.train`."""

from __future__ import annotations

from pathlib import Path

from sezoo.api.names import PathLike
from sezoo.api.results import TrainedModel
from sezoo.api.running import run_settings
from sezoo.api.sections import Settings, Spectrum
from sezoo.api.settings import training_settings
from sezoo.base.shipped import model_file

__all__ = ["train"]


def train(
    *,
    speech: PathLike | None = None,
    noise: PathLike | None = None,
    noisy: PathLike | None = None,
    clean: PathLike | None = None,
    architecture: str = "STFTTCNN",
    weights: PathLike | None = None,
    epochs: int = 100,
    batch_size: int | None = None,
    device: str | None = None,
    folder: PathLike | None = None,
    sample_rate: int = 16000,
    n_fft: int | None = None,
    hop_length: int = 160,
    win_length: int = 400,
    settings: Settings | None = None,
) -> TrainedModel:
    """Train a network by the recipe of the shipped models; needs torch (`pip install 'sezoo[train]'`).

    The recipe is how the shipped U-TCN small was trained from random weights (`sezoo zoo get utcn_small`, its
    training.yaml): loss, learning rate, averaging, and how speech and noise are mixed. `settings` change any of it.

    Parameters
    ----------
    speech, noise : folders to mix: clean speech and noise, searched with their subfolders.
    noisy, clean : or else folders of pairs, files of the same names.
    architecture : "STFTTCNN" or "ConvLSTMDenoiser", the model zoo's, or "UTCN" or "UGRU", our own for int8.
    weights : to start from: a file of torch weights, a float ONNX model, or the name of a shipped model, whose network
        is then trained, whatever `architecture` says.
    epochs : passes over the recordings.
    batch_size : clips per step; None is the recipe's.
    device : of torch; None is a GPU if there is one.
    folder, sample_rate, n_fft, hop_length, win_length, settings : as for `sezoo.quantize`; n_fft None is 512.

    Raises
    ------
    UserError : the recordings or a setting are not fit for it; torch is missing.
    """
    made = training_settings(
        Spectrum(sample_rate, n_fft, hop_length, win_length),
        **{key: _path(value) for key, value in (("speech", speech), ("noise", noise))},
        **{key: _path(value) for key, value in (("noisy", noisy), ("clean", clean))},
        weights=None if weights is None else model_file(weights),
        architecture=architecture,
        epochs=epochs,
        batch_size=batch_size,
        device=device,
        more=settings,
    )
    return TrainedModel.read(run_settings(made, folder))


def _path(value: PathLike | None) -> Path | None:
    return None if value is None else Path(value)
