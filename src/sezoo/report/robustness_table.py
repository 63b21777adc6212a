"""The scores of a robustness bench as a person reads them in the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sezoo.base.terminal import stdout_console as results_console
from sezoo.base.terminal import styled_text
from sezoo.config.metric_facts import facts_of_metric
from sezoo.results.robustness import ConditionScores, Robustness

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

__all__ = ["SHOWN", "guard_text", "print_robustness"]

SHOWN = ("pesq", "stoi", "si_snr")
"""The metrics that have a column each of the noisy clips and of the denoised ones."""


def print_robustness(found: Robustness) -> None:
    """Print a table for each version."""
    console = results_console()
    for version, label in found.labels.items():
        console.print(f"robustness of {label}, {found.description}; red: worse than noisy", style="italic")
        console.print(_table(found, version))


def _table(found: Robustness, version: str) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column(no_wrap=True)
    metrics = [metric for metric in SHOWN if any(metric in each.noisy for each in found.conditions)]
    for metric in metrics:
        facts = facts_of_metric(metric)
        table.add_column("noisy", justify="right", no_wrap=True)
        table.add_column(facts.heading, justify="right", no_wrap=True)
    table.add_column("cut", justify="right", no_wrap=True)
    for each in found.conditions:
        cells = [cell for metric in metrics for cell in _cells(each, version, metric)]
        table.add_row(each.label, *cells, guard_text(each.versions[version]))
    return table


def _cells(each: ConditionScores, version: str, metric: str) -> tuple[str, str | Text]:
    form, scores = facts_of_metric(metric).form, each.versions[version]
    noisy = form.format(each.noisy[metric]) if metric in each.noisy else ""
    if metric not in scores:
        return noisy, ""
    text = form.format(scores[metric])
    return noisy, styled_text((text, "red")) if metric in each.worse(version) else text


def guard_text(scores: dict[str, float]) -> str:
    """Return the share of speech that was removed as text; empty if it is unknown."""
    return f"{100 * scores['speech_cut']:.0f} %" if "speech_cut" in scores else ""
