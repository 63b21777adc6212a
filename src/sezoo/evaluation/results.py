"""The files of an evaluation: means and clips of every version under the reference's names, and all in one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from sezoo.base.csv_file import write_csv
from sezoo.base.files import filled_aside, write_json
from sezoo.base.foreign_text import encodable
from sezoo.evaluation.as_deployed import GateLoss, LookaheadAdvice, SettingCost
from sezoo.evaluation.versions import Version
from sezoo.models.source import OnnxSource
from sezoo.results.robustness import Robustness
from sezoo.results.scores import NOISY, ClipScores, Mean, change

__all__ = ["EVERYTHING", "Results", "write_results"]

EVERYTHING = "evaluation.json"
MEANS, CLIPS = "metrics_dict.json", "detailed_metrics.csv"

NAME_IN_FILES = {"si_snr": "sisnr"}
"""Where the reference's files, which users' scripts read, call a metric otherwise."""


@dataclass(frozen=True)
class Results:
    """All that an evaluation found.

    Attributes
    ----------
    versions : what was scored, without those that only explain the board's settings.
    clips : in the order of the test set.
    means : by version, the noisy one and the explaining ones among them, then by metric.
    left_out : clips that could not be used, and why.
    robustness : the scores in many conditions, where they were asked for.
    """

    versions: Sequence[Version]
    metrics: Sequence[str]
    clips: Sequence[ClipScores]
    means: Mapping[str, Mapping[str, Mean]]
    lookahead: Sequence[LookaheadAdvice]
    settings: Sequence[SettingCost]
    gates: Sequence[GateLoss]
    left_out: Mapping[str, str]
    robustness: Robustness | None = None


def write_results(results: Results, folder: Path) -> None:
    """Write the files into the run's folder, each version's together."""
    for version in results.versions:
        with filled_aside(folder / version.folder) as aside:
            write_json(aside / MEANS, _means(results, version))
            write_csv(aside / CLIPS, *_table(results, version))
    write_json(folder / EVERYTHING, _everything(results))


def _file_name(metric: str) -> str:
    return NAME_IN_FILES.get(metric, metric)


def _means(results: Results, version: Version) -> dict[str, float | None]:
    means = results.means[version.name]
    return {_file_name(m): means[m].value if m in means else None for m in results.metrics}


def _table(results: Results, version: Version) -> tuple[list[str], list[list[object]]]:
    """The columns and a row a clip: its name, the version's scores, the noisy clip's, and why what is missing is."""
    names = [_file_name(metric) for metric in results.metrics]
    rows: list[list[object]] = []
    for clip in results.clips:
        scores = [clip.scores[name].get(metric) for name in (version.name, NOISY) for metric in results.metrics]
        reasons = clip.not_scored.get(version.name, {}).items()
        rows.append([encodable(clip.name), *scores, "; ".join(f"{_file_name(m)}: {why}" for m, why in reasons)])
    return ["file_name", *names, *(f"noisy_{name}" for name in names), "not_scored"], rows


def _everything(results: Results) -> dict[str, object]:
    return {
        "clips": len(results.clips),
        "seconds": sum(clip.seconds for clip in results.clips),
        "noisy": _intervals(results.means[NOISY]),
        "versions": {version.name: _version(results, version) for version in results.versions},
        "look_ahead": [
            {**asdict(advice), "static_length": advice.static_length, "told": str(advice)}
            for advice in results.lookahead
        ],
        "silence_gate": [
            {
                "version": gate.version,
                "threshold_dbfs": gate.threshold,
                "muted_share": gate.muted.share,
                "of_speech": gate.muted.of_speech,
                "told": str(gate),
            }
            for gate in results.gates
        ],
        "cost_of_board_settings": [
            {"model": cost.model, "setting": cost.setting, **_intervals(cost.costs)} for cost in results.settings
        ],
        "not_scored": [
            {"clip": encodable(clip.name), "version": version, "metric": _file_name(metric), "reason": reason}
            for clip in results.clips
            for version, reasons in clip.not_scored.items()
            for metric, reason in reasons.items()
        ],
        "left_out": {encodable(name): reason for name, reason in results.left_out.items()},
    }


def _version(results: Results, version: Version) -> dict[str, object]:
    improvement = {metric: change(results.clips, version.name, NOISY, metric) for metric in results.metrics}
    source = version.source
    path = (source.told_as or source.path) if isinstance(source, OnnxSource) else source.model.state_dict_path
    return {
        "label": version.label,
        "model": path.as_posix(),
        "play": {"like": version.kind, **asdict(version.play)},
        "folder": version.folder,
        "means": _intervals(results.means[version.name]),
        "improvement": _intervals({metric: mean for metric, mean in improvement.items() if mean is not None}),
    }


def _intervals(means: Mapping[str, Mean]) -> dict[str, dict[str, float]]:
    return {
        _file_name(metric): {"mean": mean.value, "low": mean.low, "high": mean.high, "clips": mean.clips}
        for metric, mean in means.items()
    }
