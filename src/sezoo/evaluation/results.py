"""Conversion of scored clips to the results of an evaluation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import cache
from pathlib import Path

from sezoo.audio.stft import stft_of
from sezoo.base.foreign_text import to_encodable
from sezoo.config.metric_facts import facts_of_metric
from sezoo.config.sections import Preprocessing
from sezoo.denoising.function import FunctionSource
from sezoo.denoising.latency import latency_ms
from sezoo.evaluation.recordings import RecordingsSource
from sezoo.evaluation.versions import Version
from sezoo.models.macs import macs_per_frame
from sezoo.models.onnx_file import load_onnx
from sezoo.models.source import ModelSource, OnnxSource
from sezoo.results.evaluation import Evaluation
from sezoo.results.evaluation_parts import LookAhead, NotScored, SettingCost, SilenceGate, VersionScores
from sezoo.results.scores import NOISY, ClipScores, Mean, change

__all__ = ["results_of"]


def results_of(
    versions: Sequence[Version],
    metrics: Sequence[str],
    clips: Sequence[ClipScores],
    means: Mapping[str, Mapping[str, Mean]],
    *,
    preprocessing: Preprocessing,
    look_ahead: Sequence[LookAhead],
    gates: Sequence[SilenceGate],
    settings: Sequence[SettingCost],
    left_out: Mapping[str, str],
) -> Evaluation:
    """The results.

    Parameters
    ----------
    versions : what was scored, without those that only explain the board's settings.
    clips : in the order of the test set.
    means : by version, the noisy one and the explaining ones among them, then by metric.
    preprocessing : whose spectrum and sample rate latencies follow from.
    left_out : clips that could not be used, and why.
    """
    stft, rate = stft_of(preprocessing), preprocessing.sample_rate
    costs = cache(_costs)  # the same model is scored in several ways
    return Evaluation(
        clips=len(clips),
        seconds=sum(clip.seconds for clip in clips),
        metrics=metrics,
        metric_facts={metric: facts_of_metric(metric) for metric in metrics},
        noisy=means[NOISY],
        versions=[
            _version(
                version,
                metrics,
                clips,
                means[version.name],
                latency_ms(version.play, stft, rate),
                costs(version.source.path if isinstance(version.source, OnnxSource) else None, rate / stft.hop_length),
            )
            for version in versions
        ],
        look_ahead=look_ahead,
        silence_gate=gates,
        cost_of_board_settings=settings,
        not_scored=[
            NotScored(to_encodable(clip.name), version, metric, reason)
            for clip in clips
            for version, reasons in clip.not_scored.items()
            for metric, reason in reasons.items()
        ],
        left_out={to_encodable(name): reason for name, reason in left_out.items()},
        scores=clips,
    )


def _version(
    version: Version,
    metrics: Sequence[str],
    clips: Sequence[ClipScores],
    means: Mapping[str, Mean],
    latency: float | None,
    costs: tuple[int | None, float | None],
) -> VersionScores:
    improvement = {metric: change(clips, version.name, NOISY, metric) for metric in metrics}
    return VersionScores(
        name=version.name,
        label=version.label,
        model=_model(version.source),
        play={"like": version.kind, **asdict(version.play)},
        folder=version.folder,
        means=means,
        improvement={metric: mean for metric, mean in improvement.items() if mean is not None},
        latency_ms=latency,
        model_bytes=costs[0],
        macs_a_second=costs[1],
    )


def _costs(path: Path | None, frames_a_second: float) -> tuple[int | None, float | None]:
    """Bytes of a model with its weights, and its multiply-accumulates for a second of audio."""
    if path is None:
        return None, None
    model = load_onnx(path)
    macs = macs_per_frame(model)
    return model.ByteSize(), None if macs is None else macs * frames_a_second


def _model(source: ModelSource | FunctionSource | RecordingsSource) -> str:
    """The path of a model's file, or the name of a function."""
    match source:
        case OnnxSource():
            return (source.display_name or source.path).as_posix()
        case FunctionSource() | RecordingsSource():
            return source.reference
        case _:
            return source.model.state_dict_path.as_posix()
