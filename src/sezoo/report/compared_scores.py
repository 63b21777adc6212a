"""The scores of several runs: plotted against their cost, as paired differences, and as a table."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from sezoo.config.metric_facts import facts_of_metric
from sezoo.report.blocks import Block, Cell, Heading, Picture, Pictures, Section, Table, Text
from sezoo.report.compared_ranking import are_alike
from sezoo.report.compared_runs import ComparedRun
from sezoo.report.figures import COLOURS, INK, drawing, remove_frame
from sezoo.report.formatting import (
    NOTHING,
    change_text,
    change_tone,
    format_signed,
    interval_text,
    margin_text,
    mean_text,
)
from sezoo.results.scores import NOISY, ClipScores, Mean, change

__all__ = ["common_clips", "common_metric", "scores_section"]

SCORES_WIDTH, COST_WIDTH = 415, 300
"""Of the plots, in pixels: one of the scores and two against costs fill a row of the page."""

PLOT_HEIGHT, LINE_HEIGHT = 150, 12
"""Pixels of the intervals' height in a plot against a cost, and of a name in it."""

LONGEST_NAME = 34
"""Characters of a run's name in a drawing."""


def common_metric(runs: Sequence[ComparedRun]) -> str | None:
    """The metric that most runs have as their main one; None if none was scored."""
    metrics = [run.facts.evaluation.metric for run in runs if run.facts.evaluation]
    known = [metric for metric in metrics if metric]
    return max(dict.fromkeys(known), key=known.count, default=None)


def scores_section(runs: Sequence[ComparedRun]) -> Section | None:
    """Plots, paired differences and means; None where nothing was scored."""
    scored = [run for run in runs if run.facts.evaluation]
    metric = common_metric(scored)
    if metric is None:
        return None
    blocks: list[Block] = []
    if pictures := list(_pictures(scored, metric)):
        blocks.append(Pictures(pictures))
    return Section("scores", "Metrics", [*blocks, *_paired_gains(scored), *_means(scored)])


# -- plots -------------------------------------------------------------------------------------------


def _pictures(runs: Sequence[ComparedRun], metric: str) -> Iterator[Picture]:
    """The scores by themselves, and against each cost in which the runs differ."""
    shown = [(run, mean) for run in runs if (mean := run.version.means.get(metric)) is not None]
    if len(shown) < 2:
        return
    yield _scores_alone(shown, metric)
    costs: tuple[tuple[str, str, Callable[[ComparedRun], float | None]], ...] = (
        ("MAC a second", "million MAC a second", lambda run: run.macs_a_second and run.macs_a_second / 1e6),
        ("model size", "model, KiB", lambda run: run.model_bytes and run.model_bytes / 1024),
    )
    for what, axis, cost in costs:
        points = [(run.name, x, mean) for run, mean in shown if (x := cost(run))]
        if len(points) > 1 and max(x for _, x, _ in points) > 1.02 * min(x for _, x, _ in points):
            yield _against_cost(points, metric, what, axis)


def _scores_alone(shown: Sequence[tuple[ComparedRun, Mean]], metric: str) -> Picture:
    facts = facts_of_metric(metric)
    title = f"{facts.label} of each run"
    caption = f"Mean and 95 % interval, as deployed; {_direction(metric)}."
    noisy = shown[0][0].facts.evaluation.noisy.get(metric)
    with drawing("scores", title, caption, width=SCORES_WIDTH, height=70 + 26 * len(shown)) as made:
        ax = made.axes
        for row, (_, mean) in enumerate(shown):
            ax.plot([mean.low, mean.high], [row, row], color=COLOURS["accent"], linewidth=2, alpha=0.55)
            ax.plot(mean.value, row, "o", color=COLOURS["accent"], markersize=6)
        if noisy is not None:
            ax.axvline(noisy.value, color=COLOURS["noisy"], linewidth=1, linestyle="--")
            made.axes.annotate(
                "noisy", (noisy.value, -0.55), (4, 0), textcoords="offset points", fontsize=9.5,
                color=COLOURS["noisy"], va="top",
            )  # fmt: skip
        ax.set_yticks(range(len(shown)), [_shorten(run.name) for run, _ in shown])
        ax.tick_params(axis="y", labelcolor=INK)
        ax.set_ylim(len(shown) - 0.5, -0.6)
        ax.set_xlabel(facts.heading)
        remove_frame(ax, "x")
        values = "; ".join(f"{run.name} {mean_text(mean, metric)}" for run, mean in shown)
        made.alt = f"{title}, means with 95 % intervals: {values}."
    return made.picture


