"""The service `prediction`: a model and recordings in, denoised recordings out."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from sezoo.audio.file import BadClipError
from sezoo.audio.stft import stft_of
from sezoo.base.files import shown
from sezoo.base.text import counted
from sezoo.config.sections import Config
from sezoo.data.dataset import refused, tell_left_out, test_pairs
from sezoo.denoising.run_models import models_of
from sezoo.models.contract import warn_of_magnitudes
from sezoo.models.source import open_model
from sezoo.prediction.stream import Denoiser, blocks_in
from sezoo.prediction.targets import Target, container_of, recordings_in, targets_for
from sezoo.run.folder import is_begun_again
from sezoo.run.run import Run

__all__ = ["check_prediction", "predict", "predict_targets"]

log = logging.getLogger(__name__)

OVERWRITE_HINT = "set prediction.overwrite: true to replace such files, or choose another prediction.output_path"


def check_prediction(config: Config) -> None:
    """Check what prediction needs besides a model, before anything is started.

    Raises
    ------
    UserError : recordings that are not there, a format that cannot be written.
    """
    _checked_sources(config)


def predict(run: Run) -> list[Path]:
    """Denoise the configured recordings with the last model that the run has.

    Raises
    ------
    UserError : the model, a recording or a target is not fit for it.
    """
    settings = run.config.prediction
    targets = targets_for(
        _checked_sources(run.config),
        run.folder / settings.output_path,
        ending=settings.format,
        overwrite=settings.overwrite or is_begun_again(run.folder),
        hint=OVERWRITE_HINT,
    )
    return predict_targets(run, targets)


def predict_targets(run: Run, targets: Sequence[Target]) -> list[Path]:
    """Denoise recordings into the files that were chosen for them; the written ones."""
    config, kind = run.config, run.config.prediction.play_like
    skip_bad = config.dataset is not None and config.dataset.skip_bad_files
    with tempfile.TemporaryDirectory(prefix="sezoo_") as scratch:
        chosen = models_of(run, Path(scratch))[-1]
        play = chosen.play(kind, config)
        model = open_model(chosen.source_for(kind))
        warn_of_magnitudes(model, config.preprocessing.n_fft // 2 + 1)
        denoiser = Denoiser(
            model,
            stft_of(config.preprocessing),
            play,
            config.preprocessing.sample_rate,
            peak_normalize=config.preprocessing.peak_normalize,
        )
        log.info("denoising %s with the %s model, %s", counted(len(targets), "recording"), chosen.name, play)
        left_out: list[BadClipError] = []
        blocks = sum(blocks_in(target.source) for target in targets)
        for _ in run.progress(_blocks(denoiser, targets, left_out, skip_bad), blocks, "denoising"):
            pass
    tell_left_out(left_out, len(targets))
    bad = {error.path for error in left_out}
    written = [target.path for target in targets if target.source not in bad]
    where = shown(written[0] if len(written) == 1 else written[0].parent)
    log.info("%s: %s", counted(len(written), "denoised recording"), where)
    return written


def _checked_sources(config: Config) -> list[Path]:
    """The recordings to denoise, after a look at the format that they are to become."""
    if config.prediction.format is not None:
        container_of(config.prediction.format, "prediction.format")
    if config.prediction.input_path is not None:
        return recordings_in([config.prediction.input_path], "prediction.input_path")
    return [pair.noisy for pair in test_pairs(config.dataset)]


def _blocks(
    denoiser: Denoiser, targets: Sequence[Target], left_out: list[BadClipError], skip_bad: bool
) -> Iterator[None]:
    for target in targets:
        try:
            yield from denoiser.denoise(target.source, target.path)
        except BadClipError as bad:
            if not skip_bad:
                raise refused(bad) from bad
            left_out.append(bad)
