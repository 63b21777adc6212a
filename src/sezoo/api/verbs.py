"""The verbs: quantize, evaluate, benchmark, deploy, train.

Each builds the configuration that a YAML file would have (`sezoo.api.settings`), does the run with its log, its
tracking and its results in a folder (`sezoo.api.running`), and gives what it found (`sezoo.api.results`).
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sezoo.api.clips import Clips, folder_of
from sezoo.api.names import Backend, BenchmarkTarget, Engine, EvaluationMode, MetricName, TargetName
from sezoo.api.results import (
    Benchmark,
    DeployedModel,
    Evaluation,
    QuantizedModel,
    TrainedModel,
)
from sezoo.api.running import DEFAULT_FOLDER, NAMED_BY_TIME, is_begun, run_settings, was_finished
from sezoo.api.sections import Settings, Spectrum
from sezoo.api.settings import (
    benchmarking_settings,
    deployment_settings,
    evaluation_settings,
    quantization_settings,
    score_settings,
    training_settings,
)
from sezoo.base.errors import UserError
from sezoo.base.files import check_new_folder
from sezoo.base.user_code import reference_of
from sezoo.report.on_request import written_report
from sezoo.results.names import EVALUATION, REPORT

if TYPE_CHECKING:
    import numpy as np

__all__ = ["benchmark", "deploy", "evaluate", "quantize", "run_evaluations", "score", "train"]

PathLike = str | Path


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
    model : float ONNX file, magnitudes (batch, bins, frames) to a mask of that shape.
    clips : noisy speech to calibrate with, 50 to 100 clips of a few seconds: a folder, files, or waves (samples,).
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
        given = _pairs(noisy if noisy is not None else data, clean, Path(scratch), sample_rate)
        made = quantization_settings(
            Path(model),
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
    noisy, clean : a folder each, files, or waves (samples,) at `sample_rate`. Files pair by name, lists in order.
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
    if (models is None) == (denoise is None):
        raise UserError("models, denoise: give one of them: the files of models, or a function that denoises")
    paths = [Path(models)] if isinstance(models, str | Path) else [Path(model) for model in models or ()]
    if models is not None and not paths:
        raise UserError("models: none; a file or several are needed")
    function = None if isinstance(denoise, str) else denoise
    spectrum = Spectrum(sample_rate, n_fft, hop_length, win_length)
    with tempfile.TemporaryDirectory(prefix="sezoo_") as scratch:
        noisy_folder, clean_folder = _pairs(noisy, clean, Path(scratch), sample_rate)
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
        page = written_report([part.folder for part in parts.values()], parent.absolute() / REPORT, overwrite=True)
    return Evaluation.joined(parent.absolute(), parts, page)


def benchmark(
    model: PathLike,
    *,
    on: BenchmarkTarget | Sequence[BenchmarkTarget] = ("host",),
    board: str | None = None,
    clock_mhz: float | None = None,
    runs: int = 50,
    threads: int = 1,
    folder: PathLike | None = None,
    sample_rate: int = 16000,
    n_fft: int | None = None,
    hop_length: int = 160,
    win_length: int = 400,
    settings: Settings | None = None,
) -> Benchmark:
    """Measure what a call of a model takes of memory and time.

    Parameters
    ----------
    model : ONNX file; a static int8 one for everything but "host".
    on : "host" is onnxruntime here; "cortex-m55", "cortex-m7" and "cortex-m4" are the C package in an emulator;
        "stedgeai" is ST's tool.
    board : to fit into, which also says the clock; None is STM32N6570-DK.
    clock_mhz : for estimated times; None is the fastest of the board.
    runs : calls on the host that the median is of.
    threads : of onnxruntime on the host.
    folder, sample_rate, n_fft, hop_length, win_length, settings : as for `sezoo.quantize`.

    Raises
    ------
    UserError : the model is not fit for it, or a tool is missing.
    """
    made = benchmarking_settings(
        Path(model),
        Spectrum(sample_rate, n_fft, hop_length, win_length),
        on=[on] if isinstance(on, str) else on,
        board=board,
        clock_mhz=clock_mhz,
        runs=runs,
        threads=threads,
        more=settings,
    )
    return Benchmark.required(run_settings(made, folder))


def deploy(
    model: PathLike,
    *,
    board: str | None = None,
    backend: Backend | None = None,
    engine: Engine | None = None,
    frames: int | None = None,
    lookahead: int | None = None,
    emulate: bool = True,
    package: str | None = None,
    folder: PathLike | None = None,
    sample_rate: int = 16000,
    n_fft: int | None = None,
    hop_length: int = 160,
    win_length: int = 400,
    settings: Settings | None = None,
) -> DeployedModel:
    """Make of a static int8 model what runs on a board.

    Parameters
    ----------
    model : static int8 ONNX file, as `sezoo.quantize` writes it.
    board : None is STM32N6570-DK.
    backend : "portable-c" writes C sources for any Cortex-M, "tflite" a TensorFlow Lite model; "stm32n6" goes through
        ST's tools onto the board; None is by the model's target, portable-c where that is neither stm32n6 nor tflite.
    engine : "stream" computes every frame once, "patch" whole patches; None is a stream, of tflite patches.
    frames : new ones of a call; None is 1 for a stream, for patches 30 or what the model's length says.
    lookahead : context of a patch on each side; None is what the model's length says. Not of a stream.
    emulate : of portable-c: build it and run it on an emulated core.
    package : of portable-c: "arduino", "platformio", "zephyr", "cmsis-pack", "esp-idf" or "all", what it drops into
        besides CMake.
    folder, sample_rate, n_fft, hop_length, win_length, settings : as for `sezoo.quantize`.

    Raises
    ------
    UserError : the model is not fit for it, or a tool is missing.
    """
    made = deployment_settings(
        Path(model),
        Spectrum(sample_rate, n_fft, hop_length, win_length),
        board=board,
        backend=backend,
        engine=engine,
        frames=frames,
        lookahead=lookahead,
        emulate=emulate,
        package=package,
        more=settings,
    )
    return DeployedModel.read(run_settings(made, folder))


def train(
    *,
    speech: PathLike | None = None,
    noise: PathLike | None = None,
    noisy: PathLike | None = None,
    clean: PathLike | None = None,
    architecture: str = "STFTTCNN",
    weights: PathLike | None = None,
    epochs: int = 100,
    batch_size: int | None = None,
    device: str | None = None,
    folder: PathLike | None = None,
    sample_rate: int = 16000,
    n_fft: int | None = None,
    hop_length: int = 160,
    win_length: int = 400,
    settings: Settings | None = None,
) -> TrainedModel:
    """Train a network by the recipe of the shipped models; needs torch (`pip install 'sezoo[train]'`).

    The recipe is how the shipped U-TCN small was trained from random weights (`sezoo zoo get utcn_small`, its
    training.yaml): loss, learning rate, averaging, and how speech and noise are mixed. `settings` change any of it.

    Parameters
    ----------
    speech, noise : folders to mix: clean speech and noise, searched with their subfolders.
    noisy, clean : or else folders of pairs, files of the same names.
    architecture : "STFTTCNN" or "ConvLSTMDenoiser", the model zoo's, or "UTCN" or "UGRU", our own for int8.
    weights : torch weights to start from.
    epochs : passes over the recordings.
    batch_size : clips per step; None is the recipe's.
    device : of torch; None is a GPU if there is one.
    folder, sample_rate, n_fft, hop_length, win_length, settings : as for `sezoo.quantize`; n_fft None is 512.

    Raises
    ------
    UserError : the recordings or a setting are not fit for it; torch is missing.
    """
    made = training_settings(
        Spectrum(sample_rate, n_fft, hop_length, win_length),
        **{key: _path(value) for key, value in (("speech", speech), ("noise", noise))},
        **{key: _path(value) for key, value in (("noisy", noisy), ("clean", clean), ("weights", weights))},
        architecture=architecture,
        epochs=epochs,
        batch_size=batch_size,
        device=device,
        more=settings,
    )
    return TrainedModel.read(run_settings(made, folder))


def _pairs(noisy: Clips, clean: Clips | None, scratch: Path, sample_rate: int) -> tuple[Path, Path | None]:
    """The folders of noisy and clean clips; those of lists belong to each other in order."""
    one = folder_of(noisy, scratch, "noisy", sample_rate=sample_rate)
    if clean is None:
        return one, None
    is_made = one.is_relative_to(scratch)
    return one, folder_of(clean, scratch, "clean", sample_rate=sample_rate, like=one if is_made else None)


def _path(value: PathLike | None) -> Path | None:
    return None if value is None else Path(value)


def _new_folder() -> Path:
    """A folder named by the time that is not there yet."""
    import time

    from sezoo.base.files import unused_path

    return unused_path(DEFAULT_FOLDER / time.strftime(NAMED_BY_TIME))
