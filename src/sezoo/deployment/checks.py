"""Checks of the settings and the model that all backends share."""

from __future__ import annotations

from pathlib import Path

from sezoo.audio.stft import stft_of
from sezoo.base.errors import UserError
from sezoo.config.modes import steps
from sezoo.config.sections import Config, Deployment, Evaluation
from sezoo.denoising.backend import PATCH, engine_of
from sezoo.denoising.board import board_problem, transform_problem
from sezoo.denoising.patch_lengths import patch_lengths

__all__ = ["check_frames", "check_transform", "needed_frames", "with_patch_lengths"]


def check_transform(config: Config) -> None:
    """Check that the board can compute the configured STFT.

    Raises
    ------
    UserError : the length is not a power of two, or the board does not implement the transform.
    """
    spectrum, threshold = config.preprocessing, config.deployment.output_silence_threshold
    if threshold is not None and threshold > 0:
        raise UserError(
            f"deployment.output_silence_threshold: found {threshold:g}; allowed: 0 dBFS or less, as all sound is below "
            "full scale and would be silenced"
        )
    if spectrum.n_fft & (spectrum.n_fft - 1) or spectrum.n_fft < 16:
        near = max(16, 1 << spectrum.n_fft.bit_length())
        raise UserError(
            f"preprocessing.n_fft: found {spectrum.n_fft}; allowed: a power of two, {near} for example, as the board's "
            "Fourier transform is made for: the model has to be trained with it"
        )
    problem_of = board_problem if engine_of(config) == PATCH else transform_problem
    if (problem := problem_of(stft_of(spectrum))) is not None:
        raise UserError(problem)
    if "q" in steps(config.operation_mode) and engine_of(config) == PATCH:
        made, needed = config.quantization.static_sequence_length, needed_frames(config.deployment)
        if None not in (made, needed) and made != needed:
            raise UserError(
                f"quantization.static_sequence_length: found {made}; deployment.frames_per_patch and two times "
                f"deployment.lookahead_frames are {needed}: set it to that, or leave it out"
            )


def needed_frames(settings: Deployment) -> int | None:
    """Return the number of frames of the static model that the settings require, or None if they leave it open."""
    new, lookahead = settings.frames_per_patch, settings.lookahead_frames
    return None if new is None or lookahead is None else new + 2 * lookahead


def with_patch_lengths(config: Config, frames: int, path: Path) -> Config:
    """Return the configuration, with the patch lengths taken from the static model where the file has none.

    Parameters
    ----------
    frames : number of frames of the static model.

    Raises
    ------
    UserError : the settings do not fit the number of frames.
    """
    settings = config.deployment
    if needed_frames(settings) is not None:
        check_frames(frames, path, settings)
        return config
    # The evaluation section does not apply to the deployed model.
    new, lookahead = patch_lengths(config.model_copy(update={"evaluation": Evaluation()}), frames)
    settings = settings.model_copy(update={"frames_per_patch": new, "lookahead_frames": lookahead})
    return config.model_copy(update={"deployment": settings})


def check_frames(frames: int, path: Path, settings: Deployment) -> None:
    """Check that a static model has as many frames as the patches.

    Raises
    ------
    UserError : it has not; the message says which settings would fit.
    """
    new, lookahead, needed = settings.frames_per_patch, settings.lookahead_frames, needed_frames(settings)
    if frames != needed:
        raise UserError(
            f"{path} has {frames} frames; deployment.frames_per_patch: {new} and two times "
            f"deployment.lookahead_frames: {lookahead} are {needed}. {_fitting(frames, new, lookahead)}, or quantize "
            f"with quantization.static_sequence_length: {needed}"
        )


def _fitting(length: int, new: int, lookahead: int) -> str:
    """Return advice: the settings nearest to the configured ones that fit a static model of this length."""
    fits = []
    if length >= new and (length - new) % 2 == 0:
        fits.append(f"deployment.lookahead_frames: {(length - new) // 2}")
    if length > 2 * lookahead:
        fits.append(f"deployment.frames_per_patch: {length - 2 * lookahead}")
    if not fits:
        fits.append(f"deployment.frames_per_patch: {length} with deployment.lookahead_frames: 0")
    return f"Set {' or '.join(fits)}"
