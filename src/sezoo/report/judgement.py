"""Verdict on a run's models in one or two sentences, with the cause if it was measured."""

from __future__ import annotations

import re
from collections.abc import Iterator

from sezoo.base.text import pluralize
from sezoo.config.metric_facts import facts_of_metric
from sezoo.report.formatting import change_text, format_signed, join_words, percent_text
from sezoo.report.service_judgements import program_judgement, training_judgement
from sezoo.results.evaluation import Evaluation
from sezoo.results.evaluation_parts import VersionScores
from sezoo.results.margins import gain, is_as_good, is_worse, margin
from sezoo.results.quantization import LayerReport
from sezoo.results.run_results import RunFacts
from sezoo.results.scores import NOISY, Mean

__all__ = ["judgement"]

CLOSE, NEAR = 40.0, 25.0
"""SI-SNR in dB of the int8 output to the float one: from `CLOSE` on the rounding error is a hundredth of the signal's
amplitude, below `NEAR` more than a twentieth."""

MODELS = ("float", "int8")
"""How the names of models' versions begin; others are of recordings or functions."""

AUDIBLE_SHARE = 0.01
"""Of the frames with speech, from which on a silence gate that mutes them is named as a cause."""


def judgement(facts: RunFacts) -> str:
    """Sentences on what the run came to; "" where nothing was measured.

    What int8 and the device cost is judged by the paired differences and their 95 % intervals.

    A version is as good as another if the whole interval lies above minus the metric's margin (a non-inferiority test,
    Schumi and Wittes, Trials 12:106, 2011), and worse if it lies below zero and its mean beyond the margin. All between
    is a difference that these clips do not decide.
    """
    found, layers = facts.evaluation, facts.quantization
    sentences: list[str] = []
    if facts.training is not None:
        sentences += training_judgement(facts.training)
    if found is not None and found.metric is not None:
        sentences += _of_scores(found, layers)
    elif layers is not None and layers.closeness is not None:
        sentences.append(_of_closeness(layers.closeness))
    if layers is not None and layers.mostly_in_float:
        sentences.append(f"{layers.mostly_in_float.partition(' (')[0]}, which no chip gains from.")
    sentences += program_judgement(facts)
    return " ".join(sentences)


def _of_scores(found: Evaluation, layers: LayerReport | None) -> Iterator[str]:
    first, *others = found.first_of_model()
    if not others and (sentence := _of_improvement(found, first, always=True)) is not None:
        yield sentence
    for version in others:
        yield _of_difference(found, version, first, _subject(version), first.label, _cause_in_int8(layers))
    compared = {first.name, *(version.name for version in others)}
    for version in found.on_devices():
        base = next((each for each in found.versions if _model(each) == _model(version)), first)
        if version.name not in compared and base is not version:
            against = "float" if base.name == "float" else f"{base.label} on a PC"
            yield _of_difference(found, version, base, _subject(version), against, _cause_on_device(found, version))
    if others and (sentence := _of_improvement(found, first, always=False)) is not None:
        yield sentence


def _of_improvement(found: Evaluation, version: VersionScores, *, always: bool) -> str | None:
    """Whether a model does any good; where it does, only if `always`."""
    metric = found.metric
    change = found.change(version.name, NOISY, metric) if found.noisy else None
    if change is None:
        return None
    label = facts_of_metric(metric).label
    if gain(change, metric) > 0 and not change.may_be_zero:
        better = f"{_subject(version)} is better than the noisy recordings"
        if losses := _losses(found, version.name, NOISY):
            return f"{better} by {label} {_figure(change, metric)}, but loses {losses}."
        return f"{better}: {label} {_figure(change, metric)}." if always else None
    best = change.high if facts_of_metric(metric).higher_is_better else -change.low
    if change.may_be_zero and best > margin(metric):
        return (
            f"Whether {_lower_first(_subject(version))} improves on the noisy recordings cannot be told from "
            f"{pluralize(change.clips, 'clip')}: {label} {_figure(change, metric)}."
        )
    why = ": check that the network was trained with this preprocessing" if version.name.startswith(MODELS) else ""
    return f"{_subject(version)} does not improve on the noisy recordings, {label} {_figure(change, metric)}{why}."


def _of_difference(
    found: Evaluation, version: VersionScores, base: VersionScores, subject: str, against: str, cause: str
) -> str:
    metric = found.metric
    change = found.change(version.name, base.name, metric)
    label = facts_of_metric(metric).label
    if change is None:
        return f"{subject} could not be compared with {against}: no clip has both scores."
    figure = f"{label} {_figure(change, metric)}"
    if change.clips < 2:
        return f"{subject} against {against}: {figure}; a single clip gives no more."
    if is_worse(change, metric) and not facts_of_metric(metric).higher_is_better:
        return f"{subject} is worse than {against}: {figure}{cause}."
    if is_worse(change, metric):
        return f"{subject} loses {_amount(change, metric)} {label} against {against}{_interval(change, metric)}{cause}."
    if not is_as_good(change, metric):
        return (
            f"Whether {_lower_first(subject)} is as good as {against} cannot be told from "
            f"{pluralize(change.clips, 'clip')}: {figure}."
        )
    if losses := _losses(found, version.name, base.name):
        return f"{subject} is as good as {against} by {figure}, but loses {losses}{cause}."
    if gain(change, metric) > margin(metric) and not change.may_be_zero:
        return f"{subject} is better than {against}: {figure}."
    return f"{subject} is as good as {against}: {figure}."


