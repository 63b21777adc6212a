"""`sezoo.Denoiser`: a model that is loaded once, for one waveform after the other or for a stream."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sezoo.api.names import InferenceMode
from sezoo.api.sections import Settings, Spectrum
from sezoo.api.settings import prediction_settings
from sezoo.base.errors import UserError
from sezoo.base.shipped import model_file

if TYPE_CHECKING:
    import numpy as np

    from sezoo.prediction.stream import Denoiser as PreparedDenoiser
    from sezoo.prediction.stream import WaveformStream

__all__ = ["Denoiser"]


class Denoiser:
    """Denoises waveforms with a model that is loaded once.

    Called with a waveform it gives the denoised one. `push` and `finish` do the same for a waveform that comes in
    pieces: what is pushed comes out, later by what the model looks ahead, until `finish` gives the rest. A recurrent or
    causal model computes each frame once, whatever the pieces are; the first `push` makes the form of it that does.

    Parameters
    ----------
    model : float or int8 ONNX file, or torch weights of an STFT-TCNN.
    play_like : "whole", as a PC runs the model; "stream", as the C package does; "patches"; "board", as the
        program that the model's target, or deployment.backend in `settings`, means.
    sample_rate, n_fft, hop_length, win_length : of the spectrum that the model was trained with, in Hz and samples;
        n_fft None is what the model's bins say.
    settings : as for `sezoo.quantize`: {"preprocessing": {"window": "sqrt_hann"}}.

    Raises
    ------
    UserError : the model or a setting is not fit for it.
    """

    def __init__(
        self,
        model: str | Path,
        *,
        play_like: InferenceMode = "whole",
        sample_rate: int = 16000,
        n_fft: int | None = None,
        hop_length: int = 160,
        win_length: int = 400,
        settings: Settings | None = None,
    ):
        from sezoo.config.validation import build_config
        from sezoo.prediction.service import denoiser_of
        from sezoo.run.run import Run
        from sezoo.run.tracking import Trackers

        spectrum = Spectrum(sample_rate, n_fft, hop_length, win_length)
        made = prediction_settings(model_file(model), Path("waveform"), spectrum, play_like=play_like, more=settings)
        self._run = Run(build_config(made), Path(), Trackers())
        self._denoiser = denoiser_of(self._run)
        self._in_pieces: PreparedDenoiser | None = None  # for `push`
        self.sample_rate: int = self._denoiser.sample_rate
        self._stream: WaveformStream | None = None
        self._pushed: tuple[int, int] | None = None

    def __call__(self, waveform: np.ndarray, sample_rate: int | None = None) -> np.ndarray:
        """Denoise a waveform.

        Parameters
        ----------
        waveform : (samples,) or (samples, channels) of floats within -1 and 1.
        sample_rate : of it, in Hz; None is the model's.

        Returns
        -------
        denoised : of the same shape and rate, float32

        Raises
        ------
        UserError : it is no such waveform.
        """
        samples = _check_waveform(waveform, "waveform")
        if not samples.size:
            raise UserError("waveform: it has no samples")
        denoised = self._denoiser.denoise_waveform(_columns(samples), sample_rate or self.sample_rate)
        return denoised.reshape(samples.shape)

    def push(self, samples: np.ndarray, sample_rate: int | None = None) -> np.ndarray:
        """Take in the next samples of a stream, and return those that are ready.

        Parameters
        ----------
        samples : (n,) or (n, channels) of floats within -1 and 1; as many channels in every call.
        sample_rate : of them, in Hz; None is the model's.

        Returns
        -------
        denoised : (m,) or (m, channels) float32, the samples that follow those that were given before.

        Raises
        ------
        UserError : no such samples, or not as in the call before; a model that needs a clip's peak.
        """
        samples = _check_waveform(samples, "samples")
        rate, columns = sample_rate or self.sample_rate, _columns(samples)
        if self._denoiser.peak_normalize:
            raise UserError("preprocessing.peak_normalize: a stream's peak is not known before its end")
        if self._stream is None:
            self._stream = self._prepared_in_pieces().live_stream(rate, columns.shape[1])
            self._pushed = (rate, samples.ndim)
        if self._pushed != (rate, samples.ndim) or self._stream.channels != columns.shape[1]:
            raise UserError("samples: rate and channels have to be those of the stream's first; finish() begins anew")
        return self._in_pushed_shape(self._stream.push(columns))

    def finish(self) -> np.ndarray:
        """Return the rest of a stream, so that as many samples have come out as went in; the next push begins another.

        Raises
        ------
        UserError : nothing was pushed.
        """
        if self._stream is None:
            raise UserError("finish: nothing was pushed")
        rest = self._in_pushed_shape(self._stream.finish())
        self._stream = None
        return rest

    def _prepared_in_pieces(self) -> PreparedDenoiser:
        from sezoo.prediction.service import denoiser_of

        if self._in_pieces is None:
            self._in_pieces = denoiser_of(self._run, in_pieces=True)
        return self._in_pieces

    def _in_pushed_shape(self, columns: np.ndarray) -> np.ndarray:
        return columns[:, 0] if self._pushed is not None and self._pushed[1] == 1 else columns


def _check_waveform(waveform: object, what: str) -> np.ndarray:
    import numpy as np

    found = np.asarray(waveform)
    has_channels = found.ndim == 1 or (found.ndim == 2 and found.shape[1] > 0)
    if not has_channels or not np.issubdtype(found.dtype, np.floating):
        raise UserError(
            f"{what}: found {found.dtype} {found.shape}; a waveform (samples,) or (samples, channels) of floats within "
            "-1 and 1 is needed"
        )
    if not np.isfinite(found).all():
        raise UserError(f"{what}: it holds NaN or infinite samples")
    return found.astype(np.float32, copy=False)


def _columns(samples: np.ndarray) -> np.ndarray:
    return samples[:, None] if samples.ndim == 1 else samples
