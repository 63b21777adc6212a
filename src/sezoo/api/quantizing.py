"""`sezoo.quantize`."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from sezoo.api.clips import Clips, folder_of, folders_of_pairs
from sezoo.api.names import Backend, MetricName, PathLike, TargetName
from sezoo.api.results import QuantizedModel
from sezoo.api.running import run_settings
from sezoo.api.sections import Settings, Spectrum
from sezoo.api.settings import quantization_settings
from sezoo.base.shipped import DEMO, model_file

__all__ = ["quantize"]


def quantize(
    model: PathLike,
    clips: Clips,
    *,
    target: TargetName | None = None,
    board: str | None = None,
    backend: Backend | None = None,
    noisy: Clips | None = None,
    clean: Clips | None = None,
    frames: int | None = None,
    num_clips: int | None = 100,
    metrics: Sequence[MetricName] | None = None,
    workers: int | None = None,
    folder: PathLike | None = None,
    sample_rate: int = 16000,
    n_fft: int | None = None,
    hop_length: int = 160,
    win_length: int = 400,
    settings: Settings | None = None,
) -> QuantizedModel:
    """Make the two int8 models of a float one, and score them where there is clean speech.

    Parameters
    ----------
    model : float ONNX file, magnitudes (batch, bins, frames) to a mask of that shape; or the name of a model that
        comes with sezoo, as everywhere: "utcn_small".
    clips : noisy speech to calibrate with, 50 to 100 clips of a few seconds: a folder, files, or waveforms (samples,).
    target : what the int8 models are for: "generic", "stm32n6", "cortex-m" or one of your own; None is that of the
        backend or of the board, else generic.
    board, backend : that the models are for, and scored as run by: "portable-c" or "stm32n6".
    noisy, clean : test clips and the clean speech in them. With `clean` alone, `clips` are the noisy ones.
    frames : per call of the static model; None is 30 new ones and the look-ahead that the network needs.
    num_clips : of `clips` that are used; None is all.
    metrics : to score: "pesq", "stoi", "snr", "si_snr" ...; None is all.
    workers : processes that score clips; None is one a core.
    folder : of the results, a new one; None is experiment_outputs/<date and time>.
    sample_rate, n_fft, hop_length, win_length : of the spectrum that the model was trained with, in Hz and samples;
        n_fft None is what the model's bins say. Waves are at this rate.
    settings : further keys of the configuration by section, {"quantization": {"per_channel": False}}.

    Raises
    ------
    UserError : the model, the clips or a setting are not fit for it.
    """
    spectrum = Spectrum(sample_rate, n_fft, hop_length, win_length)
    with tempfile.TemporaryDirectory(prefix="sezoo_") as scratch:
        data = folder_of(clips, Path(scratch), "clips", sample_rate=sample_rate)
        if noisy is None and isinstance(clips, str) and isinstance(clean, str) and clips == clean == DEMO:
            noisy = DEMO  # the demo's clips to calibrate with have other sentences than its clean speech
        given = folders_of_pairs(noisy if noisy is not None else data, clean, Path(scratch), sample_rate)
        made = quantization_settings(
            model_file(model),
            data,
            spectrum,
            target=target,
            board=board,
            backend=backend,
            noisy=given[0] if clean is not None or noisy is not None else None,
            clean=given[1],
            frames=frames,
            num_clips=num_clips,
            metrics=metrics,
            workers=workers,
            more=settings,
        )
        return QuantizedModel.read(run_settings(made, folder))
