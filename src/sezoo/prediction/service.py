"""The service `prediction`: a model and recordings in, denoised recordings out."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from sezoo.audio.file import BadClipError
from sezoo.audio.stft import Stft, stft_of
from sezoo.base.files import display_path
from sezoo.base.part_files import remove_leftovers
from sezoo.base.text import pluralize
from sezoo.config.sections import Config
from sezoo.data.dataset import bad_clip_error, log_skipped_clips, test_pairs
from sezoo.denoising import InferenceMode
from sezoo.denoising.run_models import STREAM, WHOLE, models_of
from sezoo.models.contract import warn_of_magnitudes
from sezoo.models.source import ModelSource, open_model
from sezoo.prediction.stream import Denoiser, blocks_in
from sezoo.prediction.targets import Target, container_of, recordings_in, targets_for
from sezoo.run.executors import LOCAL, Work, results_of
from sezoo.run.folder import is_being_repeated
from sezoo.run.run import Run

__all__ = ["check_prediction", "denoiser_of", "predict", "predict_targets"]

log = logging.getLogger(__name__)

BLOCKS_FOR_WORKERS = 120
"""Of five seconds each, ten minutes in all, from which on it pays to start workers."""

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
        overwrite=settings.overwrite or is_being_repeated(run.folder),
        hint=OVERWRITE_HINT,
    )
    return predict_targets(run, targets)


def predict_targets(run: Run, targets: Sequence[Target]) -> list[Path]:
    """Denoise recordings into the files that were chosen for them; the written ones."""
    with tempfile.TemporaryDirectory(prefix="sezoo_") as scratch:
        name, denoising = _denoising(run, Path(scratch))
        denoiser = denoising.denoiser()
        warn_of_magnitudes(denoiser.model, run.config.preprocessing.n_fft // 2 + 1)
        log.info("denoising %s with the %s model, %s", pluralize(len(targets), "recording"), name, denoising.play)
        left_out = [bad for bad in _denoise_targets(run, denoising, denoiser, targets) if bad is not None]
    log_skipped_clips(left_out, len(targets))
    bad = {error.path for error in left_out}
    written = [target.path for target in targets if target.source not in bad]
    where = display_path(written[0] if len(written) == 1 else written[0].parent)
    log.info("%s: %s", pluralize(len(written), "denoised recording"), where)
    return written


def denoiser_of(run: Run, *, in_pieces: bool = False) -> Denoiser:
    """Load the last model of the run, and set it up as configured.

    Parameters
    ----------
    in_pieces : for live sound: the model in a form with states, where there is one.

    Raises
    ------
    UserError : the model is not fit for it.
    """
    with tempfile.TemporaryDirectory(prefix="sezoo_") as scratch:
        denoiser = _denoising(run, Path(scratch), in_pieces=in_pieces)[1].denoiser()
    warn_of_magnitudes(denoiser.model, run.config.preprocessing.n_fft // 2 + 1)
    return denoiser


def _denoising(run: Run, scratch: Path, *, in_pieces: bool = False) -> tuple[str, DenoiserSpec]:
    """The last model that the run has, by its name."""
    config = run.config
    chosen = models_of(run, scratch)[-1]
    kind = chosen.deployed_kind(config.prediction.play_like, config)
    in_pieces = in_pieces and kind in (WHOLE, STREAM)
    return chosen.name, DenoiserSpec(
        chosen.source_in_pieces(scratch) if in_pieces else chosen.source_for(kind),
        stft_of(config.preprocessing),
        chosen.play(kind, config, config.prediction.attenuation_limit_db),
        config.preprocessing.sample_rate,
        config.preprocessing.peak_normalize,
    )


def _checked_sources(config: Config) -> list[Path]:
    """The recordings to denoise, after a look at the format that they are to become."""
    if config.prediction.format is not None:
        container_of(config.prediction.format, "prediction.format")
    if config.prediction.input_path is not None:
        return recordings_in([config.prediction.input_path], "prediction.input_path")
    return [pair.noisy for pair in test_pairs(config.dataset)]


@dataclass(frozen=True)
class DenoiserSpec:
    """Specification of a `Denoiser` that can be passed to a worker."""

    source: ModelSource
    stft: Stft
    play: InferenceMode
    sample_rate: int
    peak_normalize: bool

    def denoiser(self) -> Denoiser:
        """Create the denoiser, with its model loaded."""
        model = open_model(self.source)
        return Denoiser(model, self.stft, self.play, self.sample_rate, peak_normalize=self.peak_normalize)


def _denoise_targets(
    run: Run, denoising: DenoiserSpec, denoiser: Denoiser, targets: Sequence[Target]
) -> Iterator[BadClipError | None]:
    """Denoise recordings into files, and return the errors of those that are left out.

    A few short recordings are done here, block by block; workers take a second or two to start.
    """
    settings, executor = run.config.prediction, run.config.general.executor
    blocks = [blocks_in(target.source) for target in targets]
    skip_bad = run.config.dataset is not None and run.config.dataset.skip_bad_files
    folders = {target.path.parent for target in targets}
    new_folders = {each for folder in folders for each in (folder, *folder.parents) if not each.exists()}
    if executor == LOCAL and (len(targets) == 1 or settings.num_workers == 1 or sum(blocks) < BLOCKS_FOR_WORKERS):
        steps = (bad for target in targets for bad in _steps(denoiser, target))
        done = run.progress(steps, sum(blocks), "denoising")
    else:
        longest_first = sorted(targets, key=lambda target: -blocks[targets.index(target)])
        work = Work(_into_files, denoising)
        found = results_of(
            work, longest_first, executor=executor, workers=settings.num_workers, workers_key="prediction.num_workers",
            preload=[__name__],
        )  # fmt: skip
        done = run.progress((bad for _, bad in found), len(targets), "denoising")
    try:
        for bad in done:
            if bad is not None and not skip_bad:
                raise bad_clip_error(bad) from bad
            yield bad
    except BaseException:
        done.close()
        for folder in folders:
            remove_leftovers(folder, again=True)
        for folder in sorted(new_folders, key=lambda folder: -len(folder.parts)):
            with suppress(OSError):  # it is not empty, or was never made
                folder.rmdir()
        raise


def _into_files(denoising: DenoiserSpec) -> Callable[[Target], BadClipError | None]:
    return partial(_into_file, denoising.denoiser())


def _into_file(denoiser: Denoiser, target: Target) -> BadClipError | None:
    return next((bad for bad in _steps(denoiser, target) if bad is not None), None)


def _steps(denoiser: Denoiser, target: Target) -> Iterator[BadClipError | None]:
    """Denoise a recording block by block; the error at the end where it cannot be used."""
    try:
        yield from denoiser.denoise(target.source, target.path)
    except BadClipError as bad:
        yield bad
