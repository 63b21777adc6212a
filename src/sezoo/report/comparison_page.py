"""The page that compares runs: verdicts, scores and costs beside each other, and what their YAML has different."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import quote

from sezoo.base.text import bytes_text, count_text, latency_text, pluralize
from sezoo.config.metric_facts import facts_of_metric
from sezoo.report.blocks import Cell, Section, Table, Text
from sezoo.report.boards import INT8, board_fits
from sezoo.report.compared_judgement import comparison_judgement
from sezoo.report.compared_ranking import ranking
from sezoo.report.compared_runs import ComparedRun, compared_runs, configuration_differences
from sezoo.report.compared_scores import common_metric, scores_section
from sezoo.report.compared_sounds import sounds_section
from sezoo.report.formatting import NOTHING, db_text, join_words
from sezoo.report.rendering import render
from sezoo.report.verdict import verdict
from sezoo.results.names import REPORT
from sezoo.results.run_results import RunFacts, read_run

__all__ = ["comparison_of"]


def comparison_of(folders: Sequence[Path], place: Path) -> str:
    """The page that compares the runs of these folders, as text.

    Parameters
    ----------
    place : the folder that the page will be in; runs below it are linked to.

    Raises
    ------
    UserError : as for `read_run`.
    """
    runs = compared_runs([read_run(folder) for folder in folders])
    sections = [
        _verdicts(runs, place),
        sounds_section(runs),
        scores_section(runs),
        _costs(runs),
        _differences(runs),
    ]
    return render(
        title=f"{pluralize(len(runs), 'run')} compared",
        about=join_words([run.name for run in runs]),
        when=None,
        judgement=comparison_judgement(runs),
        verdict=_best(runs),
        numbers=[],
        sections=[section for section in sections if section is not None],
    )


def _best(runs: Sequence[ComparedRun]) -> str:
    """The best by the metric that most runs have, as deployed where they say so."""
    metric = common_metric(runs)
    if metric is None:
        return "None of these runs was scored; their costs are below."
    of_metric = facts_of_metric(metric)
    ranked = ranking(runs, metric)
    (best, mean), *others = ranked.runs
    what = f"{of_metric.form.format(mean)} ({best.version.label})"
    if not others:
        return f"No metric was scored in more than one of these runs; {of_metric.label} of {best.name} is {what}."
    sentence = f"{best.name} has the best {of_metric.label}, {what}"
    sentence += f"; {join_words([f'{run.name} {of_metric.form.format(value)}' for run, value in others])}"
    if not ranked.are_all:
        shared = f"over the {pluralize(ranked.clips, 'clip')} that all runs scored"
        sentence += f"; {shared if ranked.clips else 'the runs scored different clips'}"
    return sentence + "."


def _verdicts(runs: Sequence[ComparedRun], place: Path) -> Section:
    rows = [
        [Cell(run.name, detail=_what(run.facts), href=_page_from(place, run.facts)), Cell(verdict(run.facts))]
        for run in runs
    ]
    return Section("verdicts", "Verdicts", [Table(["run", "verdict"], "tw", rows)])


def _what(run: RunFacts) -> str:
    """The mode, and the model where the run was given one."""
    given = run.setting("model", "onnx_path") or run.setting("model", "state_dict_path")
    return f"{run.mode}, {Path(given).name}" if given else run.mode


def _page_from(place: Path, run: RunFacts) -> str:
    """Return the relative path of the run's page below the comparison's folder; "" elsewhere, as pages may be moved."""
    page = run.folder.resolve() / REPORT
    if not page.is_relative_to(place.resolve()):
        return ""
    return quote(page.relative_to(place.resolve()).as_posix(), errors="surrogateescape")


def _costs(runs: Sequence[ComparedRun]) -> Section | None:
    rows = [[Cell(run.name), *_cost_cells(run)] for run in runs]
    headings = [
        "run",
        "model",
        "fidelity, dB",
        "MAC a second",
        "latency, ms",
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


def _cost_cells(run: ComparedRun) -> Iterator[Cell]:
    facts = run.facts
    size, fits = next(iter(facts.sizes), None), board_fits(facts)
    yield Cell(bytes_text(run.model_bytes), detail="int8" if INT8 in facts.models else "")
    yield Cell(db_text(facts.quantization.closeness if facts.quantization else None))
    yield Cell(count_text(run.macs_a_second))
    yield Cell("" if facts.latency_ms is None else latency_text(facts.latency_ms).removesuffix(" ms"))
    yield Cell(bytes_text(size.flash) if size else "", detail=size.core if size else "")
    yield Cell(
        bytes_text(size.ram) if size else "", detail=f"stack {bytes_text(size.stack)}" if size and size.stack else ""
    )
    yield Cell(count_text(size.instructions_a_second) if size else "")
    yield Cell(f"{sum(fit.fits for fit in fits)} of {len(fits)}" if fits else "")


def _differences(runs: Sequence[ComparedRun]) -> Section:
    rows = [
        [Cell(key), *(Cell(NOTHING, "quiet") if value is None else Cell(value) for value in values)]
        for key, values in configuration_differences([run.facts for run in runs]).items()
    ]
    title = "Configuration differences"
    if not rows:
        return Section("differences", title, [Text("None: the configurations are the same.")])
    names = [run.name for run in runs]
    return Section("differences", title, [Table(["key", *names], "c" + "t" * len(names), rows)])
