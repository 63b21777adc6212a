"""The section on metrics: means with intervals, how the change is spread over clips, and against the input's SNR."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from sezoo.base.text import pluralize
from sezoo.config.metric_facts import facts_of_metric
from sezoo.report.blocks import Block, Cell, Heading, Picture, Pictures, Section, Table, Text
from sezoo.report.figures import MUTED, colour_of, drawing, legend, remove_frame, style_of
from sezoo.report.formatting import (
    MINUS,
    NOTHING,
    change_text,
    change_tone,
    format_signed,
    interval_text,
    margin_text,
    mean_text,
)
from sezoo.results.evaluation import Evaluation
from sezoo.results.evaluation_parts import VersionScores
from sezoo.results.run_results import RunFacts
from sezoo.results.scores import NOISY, Mean

__all__ = ["metrics_section"]

INPUT_SNR = ("snr", "si_snr")
MOST_ROWS = 50
MARKERS = "osD^vPX" * 4


def metrics_section(facts: RunFacts) -> Section | None:
    """Return the section on the evaluation's scores, or None without an evaluation."""
    found = facts.evaluation
    if found is None:
        return None
    blocks: list[Block] = [_means(found)]
    if found.metric and (pictures := list(_pictures(found, found.metric))):
        blocks.append(Pictures(pictures))
    if found.cost_of_board_settings:
        blocks += [Heading("Cost of the board's settings"), _settings(found)]
    blocks += _missing(found)
    return Section("metrics", "Metrics", blocks)


def _means(found: Evaluation) -> Table:
    metrics = found.metrics
    rows = [[Cell("noisy"), *(_mean(found.noisy.get(metric), metric) for metric in metrics)]]
    rows += [
        [Cell(version.label), *(_mean(version.means.get(metric), metric) for metric in metrics)]
        for version in found.versions
    ]
    rules = [len(rows)]
    for version in found.versions:
        changes = (version.improvement.get(metric) for metric in metrics)
        rows.append([Cell(f"{version.label} {MINUS} noisy"), *map(_change, changes, metrics)])
    rules.append(len(rows))
    for version in found.versions[1:]:
        changes = (found.change(version.name, found.reference.name, metric) for metric in metrics)
        rows.append([Cell(f"{version.label} {MINUS} {found.reference.label}"), *map(_change, changes, metrics)])
    length = f"{found.seconds:.0f} s" if found.seconds < 100 else f"{found.seconds / 60:.0f} min"
    return Table(
        ["", *(facts_of_metric(metric).heading for metric in metrics)],
        "t" + "n" * len(metrics),
        rows,
        f"Means over {pluralize(found.clips, 'clip')}, {length}, with 95 % intervals (bootstrap over clips); coloured "
        "changes have an interval that excludes zero.",
        rules,
    )


def _mean(mean: Mean | None, metric: str) -> Cell:
    if mean is None:
        return Cell(NOTHING, "quiet")
    return Cell(mean_text(mean, metric), detail=margin_text(mean, metric))


def _change(mean: Mean | None, metric: str) -> Cell:
    if mean is None:
        return Cell(NOTHING, "quiet")
    low, high = (format_signed(end, facts_of_metric(metric).form) for end in (mean.low, mean.high))
    detail = interval_text(low, high) if mean.clips > 1 and low != high else ""
    return Cell(change_text(mean, metric), change_tone(mean, metric), detail=detail)


def _differences(found: Evaluation, version: str, against: str, metric: str, of: str = "") -> np.ndarray:
    """Return (clips, 2): the score `of` the noisy clip (zero if there is none) and its change, for clips with both."""
    rows = [
        (clip.scores[NOISY].get(of, 0.0) if of else 0.0, clip.scores[version][metric] - clip.scores[against][metric])
        for clip in found.scores
        if metric in clip.scores[version] and metric in clip.scores[against] and (not of or of in clip.scores[NOISY])
    ]
    return np.array(rows, float).reshape(-1, 2)


def _pictures(found: Evaluation, metric: str) -> Iterator[Picture]:
    label, others = facts_of_metric(metric).label, found.versions[1:]
    if others:
        yield from _spread(found, metric, others, found.reference.name, found.reference.label)
    else:
        yield from _spread(found, metric, found.versions, NOISY, "noisy")
    of = next((name for name in INPUT_SNR if name in found.noisy), metric)
    what = "SNR of the noisy clip, dB" if of in INPUT_SNR else f"{label} of the noisy clip"
    yield from _against(found, metric, found.versions, NOISY, "noisy", of, what)
    if others:
        yield from _against(found, metric, others, found.reference.name, found.reference.label, of, what)