def _against_cost(points: Sequence[tuple[str, float, Mean]], metric: str, what: str, axis: str) -> Picture:
    facts = facts_of_metric(metric)
    title = f"{facts.label} against {what}"
    with drawing(f"against {what}", title, "Means with 95 % intervals.", width=COST_WIDTH, height=250) as made:
        ax = made.axes
        for (name, x, mean), (dx, dy, side) in zip(points, _label_places(points), strict=True):
            ax.plot([x, x], [mean.low, mean.high], color=COLOURS["accent"], linewidth=1.6, alpha=0.5)
            ax.plot(x, mean.value, "o", color=COLOURS["accent"], markersize=6)
            ax.annotate(
                _shorten(name), (x, mean.value), (dx, dy), textcoords="offset points", ha=side, va="center",
                fontsize=9.5,
                color=INK,
            )  # fmt: skip
        ax.set_xlabel(axis)
        ax.set_ylabel(facts.heading)
        ax.margins(x=0.08, y=0.12)
        remove_frame(ax)
        values = "; ".join(f"{name} {mean_text(mean, metric)} at {x:.3g}" for name, x, mean in points)
        made.alt = f"{title} ({axis}): {values}."
    return made.picture


def _label_places(points: Sequence[tuple[str, float, Mean]]) -> list[tuple[float, float, str]]:
    """Return the offsets of the names from their points in pixels: towards the middle, without overlap."""
    low, high = min(x for _, x, _ in points), max(x for _, x, _ in points)
    bottom, top = min(mean.low for *_, mean in points), max(mean.high for *_, mean in points)
    height = PLOT_HEIGHT / ((top - bottom) or 1.0)
    placed: list[tuple[bool, float]] = []
    places: dict[int, tuple[float, float, str]] = {}
    for index in sorted(range(len(points)), key=lambda index: -points[index][2].value):
        _, x, mean = points[index]
        is_right = x > (low + high) / 2
        wanted = mean.value * height
        y = min([wanted, *(other - LINE_HEIGHT for right, other in placed if right == is_right)])
        placed.append((is_right, y))
        places[index] = (-7 if is_right else 7, y - wanted, "right" if is_right else "left")
    return [places[index] for index in range(len(points))]


def _shorten(name: str) -> str:
    """A name that a drawing has room for, cut in its middle."""
    if len(name) <= LONGEST_NAME:
        return name
    half = LONGEST_NAME // 2 - 1
    return f"{name[:half]}\N{HORIZONTAL ELLIPSIS}{name[-half:]}"


def _direction(metric: str) -> str:
    return "higher is better" if facts_of_metric(metric).higher_is_better else "lower is better"


# -- paired differences ------------------------------------------------------------------------------


