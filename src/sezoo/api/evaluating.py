"""`sezoo.evaluate`, and `sezoo.score` for recordings that something else has denoised."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sezoo.api.clips import Clips, folders_of_pairs
from sezoo.api.evaluation import Evaluation
from sezoo.api.names import Backend, EvaluationMode, MetricName, PathLike, TargetName
from sezoo.api.running import DEFAULT_FOLDER, NAMED_BY_TIME, is_begun, run_settings, was_finished
from sezoo.api.sections import Settings, Spectrum
from sezoo.api.settings import evaluation_settings, score_settings
from sezoo.base.errors import UserError
from sezoo.base.files import check_new_folder
from sezoo.base.shipped import model_file
from sezoo.base.user_code import reference_of
from sezoo.report.on_request import write_report
from sezoo.results.names import EVALUATION, REPORT

if TYPE_CHECKING:
    import numpy as np

__all__ = ["evaluate", "run_evaluations", "score"]


def evaluate(
    models: PathLike | Sequence[PathLike] | None = None,
    noisy: Clips | None = None,
    clean: Clips | None = None,
    *,
    denoise: Callable[[np.ndarray], np.ndarray] | str | None = None,
    metrics: Sequence[MetricName] | None = None,
    play_like: EvaluationMode | Sequence[EvaluationMode] | None = None,
    target: TargetName | None = None,
    board: str | None = None,
    backend: Backend | None = None,
    num_clips: int | None = None,
    explain_deployment: bool = False,
    robustness: bool = False,
    workers: int | None = None,
    folder: PathLike | None = None,
    sample_rate: int = 16000,
    n_fft: int | None = None,
    hop_length: int = 160,
    win_length: int = 400,
    settings: Settings | None = None,
) -> Evaluation:
    """Score one model or several, or any other denoiser, on noisy clips, beside those clips themselves.

    Parameters
    ----------
    models : float or int8 ONNX files, dynamic or static, or torch weights of an STFT-TCNN; None with `denoise`.
    noisy, clean : a folder each, files, or waveforms (samples,) at `sample_rate`. Files pair by name, lists in order.
        Without clean clips DNSMOS alone can score.
    denoise : in place of models a function that makes of a noisy waveform (samples,) float32 at `sample_rate` a
        denoised one of the same shape; or `path/to/file.py:name` of one. A function of a module is scored by several
        processes, one of a notebook or of the script itself by this one.
    metrics : "pesq", "stoi", "estoi", "snr", "si_snr", "mse", "csig", "cbak", "covl", "dnsmos", or of your own; None is
        all of ours that fit.
    play_like : how a model is run: "whole", "patches", "board", "stream", "tflm" or several; None is what suits it.
    target, board, backend : what the models are taken to be made for, and what runs them on the board: the C package
        ("portable-c") or ST's N6 application ("stm32n6"); None is what the models say.
    num_clips : to draw of the clips; None is all.
    explain_deployment : score without each of the board's settings as well.
    robustness : score the clips in 17 conditions as well: quiet, loud, reverberant, band-limited, clipped, clean, in
        babble, and at SNRs of 0 to 20 dB; the scores are in `robustness.json` and on the page.
    workers : processes that score clips; None is one a core.
    folder, sample_rate, n_fft, hop_length, win_length, settings : as for `sezoo.quantize`. With several models each
        has a folder in `folder`.

    Raises
    ------
    UserError : a model, the clips or a setting are not fit for it; a function that raises, or gives another length.
    """
    if noisy is None:
        raise UserError("noisy: not given; noisy clips to score are needed")
    if callable(models):
        raise UserError("models: found a function; give it as denoise: sezoo.evaluate(denoise=FUNCTION, ...)")
    if (models is None) == (denoise is None):
        raise UserError("models, denoise: give one of them: the files of models, or a function that denoises")
    paths = [model_file(model) for model in ([models] if isinstance(models, str | Path) else models or ())]
    if models is not None and not paths:
        raise UserError("models: none; a file or several are needed")
    function = None if isinstance(denoise, str) else denoise
    spectrum = Spectrum(sample_rate, n_fft, hop_length, win_length)
    with tempfile.TemporaryDirectory(prefix="sezoo_") as scratch:
        noisy_folder, clean_folder = folders_of_pairs(noisy, clean, Path(scratch), sample_rate)
        all_settings = [
            evaluation_settings(
                path,
                noisy_folder,
                spectrum,
                clean=clean_folder,
                function=denoise if isinstance(denoise, str) else None if denoise is None else reference_of(denoise),
                metrics=metrics,
                play_like=play_like,
                target=target,
                board=board,
                backend=backend,
                num_clips=num_clips,
                explain_deployment=explain_deployment,
                robustness=robustness,
                workers=workers,
                more=settings,
            )
            for path in paths or (None,)
        ]
        if denoise is not None:
            return Evaluation.read(run_settings(all_settings[0], folder, function=function))
        return run_evaluations(paths, all_settings, folder)


def score(
    denoised: PathLike,
    clean: PathLike,
    noisy: PathLike | None = None,
    *,
    metrics: Sequence[MetricName] | None = None,
    num_clips: int | None = None,
    workers: int | None = None,
    folder: PathLike | None = None,
    sample_rate: int = 16000,
    settings: Settings | None = None,
) -> Evaluation:
    """Score denoised recordings that something else has made: a board, another program, another network.

    Each is aligned with its clip before it is scored: a delay of up to a second is found, and reported.

    Parameters
    ----------
    denoised, clean, noisy : folders whose files pair by name; without noisy clips only the recordings are scored.
    metrics, num_clips, workers, folder, settings : as for `sezoo.evaluate`.
    sample_rate : that is scored at, in Hz.

    Raises
    ------
    UserError : folders that do not match, or a setting that is not fit for it.
    """
    made = score_settings(
        Path(denoised),
        Path(clean),
        noisy=None if noisy is None else Path(noisy),
        metrics=metrics,
        num_clips=num_clips,
        workers=workers,
        sample_rate=sample_rate,
        more=settings,
    )
    return Evaluation.read(run_settings(made, folder))


def run_evaluations(
    models: Sequence[Path], settings: Sequence[Settings], folder: PathLike | None, *, tables: bool = False
) -> Evaluation:
    """One evaluation after the other, each of several in a folder of its own, and a page that compares them.

    Parameters
    ----------
    tables : print the scores, those of several models as one table.
    """
    if len(models) == 1:
        return Evaluation.read(run_settings(settings[0], folder, tables=tables))
    names = [path.stem for path in models]
    if len(set(names)) < len(names):
        names = [f"{index}_{name}" for index, name in enumerate(names, 1)]
    parent = Path(folder) if folder is not None else _new_folder()
    runs = {parent / name: one for name, one in zip(names, settings, strict=True)}
    if (parent / REPORT).exists() or not is_begun(parent, runs, EVALUATION):
        check_new_folder(parent, "folder")
    parts = {
        run.name: Evaluation.read(run if was_finished(run, one, EVALUATION) else run_settings(one, run))
        for run, one in runs.items()
    }
    if tables:
        from sezoo.report.score_table import print_scores_of_models
        from sezoo.results.evaluation import Evaluation as EvaluationFile

        print_scores_of_models({name: EvaluationFile.required(part.folder) for name, part in parts.items()})
    page = None
    if all(part.report is not None for part in parts.values()):
        page = write_report([part.folder for part in parts.values()], parent.absolute() / REPORT, overwrite=True)
    return Evaluation.joined(parent.absolute(), parts, page)


def _new_folder() -> Path:
    """A folder named by the time that is not there yet."""
    import time

    from sezoo.base.files import unused_path

    return unused_path(DEFAULT_FOLDER / time.strftime(NAMED_BY_TIME))
