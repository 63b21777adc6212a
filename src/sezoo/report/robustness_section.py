"""The section on robustness: each version against the noisy clips in many conditions, in a drawing and in tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sezoo.config.metric_facts import facts_of_metric
from sezoo.report.blocks import Block, Cell, Notes, Picture, Pictures, Section, Table
from sezoo.report.figures import COLOURS, INK, MUTED, colour_of, drawing, remove_frame
from sezoo.report.formatting import MINUS, NOTHING, format_signed
from sezoo.report.robustness_table import SHOWN, guard_text
from sezoo.results.robustness import ConditionScores, Robustness
from sezoo.results.run_results import RunFacts

__all__ = ["robustness_section"]

LEVELS = {"level_2_4_khz": "2-4 kHz", "level_4_6_khz": "4-6 kHz", "level_6_8_khz": "6-7.8 kHz"}
BESIDE_NOISY = ("pesq", "stoi")
"""Metrics whose score of the noisy clips has a column of its own."""

MARKERS = "osD^vPX" * 4
ROW, EDGE = 20, 62
"""Pixels of the drawings: of a condition, and above and below all."""


def robustness_section(facts: RunFacts) -> Section | None:
    """Return the section on a robustness test, or None without one."""
    found = facts.robustness
    if found is None:
        return None
    blocks: list[Block] = []
    if warnings := found.warnings:
        blocks.append(Notes([f"{line}." for line in warnings]))
    pictures = [_picture(found, metric) for metric in ("pesq", "stoi") if _is_scored(found, metric)]
    if pictures:
        blocks.append(Pictures(pictures))
    blocks += [_table(found, version, label) for version, label in found.labels.items()]
    return Section("robustness", "Robustness", blocks)


def _is_scored(found: Robustness, metric: str) -> bool:
    return any(metric in each.noisy for each in found.conditions)


def _picture(found: Robustness, metric: str) -> Picture:
    """A row a condition: the noisy clips' score, and that of each version."""
    facts, conditions = facts_of_metric(metric), [each for each in found.conditions if metric in each.noisy]
    title = f"{facts.label} in each condition"
    height = ROW * len(conditions) + EDGE
    with drawing(f"robustness_{metric}", title, width=440, height=height) as made:
        ax, descriptions = made.axes, []
        rows = range(len(conditions))
        noisy = [each.noisy[metric] for each in conditions]
        ax.scatter(noisy, rows, s=34, marker="|", color=COLOURS["noisy"], linewidths=2, label="noisy", zorder=3)
        for version, marker in zip(found.labels, MARKERS, strict=False):
            there = [(row, each) for row, each in enumerate(conditions) if metric in each.versions[version]]
            scores = [each.versions[version][metric] for _, each in there]
            for (row, each), score in zip(there, scores, strict=True):
                worse = metric in each.worse(version)
                colour = COLOURS["bad"] if worse else MUTED
                ax.plot([each.noisy[metric], score], [row, row], color=colour, linewidth=0.9, alpha=0.7)
            colour = colour_of(version)
            ax.scatter(
                scores,
                [row for row, _ in there],
                s=22,
                marker=marker,
                color=colour,
                label=found.labels[version],
                zorder=4,
            )
            descriptions.append(f"{found.labels[version]}: " + _in_words(there, metric, version))
        ax.set_yticks(list(rows), [each.label for each in conditions], color=INK)
        ax.invert_yaxis()
        remove_frame(ax, "x")
        handles, labels = ax.get_legend_handles_labels()
        made.axes.figure.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False, fontsize=10)
        made.alt = f"{title}. " + " ".join(descriptions)
    return made.picture


def _in_words(there: Sequence[tuple[int, ConditionScores]], metric: str, version: str) -> str:
    form = facts_of_metric(metric).form
    pairs = (
        f"{each.label} {form.format(each.versions[version][metric])} ({form.format(each.noisy[metric])} noisy)"
        for _, each in there
    )
    return "; ".join(pairs) + "."


def _table(found: Robustness, version: str, label: str) -> Table:
    metrics = [metric for metric in SHOWN if _is_scored(found, metric)]
    headings = [""]
    for metric in metrics:
        facts = facts_of_metric(metric)
        headings += [f"noisy {facts.label}"] if metric in BESIDE_NOISY else []
        headings.append(facts.heading)
    levels = [name for name in LEVELS if any(name in each.versions[version] for each in found.conditions)]
    headings += ["STOI below noisy", "speech cut", *(LEVELS[name] for name in levels)]
    rows = []
    for each in found.conditions:
        scores, row = each.versions[version], [Cell(each.label)]
        for metric in metrics:
            if metric in BESIDE_NOISY:
                row.append(_number(each.noisy, metric, "quiet"))
            row.append(_number(scores, metric, "bad" if metric in each.worse(version) else ""))
        below = each.stoi_below.get(version)
        row.append(Cell(NOTHING, "quiet") if below is None else Cell(f"{100 * below:.0f} %"))
        row.append(Cell(guard_text(scores) or NOTHING))
        row += [Cell(format_signed(scores[name], "{:.1f}") if name in scores else NOTHING) for name in levels]
        rows.append(row)
    caption = (
        f"{label}, {found.description} in each condition. Red: more than 0.02 PESQ or .005 STOI below the noisy clips. "
        "Speech cut: bins with a local SNR above 5 dB that lost more than 6 dB; the levels in dB are those of "
        "such bins, against the clean speech."
    )
    return Table(headings, "t" + "n" * (len(headings) - 1), rows, caption)


def _number(scores: Mapping[str, float], metric: str, tone: str) -> Cell:
    if metric not in scores:
        return Cell(NOTHING, "quiet")
    return Cell(facts_of_metric(metric).form.format(scores[metric]).replace("-", MINUS), tone)