def _paired_gains(runs: Sequence[ComparedRun]) -> Iterator[Block]:
    """Return the gain of each run over the first one on their common clips, or the reason why there is none."""
    if len(runs) < 2:
        return
    first, *others = runs
    yield Heading(f"Paired differences from {first.name}")
    pairs = {run.name: common_clips(first, run) for run in others}
    changes = {
        run.name: {metric: change(pairs[run.name], "other", "first", metric) for metric in _metrics(runs)}
        for run in others
    }
    compared = [run for run in others if any(changes[run.name].values())]
    metrics = [metric for metric in _metrics(runs) if any(changes[run.name][metric] for run in compared)]
    if without_clips := [run.name for run in others if not pairs[run.name]]:
        yield Text(f"No clips in common with {first.name}: {', '.join(without_clips)}.")
    if without_metric := [run.name for run in others if pairs[run.name] and run not in compared]:
        yield Text(f"No metric in common with {first.name}: {', '.join(without_metric)}.")
    if not compared:
        return
    rows = [
        [
            Cell(run.name, detail=run.version.label),
            Cell(str(len(pairs[run.name]))),
            *(_change(changes[run.name][metric], metric) for metric in metrics),
        ]
        for run in compared
    ]
    caption = (
        f"Mean over the clips that both runs scored of the change from {first.name} ({first.version.label}), with its "
        "95 % interval; coloured where the interval excludes zero."
    )
    headings = ["run", "clips in common", *(facts_of_metric(metric).heading for metric in metrics)]
    yield Table(headings, "tn" + "n" * len(metrics), rows, caption)


def common_clips(first: ComparedRun, other: ComparedRun) -> list[ClipScores]:
    """Return the clips that both runs share, by name and by the scores of the noisy recording."""
    known = {clip.name: clip.scores for clip in other.facts.evaluation.scores}
    return [
        ClipScores(
            clip.name,
            clip.seconds,
            {"first": clip.scores[first.version.name], "other": known[clip.name][other.version.name]},
        )
        for clip in first.facts.evaluation.scores
        if clip.name in known and are_alike(clip.scores[NOISY], known[clip.name][NOISY])
    ]


def _change(mean: Mean | None, metric: str) -> Cell:
    if mean is None:
        return Cell(NOTHING, "quiet")
    form = facts_of_metric(metric).form
    detail = interval_text(format_signed(mean.low, form), format_signed(mean.high, form))
    return Cell(change_text(mean, metric), change_tone(mean, metric), detail=detail if mean.clips > 1 else "")


# -- means -------------------------------------------------------------------------------------------


def _means(runs: Sequence[ComparedRun]) -> Iterator[Block]:
    metrics = _metrics(runs)
    versions = [version for run in runs for version in run.facts.evaluation.versions]
    are_comparable = len({run.facts.evaluation.clips for run in runs}) == 1
    best = {
        metric: _best_value(metric, [version.means.get(metric) for version in versions]) if are_comparable else None
        for metric in metrics
    }
    rows, rules = [], []
    for run in runs:
        found = run.facts.evaluation
        rules.append(len(rows))
        noisy = [Cell(mean_text(found.noisy.get(metric), metric) or NOTHING, "quiet") for metric in metrics]
        rows.append([Cell(run.name), Cell("noisy", "quiet"), Cell(str(found.clips)), *noisy])
        for version in found.versions:
            cells = [_score(version.means.get(metric), metric, best[metric]) for metric in metrics]
            rows.append([Cell(""), Cell(version.label), Cell(""), *cells])
    caption = (
        "Means with 95 % intervals; the best of each metric is coloured. Comparable only if the runs used the same "
        "clips."
        if are_comparable
        else "Means with 95 % intervals. The runs scored different numbers of clips: the paired differences compare "
        "them, these do not."
    )
    yield Heading("All versions")
    headings = ["run", "version", "clips", *(facts_of_metric(metric).heading for metric in metrics)]
    yield Table(headings, "ttn" + "n" * len(metrics), rows, caption, rules[1:])


def _metrics(runs: Sequence[ComparedRun]) -> list[str]:
    return list(dict.fromkeys(metric for run in runs for metric in run.facts.evaluation.metrics))


def _best_value(metric: str, means: Sequence[Mean | None]) -> float | None:
    values = [mean.value for mean in means if mean is not None]
    return (max if facts_of_metric(metric).higher_is_better else min)(values, default=None)


def _score(mean: Mean | None, metric: str, best: float | None) -> Cell:
    if mean is None:
        return Cell(NOTHING, "quiet")
    same = best is not None and mean_text(mean, metric) == facts_of_metric(metric).form.format(best)
    tone = "good" if same else ""
    return Cell(mean_text(mean, metric), tone, detail=margin_text(mean, metric))
