"""The page that compares runs: verdicts, scores and costs beside each other, and what their YAML has different."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sezoo.base.text import pluralize
from sezoo.config.metric_facts import facts_of_metric
from sezoo.report.blocks import Cell, Section, Table, Text
from sezoo.report.boards import INT8, board_fits
from sezoo.report.rendering import rendered
from sezoo.report.verdict import verdict
from sezoo.report.words import NOTHING, bytes_text, count_text, db_text, listed, mean_text
from sezoo.results.names import REPORT
from sezoo.results.run_results import RunFacts, read_run
from sezoo.results.scores import Mean

__all__ = ["comparison_of"]

PATHS = ("general.logs_dir", "general.saved_models_dir", "mlflow.uri")
"""Keys that say nothing of what was done."""


def comparison_of(folders: Sequence[Path], place: Path) -> str:
    """The page that compares the runs of these folders, as text.

    Parameters
    ----------
    place : the folder that the page will be in; runs below it are linked to.

    Raises
    ------
    UserError : as for `read_run`.
    """
    runs = [read_run(folder) for folder in folders]
    names = _names(runs)
    sections = [_verdicts(names, runs, place), _scores(names, runs), _costs(names, runs), _differences(names, runs)]
    return rendered(
        title=f"{pluralize(len(runs), 'run')} compared",
        about=listed(names),
        when=None,
        verdict=_best(names, runs),
        numbers=[],
        sections=[section for section in sections if section is not None],
    )


def _names(runs: Sequence[RunFacts]) -> list[str]:
    """The names of their folders; with the folder above where two have the same."""
    short = [run.name for run in runs]
    return [
        name if short.count(name) == 1 else f"{run.folder.resolve().parent.name}/{name}"
        for name, run in zip(short, runs, strict=True)
    ]


def _best(names: Sequence[str], runs: Sequence[RunFacts]) -> str:
    """The best by the metric that most runs have, as deployed where they say so."""
    scored = []
    for name, run in zip(names, runs, strict=True):
        found = run.evaluation
        if found and found.metric:
            version = found.as_deployed() or found.versions[-1]
            if (mean := version.means.get(found.metric)) is not None:
                scored.append((found.metric, mean, name, version.label, found.clips))
    metrics = [metric for metric, *_ in scored]
    if not scored:
        return "None of these runs was scored; their costs are below."
    metric = max(dict.fromkeys(metrics), key=metrics.count)
    told, alike = facts_of_metric(metric), [each for each in scored if each[0] == metric]
    _, mean, name, label, _ = max(alike, key=lambda each: each[1].value * (1 if told.higher_is_better else -1))
    sentence = f"{name} has the best {told.label}, {told.form.format(mean.value)} ({label})"
    others = [f"{other} {told.form.format(value.value)}" for _, value, other, *_ in alike if other != name]
    sentence += f"; {listed(others)}" if others else ""
    if len({clips for *_, clips in alike}) > 1:
        sentence += "; the runs scored different numbers of clips"
    return sentence + "."


def _verdicts(names: Sequence[str], runs: Sequence[RunFacts], place: Path) -> Section:
    rows = [
        [Cell(name, detail=_what(run), href=_page_from(place, run)), Cell(verdict(run))]
        for name, run in zip(names, runs, strict=True)
    ]
    return Section("verdicts", "Verdicts", [Table(["run", "verdict"], "tw", rows)])


def _what(run: RunFacts) -> str:
    """The mode, and the model where the run was given one."""
    given = run.setting("model", "onnx_path") or run.setting("model", "state_dict_path")
    return f"{run.mode}, {Path(given).name}" if given else run.mode


def _page_from(place: Path, run: RunFacts) -> str:
    """Where the run's own page is, seen from a folder above it; "" elsewhere, as the page may be sent to somebody."""
    page = run.folder.resolve() / REPORT
    if not page.is_relative_to(place.resolve()):
        return ""
    return quote(page.relative_to(place.resolve()).as_posix(), errors="surrogateescape")


