"""What all backends want of the settings and of the model."""

from __future__ import annotations

from pathlib import Path

from sezoo.config.modes import steps
from sezoo.config.sections import Config, Deployment
from sezoo.denoise.board import board_problem
from sezoo.errors import UserError
from sezoo.spectrum import stft_of

__all__ = ["check_frames", "check_transform", "needed_frames"]


def check_transform(config: Config) -> None:
    """Check that the board can compute the spectrum.

    Raises
    ------
    UserError : a transform of another length than a power of two, or another one that the board does not have.
    """
    spectrum, threshold = config.preprocessing, config.deployment.output_silence_threshold
    if threshold > 0:
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
    if (problem := board_problem(stft_of(spectrum))) is not None:
        raise UserError(problem)
    if "q" in steps(config.operation_mode):
        made = config.quantization.static_sequence_length
        if made != needed_frames(config.deployment):
            raise UserError(
                f"quantization.static_sequence_length: found {made}; deployment.frames_per_patch and two times "
                f"deployment.lookahead_frames are {needed_frames(config.deployment)}: set it to that"
            )


def needed_frames(settings: Deployment) -> int:
    """Frames of the static model."""
    return settings.frames_per_patch + 2 * settings.lookahead_frames


def check_frames(frames: int, path: Path, settings: Deployment) -> None:
    """Check that a static model is as long as the patches.

    Raises
    ------
    UserError : it is not; what would fit.
    """
    new, lookahead, needed = settings.frames_per_patch, settings.lookahead_frames, needed_frames(settings)
    if frames != needed:
        raise UserError(
            f"{path} has {frames} frames; deployment.frames_per_patch: {new} and two times "
            f"deployment.lookahead_frames: {lookahead} are {needed}. {_fitting(frames, new, lookahead)}, or quantize "
            f"with quantization.static_sequence_length: {needed}"
        )


def _fitting(length: int, new: int, lookahead: int) -> str:
    """The settings that would make so many frames of this length: those nearest to what is set."""
    fits = []
    if length >= new and (length - new) % 2 == 0:
        fits.append(f"deployment.lookahead_frames: {(length - new) // 2}")
    if length > 2 * lookahead:
        fits.append(f"deployment.frames_per_patch: {length - 2 * lookahead}")
    if not fits:
        fits.append(f"deployment.frames_per_patch: {length} with deployment.lookahead_frames: 0")
    return f"Set {' or '.join(fits)}"
