"""Results of `sezoo.evaluate` and `sezoo.score`: the scores of each version."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sezoo.api.run_files import report_of
from sezoo.api.shown import evaluation_pictures, listened_sounds
from sezoo.base.files import display_path
from sezoo.base.text import pluralize
from sezoo.config.metric_facts import facts_of_metric
from sezoo.results import evaluation as evaluation_file
from sezoo.results.scores import Mean
from sezoo.results.tables import Rounded, Row, Table

__all__ = ["Evaluation", "ScoredVersion"]

Scores = Mapping[str, float]


Means = Mapping[str, Mean]


@dataclass(frozen=True)
class ScoredVersion:
    """A model played in one way.

    Attributes
    ----------
    label : for people, "int8 on the board".
    play_like : whole, patches, board or stream.
    means : by metric, with 95 % intervals.
    improvement : of the means over those of the noisy clips, by metric.
    clips : scores by metric, by the noisy file's name.
    """

    label: str
    model: Path
    play_like: str
    means: Means
    improvement: Means
    clips: Mapping[str, Scores]


@dataclass(frozen=True, repr=False)
class Evaluation(Table):
    """Scores of models and of the noisy clips themselves.

    Attributes
    ----------
    folder : of the run, or the one that holds those of several.
    seconds : of audio.
    noisy : means by metric.
    versions : by name: "float", "int8", "int8_board" ...; of several models with the file's stem and a colon before.
    advice : what would avoid a loss on the device, in words.
    left_out : reasons by the names of clips that could not be used.
    report : a page for the browser, where there is one; of several models it compares them.
    """

    folder: Path
    seconds: float
    noisy: Means
    versions: Mapping[str, ScoredVersion]
    advice: tuple[str, ...]
    left_out: Mapping[str, str]
    report: Path | None

    @classmethod
    def read(cls, folder: Path) -> Evaluation:
        """Read the results in a run's folder."""
        found = evaluation_file.Evaluation.required(folder)
        return cls(
            folder=folder,
            seconds=found.seconds,
            noisy=found.noisy,
            versions={
                each.name: ScoredVersion(
                    label=each.label,
                    model=Path(each.model),
                    play_like=each.like,
                    means=each.means,
                    improvement=each.improvement,
                    clips={clip.name: clip.scores[each.name] for clip in found.scores},
                )
                for each in found.versions
            },
            advice=(*(each.told for each in found.look_ahead), *(each.told for each in found.silence_gate)),
            left_out=found.left_out,
            report=report_of(folder),
        )

    @classmethod
    def joined(cls, folder: Path, parts: Mapping[str, Evaluation], report: Path | None) -> Evaluation:
        """Several on the same clips, by the names of the models, and the page that compares them."""
        first = next(iter(parts.values()))
        return cls(
            folder=folder,
            seconds=first.seconds,
            noisy=first.noisy,
            versions={
                f"{model}: {name}": version for model, one in parts.items() for name, version in one.versions.items()
            },
            advice=tuple(f"{model}: {text}" for model, one in parts.items() for text in one.advice),
            left_out={clip: reason for one in parts.values() for clip, reason in one.left_out.items()},
            report=report,
        )

    def lines(self) -> list[str]:
        """Return summary lines: what was scored, the first metric of each version, and the folder."""
        clips = max((len(version.clips) for version in self.versions.values()), default=0)
        metric = next(iter(self.noisy), None)
        scores = "nothing could be scored"
        if metric is not None:
            facts = facts_of_metric(metric)
            means = {"noisy": self.noisy, **{name: version.means for name, version in self.versions.items()}}
            values = (f"{name} {facts.form.format(of[metric].value)}" for name, of in means.items() if metric in of)
            scores = f"{facts.label}: {', '.join(values)}"
        versions = pluralize(len(self.versions), "version")
        return [
            f"Evaluation of {versions} on {pluralize(clips, 'clip')}, {self.seconds:.0f} s",
            scores,
            display_path(self.folder),
        ]

    def records(self) -> Sequence[Row]:
        """A row a version and clip."""
        return [
            {"version": name, "clip": clip, **scores}
            for name, version in self.versions.items()
            for clip, scores in version.clips.items()
        ]

    def overview(self) -> Sequence[Row]:
        """A row a version, the noisy clips first: the means."""
        means = {"noisy": self.noisy, **{version.label: version.means for version in self.versions.values()}}
        if len(means) <= len(self.versions):  # labels of several models are alike
            means = {"noisy": self.noisy, **{name: version.means for name, version in self.versions.items()}}
        return [{"": name, **dict(_rounded(metric, mean) for metric, mean in of.items())} for name, of in means.items()]

    def pictures(self) -> Mapping[str, Path]:
        """The scores, for each model."""
        return evaluation_pictures(self._folders())

    def sounds(self) -> Mapping[str, Path]:
        """The clip that changed most: noisy, as each version denoised it, and clean."""
        return listened_sounds(self._folders())

    def _folders(self) -> dict[str, Path]:
        """The runs' folders by model; a single one has no name."""
        inner = {name.partition(": ")[0]: self.folder / name.partition(": ")[0] for name in self.versions}
        return inner if all(path.is_dir() for path in inner.values()) else {"": self.folder}


def _rounded(metric: str, mean: Mean) -> tuple[str, Rounded]:
    """The column of a metric, with its unit, and a value in it."""
    facts = facts_of_metric(metric)
    return f"{facts.label} {facts.unit}".strip(), Rounded(mean.value, facts.form)
