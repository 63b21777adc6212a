"""Latency on this machine: onnxruntime's, of the float and the int8 model, on a patch and on a whole clip.

The magnitudes are those of the noisy test recordings that come with sezoo, one behind the other: real speech in noise
as far as a synthesiser goes, without the denormal numbers and the zeros that made-up input can have.
"""

from __future__ import annotations

import logging
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime

from sezoo.audio.clip import read_clip
from sezoo.audio.stft import Stft, stft_of
from sezoo.base.errors import UserError
from sezoo.base.shipped import DEMO_RECORDINGS, model_text
from sezoo.base.text import pluralize
from sezoo.config.sections import Benchmarking
from sezoo.denoising.latency import latency_samples
from sezoo.denoising.patch_lengths import patch_lengths
from sezoo.denoising.run_models import RunModel, models_of
from sezoo.models.macs import macs_by_node, multiply_accumulates
from sezoo.models.onnx_file import load_onnx
from sezoo.models.onnx_session import open_session
from sezoo.models.source import OnnxSource
from sezoo.models.spectra import MAGNITUDE_MASK
from sezoo.models.state_loop import StateLoop, split_into_steps
from sezoo.models.states import frames_of, with_states
from sezoo.models.summary import summary_of
from sezoo.results.benchmark import PATCH, STREAM, WHOLE_CLIP, LayerCost, Measurement
from sezoo.run.run import Run

__all__ = ["HOST", "benchmark_input", "measure_host"]

log = logging.getLogger(__name__)

HOST = "host"

CLIP_SECONDS = 10
"""Of audio in the whole clip."""

WARM_UP_CALLS = 5
"""Before the clock is looked at: memory is allocated, weights are laid out, the processor speeds up."""


@dataclass(frozen=True)
class _Latency:
    """Latency of a call in milliseconds."""

    median: float
    p95: float


def measure_host(run: Run) -> list[Measurement]:
    """Time a patch and a whole clip on every ONNX model that the run has.

    A patch is a call of the model that the board would run, the static one where there is one; of a model with states
    it is a call of its stream. `benchmarking.runs` calls are timed, on `benchmarking.threads` threads.

    Raises
    ------
    UserError : the models are not fit for it, or there is none in ONNX.
    """
    config, settings = run.config, run.config.benchmarking or Benchmarking()
    stft, rate = stft_of(config.preprocessing), config.preprocessing.sample_rate
    found: list[Measurement] = []
    with tempfile.TemporaryDirectory(prefix="sezoo_") as scratch:
        models = [model for model in models_of(run, Path(scratch)) if _is_onnx(model)]
        if not models:
            raise UserError(
                "benchmarking.targets: host times ONNX models; this run has only torch weights: set model.onnx_path, "
                "or train or export the model first"
            )
        static = next((model.static_frames for model in models if model.static_frames is not None), None)
        for model in models:
            length = static if model.static_frames is None else model.static_frames  # one patch for all, if possible
            frames, lookahead = patch_lengths(config, length, stateful=model.stateful)
            source = model.static or model.dynamic
            magnitudes = benchmark_input(stft, rate, model.kind)
            log.info("timing %s: %s", model.name, model_text(source.display_name or source.path))
            patch = _middle(magnitudes, frames + 2 * lookahead)
            audio = frames * stft.hop_length / rate
            latency = latency_samples(lookahead, frames, stft, patches=not model.stateful)
            timed = _time_model(model.name, source, patch, settings, audio, STREAM if model.stateful else PATCH)
            found.append(replace(timed, latency_ms=1000 * latency / rate))
            if model.dynamic is not None:
                found.append(_time_model(model.name, model.dynamic, magnitudes, settings, CLIP_SECONDS, WHOLE_CLIP))
    return found


def _is_onnx(model: RunModel) -> bool:
    return isinstance(model.static or model.dynamic, OnnxSource)


def benchmark_input(stft: Stft, sample_rate: int, kind: str = MAGNITUDE_MASK) -> np.ndarray:
    """Return a model's input for 10 s of the noisy test recordings that come with sezoo: (1, bins, frames)."""
    samples, waveforms = CLIP_SECONDS * sample_rate, []
    for path in sorted((DEMO_RECORDINGS / "noisy_testset").glob("*.flac")):
        waveforms.append(read_clip(path, sample_rate))
        if sum(map(len, waveforms)) >= samples:
            break
    waveform = np.concatenate(waveforms)[:samples]
    spectrum = stft.analyse(waveform)
    seen = stft.magnitude(spectrum) if kind == MAGNITUDE_MASK else spectrum
    return np.ascontiguousarray(seen[np.newaxis])


def _middle(magnitudes: np.ndarray, frames: int) -> np.ndarray:
    """Return N frames from the middle of the clip, which has speech; a clip that is too short is repeated."""
    whole = magnitudes.shape[2]
    return np.take(magnitudes, np.arange(frames) + max(0, (whole - frames) // 2), axis=2, mode="wrap")


def _time_model(
    name: str, source: OnnxSource, magnitudes: np.ndarray, settings: Benchmarking, audio_seconds: float, what: str
) -> Measurement:
    model = with_states(load_onnx(source.path), source.states)
    length = frames_of(model)
    # A model with a length of its own is called as often as the clip needs.
    calls = [
        np.ascontiguousarray(call)
        for call in split_into_steps([magnitudes], length if isinstance(length, int) else None)
    ]
    session = open_session(source.path, threads=settings.threads)
    latency = _latency(lambda: _pass(session, model, calls), settings.runs)
    frames = calls[0].shape[2]
    macs = multiply_accumulates(model, frames)
    several = f" of {len(calls)} calls in a row" if len(calls) > 1 else ""
    return Measurement(
        target=HOST,
        model=name,
        what=what,
        macs=None if macs is None else len(calls) * macs,
        parameters=summary_of(source.path).parameters,
        milliseconds=latency.median,
        p95_milliseconds=latency.p95,
        audio_seconds=audio_seconds,
        threads=settings.threads,
        how=f"onnxruntime {onnxruntime.__version__} here, median{several} over {pluralize(settings.runs, 'run')}",
        layers=() if what == WHOLE_CLIP else tuple(_layers(model, frames)),
    )


def _pass(session: onnxruntime.InferenceSession, model: onnx.ModelProto, calls: Sequence[np.ndarray]) -> None:
    """The calls one after the other; states begin with zeros and are fed back."""
    loop = StateLoop.of_masks(session, model)
    for call in calls:
        loop(call)


def _latency(work: Callable[[], None], runs: int) -> _Latency:
    for _ in range(WARM_UP_CALLS):
        work()
    durations = []
    for _ in range(runs):
        start = time.perf_counter_ns()
        work()
        durations.append(time.perf_counter_ns() - start)
    median, p95 = np.percentile(durations, [50, 95]) / 1e6
    return _Latency(float(median), float(p95))


def _layers(model: onnx.ModelProto, frames: int) -> list[LayerCost]:
    """The operators that multiply, with their work; onnxruntime's own time is of operators that it has merged."""
    macs = macs_by_node(model, frames)
    return [
        LayerCost(node.name or node.output[0], node.op_type, macs[node.output[0]])
        for node in model.graph.node
        if macs.get(node.output[0])
    ]