def _spread(
    found: Evaluation, metric: str, versions: Sequence[VersionScores], against: str, name: str
) -> Iterator[Picture]:
    label = facts_of_metric(metric).label
    descriptions = []
    title = f"Change in {label} from {name}, clip by clip"
    with drawing("spread", title, _side(metric), height=250) as made:
        ax = made.axes
        for version in versions:
            changes = np.sort(_differences(found, version.name, against, metric)[:, 1])
            if not changes.size:
                continue
            share = (np.arange(changes.size) + 0.5) / changes.size
            marker = {"marker": "o", "markersize": 3.5} if changes.size <= 60 else {}
            line = {"color": colour_of(version.name), "linestyle": style_of(version.name), "linewidth": 1.4}
            ax.plot(changes, 100 * share, label=version.label, **line, **marker)
            descriptions.append(f"{version.label}: median change {np.median(changes):+.3f}")
        ax.axvline(0, color=MUTED, linewidth=0.8)
        ax.locator_params(axis="x", nbins=6)  # numbers with a sign and two decimals stand side by side
        ax.set_xlabel(f"change in {label}")
        ax.set_ylabel("% of clips below")
        ax.set_ylim(0, 100)
        remove_frame(ax)
        legend(ax)
        made.alt = f"{title}, as cumulative curves. {'; '.join(descriptions)}."
    if descriptions:
        yield made.picture


def _side(metric: str) -> str:
    return f"{'Left' if facts_of_metric(metric).higher_is_better else 'Right'} of the line: worse."


def _against(
    found: Evaluation, metric: str, versions: Sequence[VersionScores], against: str, name: str, of: str, what: str
) -> Iterator[Picture]:
    label = facts_of_metric(metric).label
    title = f"Change in {label} from {name}, by {'SNR' if of in INPUT_SNR else f'noisy {label}'}"
    descriptions = []
    with drawing(f"against-{against}", title, "One dot per clip.", height=250) as made:
        ax = made.axes
        for version, marker in zip(versions, MARKERS, strict=False):
            points = _differences(found, version.name, against, metric, of)
            if not points.size:
                continue
            size = 18 if len(points) <= 100 else 7
            style = {"s": size, "color": colour_of(version.name), "marker": marker, "alpha": 0.75, "linewidth": 0}
            ax.scatter(*points.T, label=version.label, **style)
            descriptions.append(f"{version.label} from {points[:, 1].min():+.2f} to {points[:, 1].max():+.2f}")
        ax.axhline(0, color=MUTED, linewidth=0.8)
        ax.set_xlabel(what)
        ax.set_ylabel(f"change in {label}")
        remove_frame(ax)
        legend(ax)
        made.alt = f"{title}: scatter plot over the {what}. {'; '.join(descriptions)}."
    if descriptions:
        yield made.picture


def _settings(found: Evaluation) -> Table:
    several = len({cost.model for cost in found.cost_of_board_settings}) > 1
    rows = [
        [
            Cell(f"{cost.model}, without {cost.setting}" if several else f"without {cost.setting}"),
            *(_change(cost.costs.get(metric), metric) for metric in found.metrics),
        ]
        for cost in found.cost_of_board_settings
    ]
    headings = ["", *(facts_of_metric(metric).heading for metric in found.metrics)]
    return Table(
        headings, "t" + "n" * len(found.metrics), rows, "Change of the scores on the board without each setting."
    )


def _missing(found: Evaluation) -> Iterator[Block]:
    """The clips that could not be scored or used, with the reasons."""
    rows = [[Cell(name), Cell("all"), Cell("left out"), Cell(reason)] for name, reason in found.left_out.items()]
    for each in found.not_scored:
        rows.append([Cell(each.clip), Cell(each.version), Cell(facts_of_metric(each.metric).label), Cell(each.reason)])
    yield Heading("Clips that could not be scored")
    if not rows:
        yield Text("None: every clip of the test set has every score.")
        return
    more = f" The first {MOST_ROWS} of {len(rows)}; all are in evaluation.json." if len(rows) > MOST_ROWS else ""
    caption = f"{len(found.left_out)} left out, {pluralize(len(found.not_scored), 'score')} missing.{more}"
    yield Table(["clip", "version", "metric", "reason"], "cttw", rows[:MOST_ROWS], caption)
