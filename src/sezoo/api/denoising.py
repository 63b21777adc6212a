"""`sezoo.denoise`: a waveform, or files, without a run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, overload

from sezoo.api.denoiser import Denoiser
from sezoo.api.names import InferenceMode, PathLike
from sezoo.api.sections import Settings, Spectrum
from sezoo.api.settings import prediction_settings
from sezoo.base.errors import UserError
from sezoo.base.shipped import model_file

if TYPE_CHECKING:
    import numpy as np

    from sezoo.config.sections import Config

__all__ = ["denoise", "denoise_files"]


@overload
def denoise(
    audio: np.ndarray,
    model: PathLike,
    output: None = None,
    *,
    play_like: InferenceMode = "whole",
    sample_rate: int = 16000,
    settings: Settings | None = None,
) -> np.ndarray: ...


@overload
def denoise(
    audio: PathLike | Sequence[PathLike],
    model: PathLike,
    output: PathLike,
    *,
    play_like: InferenceMode = "whole",
    sample_rate: int = 16000,
    overwrite: bool = False,
    settings: Settings | None = None,
) -> list[Path]: ...


def denoise(
    audio: np.ndarray | PathLike | Sequence[PathLike],
    model: PathLike,
    output: PathLike | None = None,
    *,
    play_like: InferenceMode = "whole",
    sample_rate: int = 16000,
    overwrite: bool = False,
    settings: Settings | None = None,
) -> np.ndarray | list[Path]:
    """Denoise a waveform, or files; rate, channels and length stay as they are.

    Parameters
    ----------
    audio : waveform (samples,) or (samples, channels) of floats within -1 and 1; or a file, a folder, several of them.
    model : float or int8 ONNX file, or torch weights of an STFT-TCNN.
    output : folder of the denoised files, or a file for one; a waveform needs none.
    play_like : "whole", as a PC runs the model; "stream", as the C package does; "patches"; "board", as the
        program that the model's target, or deployment.backend in `settings`, means.
    sample_rate : of a waveform, in Hz; that of the model is in `settings`, and 16000 Hz if it is not.
    overwrite : existing files.
    settings : as for `sezoo.quantize`: {"preprocessing": {"hop_length": 128}}.

    Returns
    -------
    denoised : a waveform of the same shape, float32; or the written files.

    Raises
    ------
    UserError : the model, a recording or a setting is not fit for it; a file that already exists.
    """
    if isinstance(audio, str | Path):
        audio = [audio]
    if isinstance(audio, Sequence) and all(isinstance(entry, str | Path) for entry in audio):
        if output is None:
            raise UserError("output: not given; a folder for the denoised files, or a file for one, is needed")
        return denoise_files(
            [Path(entry) for entry in audio],
            model_file(model),
            Path(output),
            play_like=play_like,
            overwrite=overwrite,
            more=settings,
        )
    if output is not None:
        raise UserError("output: the denoised waveform is returned; leave it out, or give a file to denoise")
    import numpy as np

    return Denoiser(model, play_like=play_like, settings=settings)(np.asarray(audio), sample_rate)


def denoise_files(
    paths: Sequence[Path],
    model: Path,
    output: Path,
    *,
    play_like: InferenceMode = "whole",
    target: str | None = None,
    board: str | None = None,
    backend: str | None = None,
    attenuation_limit: float | None = None,
    format: str | None = None,
    overwrite: bool = False,
    spectrum: Spectrum | None = None,
    more: Settings | None = None,
) -> list[Path]:
    """The files that `denoise` and the command of that name write, and their container if it is another one."""
    if not paths:
        raise UserError("no recordings: name files or folders to denoise")
    from sezoo.config.validation import build_config
    from sezoo.prediction.command import denoise_recordings

    def config() -> Config:
        settings = prediction_settings(
            model,
            paths[0],
            spectrum or Spectrum(),
            play_like=play_like,
            target=target,
            board=board,
            backend=backend,
            attenuation_limit=attenuation_limit,
            more=more,
        )
        return build_config(settings)

    return denoise_recordings(paths, output, config, format=format, overwrite=overwrite)