def _losses(found: Evaluation, version: str, base: str) -> str:
    """What a version loses against another by the metrics that do not judge it.

    The squared error is left out beside a signal-to-noise ratio, which says the same on a scale that has a margin.

    Returns
    -------
    "0.4 dB of SI-SNR and 0.01 of STOI"; "" for no loss.
    """
    ratios = {"snr", "si_snr"}.intersection(found.metrics)
    names = [name for name in found.metrics if name != found.metric and not (name == "mse" and ratios)]
    return join_words(
        [
            f"{_amount(change, name)} {facts_of_metric(name).unit} of {facts_of_metric(name).label}".replace("  ", " ")
            for name in names
            if (change := found.change(version, base, name)) and is_worse(change, name)
        ]
    )


def _of_closeness(closeness: float) -> str:
    """Return a verdict by the output error, without scores."""
    much = "close to" if closeness >= CLOSE else "near" if closeness >= NEAR else "far from"
    return (
        f"Int8 is {much} float: SI-SNR of the int8 output to the float output is {closeness:.1f} dB (higher is "
        "closer). Recordings of the clean speech (--clean) would show what that costs."
    )


# -- causes ------------------------------------------------------------------------------------------------


def _cause_in_int8(layers: LayerReport | None) -> str:
    """The tensor that is rounded worst, and how to get it back if nothing was tried."""
    if layers is None:
        return ""
    untried = "" if layers.steps else "; quantization.accuracy_recovery: auto may win it back"
    if not layers.worst:
        return untried
    worst = layers.worst[0]
    what, verb = ("the weights of ", "are") if worst.what == "weights" else ("", "is")
    return f": {what}'{worst.name}' ({worst.made_by}) {verb} rounded worst, {worst.sqnr:.0f} dB SQNR{untried}"


def _cause_on_device(found: Evaluation, version: VersionScores) -> str:
    """Return the measured cost of the device's settings, largest first, or else a known loss."""
    metric = found.metric
    costs = {
        cost.setting: mean
        for cost in found.cost_of_board_settings
        if cost.model == _model(version) and (mean := cost.costs.get(metric)) is not None
    }
    costly = {name: gain(mean, metric) for name, mean in costs.items() if not mean.may_be_zero}
    costly = {name: cost for name, cost in costly.items() if cost > margin(metric) / 2}
    if costly:
        form = facts_of_metric(metric).form
        ranked = sorted(costly, key=costly.__getitem__, reverse=True)
        return f": {join_words([f'the {name} ({form.format(costly[name])})' for name in ranked])}"
    gates = [gate for gate in found.silence_gate if gate.version == version.name and gate.muted_share is not None]
    if gates and gates[0].muted_share > AUDIBLE_SHARE:
        what = "frames with speech" if gates[0].of_speech else "frames"
        return f": the silence gate mutes {percent_text(gates[0].muted_share)} of the {what}"
    short = [each for each in found.look_ahead if each.model == _model(version) and each.needed > each.lookahead]
    if short and version.like in ("board", "patches"):
        return f": a look-ahead of {pluralize(short[0].lookahead, 'frame')} where the network needs {short[0].needed}"
    if version.like == "board" and not found.cost_of_board_settings:
        return "; --explain-deployment measures what each setting of the board costs"
    return ""


# -- words -------------------------------------------------------------------------------------------------


def _model(version: VersionScores) -> str:
    """The name of the model that a version plays."""
    return version.name.split("_")[0]


def _subject(version: VersionScores) -> str:
    """Return the subject of the sentence: the model, or the program that runs it on the device."""
    if not version.name.startswith(MODELS):  # recordings or a function, with a name of their own
        return f"'{version.label}'"
    program = re.search(r"\((.+?)(?:, patches)?\)$", version.label)
    if program is None or version.like == "whole":
        return _capitalize(version.label)
    name = program[1]
    return name if "'s " in name or name.startswith("TF") else f"The {name}"


def _figure(change: Mean, metric: str) -> str:
    return f"{change_text(change, metric)}{_interval(change, metric)}"


def _interval(change: Mean, metric: str) -> str:
    if change.clips < 2:
        return ""
    low, high = (format_signed(end, facts_of_metric(metric).form) for end in (change.low, change.high))
    return f" (95 % interval {low} to {high})"


def _amount(change: Mean, metric: str) -> str:
    return facts_of_metric(metric).form.format(abs(change.value))


def _capitalize(text: str) -> str:
    return text[:1].upper() + text[1:]


def _lower_first(text: str) -> str:
    return text[:1].lower() + text[1:] if text.startswith(("The ", "Int8", "Float")) else text
