"""The scores of an evaluation as a person reads them in the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from sezoo.base.terminal import stdout_console as results_console
from sezoo.base.terminal import styled_text
from sezoo.base.text import latency_text, pluralize, shorten_middle
from sezoo.config.metric_facts import facts_of_metric
from sezoo.report.formatting import change_tone, margin_text, mean_text
from sezoo.results.evaluation import Evaluation
from sezoo.results.scores import NOISY, ClipScores, Mean

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

__all__ = ["print_scores", "print_scores_of_models", "short_names"]


LONGEST_NAME = 20
"""Characters that a model's name has at least beside those of others; a row of differences has two of them."""

METRIC_WIDTH = 10
"""Columns of a terminal that a metric takes at most: what does not fit side by side is shown one below the other."""


def print_scores(results: Evaluation, title: str = "") -> None:
    """Print the means with their intervals, and what each version changes."""
    console = results_console()
    title = title or f"{pluralize(results.clips, 'test clip')}, {_length(results.seconds)}"
    console.print(f"{title}: means with 95 % intervals", style="italic")
    labels = [label for *_, label in _comparisons(results)]
    at_once = max(1, (console.width - max(map(len, labels), default=20) - 2) // METRIC_WIDTH)
    for start in range(0, len(results.metrics), at_once):
        console.print(score_table(results, results.metrics[start : start + at_once]))
    if latencies := [
        f"{version.label} {latency_text(version.latency_ms)}" for version in results.versions if version.latency_ms
    ]:
        console.print(f"latency on a device, including the block of one call: {', '.join(latencies)}", style="dim")
    if not results.cost_of_board_settings:
        return
    console.print("cost of the board's settings: change of the scores without each", style="italic")
    for start in range(0, len(results.metrics), at_once):
        console.print(settings_table(results, results.metrics[start : start + at_once]))


def print_scores_of_models(models: Mapping[str, Evaluation]) -> None:
    """Print the scores of several models on the same clips as one table, each row with its model's name.

    Parameters
    ----------
    models : evaluations by the names of their models; the others are compared with the first.
    """
    first = next(iter(models.values()))
    short = short_names(models, _longest_name(models))
    versions = [
        replace(version, name=f"{model}: {version.name}", label=f"{short[model]}: {version.label}")
        for model, evaluation in models.items()
        for version in evaluation.versions
    ]
    costs = [
        replace(cost, model=f"{short[model]}: {cost.model}")
        for model, evaluation in models.items()
        for cost in evaluation.cost_of_board_settings
    ]
    print_scores(replace(first, versions=versions, scores=_joined_scores(models), cost_of_board_settings=costs))


def _longest_name(models: Mapping[str, Evaluation]) -> int:
    """Characters that two names in a row of differences may have without moving a metric below the others."""
    first, *others = models.values()
    last = max(len(version.label) for evaluation in others or [first] for version in evaluation.versions)
    fixed = len(f": {first.versions[0].label} - : ") + last
    room = results_console().width - 2 - METRIC_WIDTH * len(first.metrics) - fixed
    return max(LONGEST_NAME, room // 2)


def short_names(names: Iterable[str], longest: int = LONGEST_NAME) -> dict[str, str]:
    """Names that fit twice into a row, cut in the middle where they are longer; whole where they would be the same."""
    short = {name: shorten_middle(name, longest) for name in names}
    return {name: cut if list(short.values()).count(cut) == 1 else name for name, cut in short.items()}


def _joined_scores(models: Mapping[str, Evaluation]) -> list[ClipScores]:
    """The scores of each clip by version, those of the models under their names; of clips that every model has."""
    by_clip = [{clip.name: clip for clip in evaluation.scores} for evaluation in models.values()]
    found = []
    for clip in next(iter(models.values())).scores:
        if not all(clip.name in clips for clips in by_clip):
            continue
        scores = {NOISY: clip.scores.get(NOISY, {})}
        for model, clips in zip(models, by_clip, strict=True):
            own = clips[clip.name].scores
            scores |= {f"{model}: {version}": values for version, values in own.items() if version != NOISY}
        found.append(replace(clip, scores=scores))
    return found


def _length(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 60 else f"{seconds / 60:.1f} min"


def score_table(results: Evaluation, metrics: Sequence[str]) -> Table:
    """Versions by metrics: the means over the clips with 95 % intervals, then the changes between versions."""
    table = _table(metrics)
    labels = {NOISY: "noisy", **{version.name: version.label for version in results.versions}}
    for name, label in labels.items():
        if not results.means[name]:  # recordings that were scored without the noisy ones
            continue
        table.add_row(label, *(_cell(results.means[name].get(metric), metric) for metric in metrics))
    table.add_section()
    for one, other, label in _comparisons(results):
        table.add_row(label, *(_change(results.change(one, other, m), m) for m in metrics))
    return table


def settings_table(results: Evaluation, metrics: Sequence[str]) -> Table:
    """Return a table of the cost of each setting of the board: the gain in scores without it."""
    table = _table(metrics)
    several = len({cost.model for cost in results.cost_of_board_settings}) > 1
    for cost in results.cost_of_board_settings:
        label = f"{cost.model}, {cost.setting}" if several else cost.setting
        table.add_row(label, *(_change(cost.costs.get(metric), metric) for metric in metrics))
    return table


def _table(metrics: Sequence[str]) -> Table:
    """A table without rows, a column for each metric."""
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column(no_wrap=True)
    for metric in metrics:
        facts = facts_of_metric(metric)
        table.add_column(facts.heading, justify="right", no_wrap=True)
    return table


def _comparisons(results: Evaluation) -> list[tuple[str, str, str]]:
    """The pairs of versions that are worth comparing, and how: against noisy, against float, against whole clips."""
    versions = results.versions
    found = [(version.name, NOISY, f"{version.label} - noisy") for version in versions if results.noisy]
    first = versions[0]
    for version in versions[1:]:
        found.append((version.name, first.name, f"{version.label} - {first.label}"))
    return found


def _cell(mean: Mean | None, metric: str) -> str | Text:
    if mean is None:
        return "none"
    if not (margin := margin_text(mean, metric)):
        return mean_text(mean, metric)
    return styled_text(f"{mean_text(mean, metric)}\n", (margin, "dim"))


def _change(mean: Mean | None, metric: str) -> str | Text:
    if mean is None:
        return ""
    text = facts_of_metric(metric).form.replace(":", ":+").format(mean.value)
    tone = change_tone(mean, metric)
    return styled_text((text, "green" if tone == "good" else "red")) if tone else text
