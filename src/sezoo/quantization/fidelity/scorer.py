"""Fidelity of an int8 model without clean speech: SI-SNR of its denoised output to the float model's."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
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
"""dB given to waveforms that agree to rounding: the difference is inaudible, and a mean over clips stays finite."""

SILENT = 1e-14
"""Mean square below which a waveform has nothing to compare."""

MaskOf = Callable[[np.ndarray], np.ndarray]
"""From the model's input for a segment, (1, bins, frames), to its output, of the same shape."""


def mask_function(model: onnx.ModelProto) -> MaskOf:
    """Return a function from the model's input for a clip to masks or an enhanced spectrum, in onnxruntime."""
    return MaskModel(model, Path("the model")).whole


class FidelityScorer:
    """Compares models with a float model on the same segments.

    Parameters
    ----------
    reference : the float model's masks.
    kind : what the models make, see `sezoo.models.spectra`.
    """

    def __init__(self, reference: MaskOf, segments: Sequence[Segment], stft: Stft, kind: str = MAGNITUDE_MASK):
        self.reference, self.segments, self.stft, self.kind = reference, segments, stft, kind

    @cached_property
    def references(self) -> list[tuple[Segment, np.ndarray]]:
        """Segments and the float model's denoised waveforms, without silent ones; computed on first use."""
        waveforms = [(segment, self._waveform(self.reference, segment)) for segment in self.segments]
        return [(segment, waveform) for segment, waveform in waveforms if np.mean(np.square(waveform)) > SILENT]

    def __call__(self, masks: MaskOf, progress: Callable[[Sequence], Iterable] = iter) -> float:
        """Mean SI-SNR of the denoised waveforms to the float model's, in dB, at most `EQUAL`.

        It is `EQUAL` also if all waveforms are silent, and minus infinity for masks that are NaN or infinite.

        Parameters
        ----------
        progress : iterates over the segments and reports the progress.
        """
        references = self.references  # what the float model raises is no fault of the model that is scored
        try:
            values = [_si_snr(waveform, self._waveform(masks, segment)) for segment, waveform in progress(references)]
        except UserError:
            return -np.inf
        return float(np.mean(values)) if values else EQUAL

    def _waveform(self, masks: MaskOf, segment: Segment) -> np.ndarray:
        frames = segment.spectrum.shape[1]
        masked = apply_output(self.kind, segment.spectrum, masks(segment.magnitude)[0])
        return self.stft.synthesise(masked, max(self.stft.hop_length, (frames - 1) * self.stft.hop_length))


def _si_snr(reference: np.ndarray, waveform: np.ndarray) -> float:
    """Return the SI-SNR as `sezoo.metrics`, limited to `EQUAL`, and low but finite for silence."""
    reference, waveform = reference.astype(np.float64), waveform.astype(np.float64)
    target = reference * (np.dot(reference, waveform) / np.dot(reference, reference))
    wanted, error = np.sum(np.square(target)), np.sum(np.square(waveform - target))
    limit = 10.0 ** (EQUAL / 10)
    if wanted < np.finfo(np.float32).tiny:  # a silent waveform is as far away as can be
        return -EQUAL
    if error * limit <= wanted:
        return EQUAL
    return float(10 * np.log10(max(wanted / error, 1 / limit)))