def _scores(names: Sequence[str], runs: Sequence[RunFacts]) -> Section | None:
    found = [(name, run.evaluation) for name, run in zip(names, runs, strict=True) if run.evaluation]
    metrics = list(dict.fromkeys(metric for _, each in found for metric in each.metrics))
    if not metrics:
        return None
    best = {metric: _best_value(metric, [version.means.get(metric) for _, each in found for version in each.versions])
            for metric in metrics}  # fmt: skip
    rows, rules = [], []
    for name, each in found:
        rules.append(len(rows))
        noisy = [Cell(mean_text(each.noisy.get(metric), metric) or NOTHING, "quiet") for metric in metrics]
        rows.append([Cell(name), Cell("noisy", "quiet"), Cell(str(each.clips)), *noisy])
        for version in each.versions:
            cells = [_score(version.means.get(metric), metric, best[metric]) for metric in metrics]
            rows.append([Cell(""), Cell(version.label), Cell(""), *cells])
    headings = ["run", "version", "clips"]
    headings += [f"{facts_of_metric(metric).label} {facts_of_metric(metric).unit}".strip() for metric in metrics]
    caption = (
        "Means with 95 % intervals; the best of each metric is coloured. Comparable only if the runs used the same "
        "clips."
    )
    return Section("scores", "Metrics", [Table(headings, "ttn" + "n" * len(metrics), rows, caption, rules[1:])])


def _best_value(metric: str, means: Sequence[Mean | None]) -> float | None:
    values = [mean.value for mean in means if mean is not None]
    return (max if facts_of_metric(metric).higher_is_better else min)(values, default=None)


def _score(mean: Mean | None, metric: str, best: float | None) -> Cell:
    if mean is None:
        return Cell(NOTHING, "quiet")
    half = facts_of_metric(metric).form.format((mean.high - mean.low) / 2)
    same = best is not None and mean_text(mean, metric) == facts_of_metric(metric).form.format(best)
    tone = "good" if same else ""
    return Cell(mean_text(mean, metric), tone, detail=f"±{half}" if mean.clips > 1 else "")


def _costs(names: Sequence[str], runs: Sequence[RunFacts]) -> Section | None:
    rows = []
    for name, run in zip(names, runs, strict=True):
        sizes, fits = run.sizes[:1], board_fits(run)
        size = sizes[0] if sizes else None
        closeness = run.quantization.closeness if run.quantization else None
        rows.append(
            [
                Cell(name),
                Cell(bytes_text(run.models.get(INT8))),
                Cell(db_text(closeness)),
                Cell(count_text(run.macs_a_second)),
                Cell(bytes_text(size.flash) if size else "", detail=size.core if size else ""),
                Cell(bytes_text(size.ram) if size else ""),
                Cell(count_text(size.instructions_a_second) if size else ""),
                Cell(f"{sum(fit.fits for fit in fits)} of {len(fits)}" if fits else ""),
            ]
        )
    headings = [
        "run",
        "int8 model",
        "fidelity, dB",
        "MAC a second",
        "program",
        "RAM",
        "instructions a second",
        "boards",
    ]
    kept = [0, *(column for column in range(1, len(headings)) if any(row[column].text for row in rows))]
    if len(kept) == 1:
        return None
    table = Table([headings[column] for column in kept], "t" + "n" * (len(kept) - 1),
                  [[row[column] for column in kept] for row in rows])  # fmt: skip
    return Section("costs", "Size and cost", [table])


def _differences(names: Sequence[str], runs: Sequence[RunFacts]) -> Section:
    flat = [dict(_flat(run.config)) for run in runs]
    keys = [key for key in dict.fromkeys(key for each in flat for key in each) if key not in PATHS]
    rows = [
        [Cell(key), *(Cell(each[key]) if key in each else Cell(NOTHING, "quiet") for each in flat)]
        for key in keys
        if len({each.get(key) for each in flat}) > 1
    ]
    title = "Configuration differences"
    if not rows:
        return Section("differences", title, [Text("None: the configurations are the same.")])
    return Section("differences", title, [Table(["key", *names], "c" + "t" * len(names), rows)])


def _flat(tree: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    """Keys with points between sections, and their values in words."""
    for key, value in tree.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{before}{key}.")
        else:
            yield f"{before}{key}", "(empty)" if value is None else str(value)
