"""The first line of a comparison page: the best run, whether the difference is significant, and its cost."""

from __future__ import annotations

from collections.abc import Sequence

from sezoo.base.text import pluralize
from sezoo.config.metric_facts import facts_of_metric
from sezoo.report.compared_ranking import ranking
from sezoo.report.compared_runs import ComparedRun
from sezoo.report.compared_scores import common_clips, common_metric
from sezoo.report.formatting import format_signed
from sezoo.results.scores import change

__all__ = ["comparison_judgement"]

ALIKE = 1.05
"""Ratio of costs up to which they are not worth a word."""


def comparison_judgement(runs: Sequence[ComparedRun]) -> str:
    """The best run against the second by the paired differences of their clips; "" where fewer than two were scored."""
    metric = common_metric(runs)
    if metric is None:
        return ""
    facts = facts_of_metric(metric)
    ranked = ranking(runs, metric).runs
    if len(ranked) < 2:
        return ""
    best, second = ranked[0][0], ranked[1][0]
    difference = change(common_clips(second, best), "other", "first", metric)
    if difference is not None and difference.value * (1 if facts.higher_is_better else -1) < 0:
        best, second = second, best  # over clips that not all runs have
        difference = change(common_clips(second, best), "other", "first", metric)
    if difference is None:
        return f"{best.name} has the best {facts.label}, but no clip in common with {second.name}."
    if difference.low == difference.high == 0:
        return f"{best.name} and {second.name} have the same {facts.label} on every clip."
    figure = f"{facts.label} {format_signed(difference.value, facts.form)}"
    if difference.clips > 1:
        low, high = (format_signed(end, facts.form) for end in (difference.low, difference.high))
        figure += f" (95 % interval {low} to {high})"
    if difference.may_be_zero:
        over = pluralize(difference.clips, "clip")
        return f"{best.name} and {second.name} cannot be told apart over {over}: {figure}{_cost(best, second)}."
    return f"{best.name} is better than {second.name}, the second best: {figure}{_cost(best, second)}."


def _cost(best: ComparedRun, second: ComparedRun) -> str:
    """`, at 2.4 times the multiply-accumulates`; "" where they are alike or unknown."""
    if not best.macs_a_second or not second.macs_a_second:
        return ""
    ratio = best.macs_a_second / second.macs_a_second
    return "" if 1 / ALIKE < ratio < ALIKE else f", at {ratio:.2g} times the multiply-accumulates"
