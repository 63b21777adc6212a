"""Fidelity of an int8 model without clean speech: SI-SNR of its denoised output to the float model's."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
import onnx

from sezoo.audio.stft import Stft
from sezoo.base.errors import UserError
from sezoo.models.mask_model import MaskModel
from sezoo.models.spectra import MAGNITUDE_MASK, apply_output
from sezoo.quantization.calibration.segments import Segment

__all__ = ["FidelityScorer", "mask_function"]

EQUAL = 100.0
"""dB given to waves that agree to rounding: nobody hears a difference, and a mean over clips stays finite."""

SILENT = 1e-14
"""Mean square of a wave that has nothing to compare."""

MaskOf = Callable[[np.ndarray], np.ndarray]
"""What a model sees of an segment, (1, bins, frames), to what it gives, of the same shape."""


def mask_function(model: onnx.ModelProto) -> MaskOf:
    """The model run by onnxruntime, from what it sees of a clip to its masks, or to an enhanced spectrum."""
    return MaskModel(model, Path("the model")).whole


class FidelityScorer:
    """Compares models with a float model on the same segments.

    Parameters
    ----------
    reference : the float model's masks.
    kind : what the models make, see `sezoo.models.spectra`.
    """

    def __init__(self, reference: MaskOf, segments: Sequence[Segment], stft: Stft, kind: str = MAGNITUDE_MASK):
        self.stft, self.kind = stft, kind
        waves = [(segment, self._wave(reference, segment)) for segment in segments]
        self.waves = [(segment, wave) for segment, wave in waves if np.mean(np.square(wave)) > SILENT]

    def __call__(self, masks: MaskOf, told: Callable[[Sequence], Iterable] = iter) -> float:
        """Mean SI-SNR of the denoised waves against the float model's, in dB, at most `EQUAL`.

        It is that also if all the waves are silent, and minus infinity for masks that are no numbers.

        Parameters
        ----------
        told : passes the segments on, telling how far it is.
        """
        try:
            values = [_si_snr(wave, self._wave(masks, segment)) for segment, wave in told(self.waves)]
        except UserError:
            return -np.inf
        return float(np.mean(values)) if values else EQUAL

    def _wave(self, masks: MaskOf, segment: Segment) -> np.ndarray:
        frames = segment.spectrum.shape[1]
        masked = apply_output(self.kind, segment.spectrum, masks(segment.magnitude)[0])
        return self.stft.synthesise(masked, max(self.stft.hop_length, (frames - 1) * self.stft.hop_length))


def _si_snr(reference: np.ndarray, wave: np.ndarray) -> float:
    """As `sezoo.metrics` has it, limited to `EQUAL`, and low but finite for silence."""
    reference, wave = reference.astype(np.float64), wave.astype(np.float64)
    target = reference * (np.dot(reference, wave) / np.dot(reference, reference))
    wanted, error = np.sum(np.square(target)), np.sum(np.square(wave - target))
    limit = 10.0 ** (EQUAL / 10)
    if wanted < np.finfo(np.float32).tiny:  # a silent wave is as far away as can be
        return -EQUAL
    if error * limit <= wanted:
        return EQUAL
    return float(10 * np.log10(max(wanted / error, 1 / limit)))
