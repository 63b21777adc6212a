"""The run in one sentence with numbers, and the numbers beside each other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sezoo.base.text import bytes_text, count_text, latency_text, pluralize
from sezoo.config.boards import BOARDS
from sezoo.config.metric_facts import facts_of_metric
from sezoo.config.modes import steps
from sezoo.report.boards import INT8, board_fits
from sezoo.report.formatting import change_text, join_words, margin_text, mean_text, percent_text, ram_parts_text
from sezoo.results.evaluation import Evaluation
from sezoo.results.evaluation_parts import VersionScores
from sezoo.results.run_results import RunFacts
from sezoo.results.scores import NOISY, Mean
from sezoo.results.training import LABELS

__all__ = ["KeyNumber", "key_numbers", "verdict"]

FEW = 4
"""Boards that are named one by one."""


@dataclass(frozen=True)
class KeyNumber:
    """A number with its name and a remark below it."""

    what: str
    value: str
    remark: str = ""


def verdict(facts: RunFacts) -> str:
    """One sentence; what the run did not find out is not in it."""
    parts = [part for part in (*_quality(facts), _closeness(facts), _training(facts), _size(facts), _latency(facts),
                               _work(facts), _speed(facts), _wanted_board(facts), _boards(facts)) if part]  # fmt: skip
    if not parts and facts.setting("deployment", "dry_run"):
        return "A dry run: the commands were checked and shown, and nothing was run."
    if not parts:
        return f"This {facts.mode.replace('_', ' ')} run produced no figures."
    sentence = "; ".join(parts)
    return sentence[0].upper() + sentence[1:] + "."


def _quality(facts: RunFacts) -> Iterator[str]:
    found = facts.evaluation
    metric = found and found.metric
    if not metric:
        return
    told = facts_of_metric(metric)
    steps = found.first_of_model()
    deployed = found.on_devices()
    steps += [version for version in deployed if version not in steps]
    words = []
    for index, version in enumerate(steps):
        mean = version.means.get(metric)
        if mean is None:
            continue
        label = "as deployed" if [version] == deployed and index else version.label
        text = f"{mean_text(mean, metric)} {label}"
        if index and (change := found.change(version.name, steps[0].name, metric)):
            chance = ", not significant" if change.may_be_zero and change.clips > 1 else ""
            text += f" ({change_text(change, metric)}{chance})"
        words.append(text)
    gain = steps[-1].improvement.get(metric)
    against = (
        "" if gain is None or metric not in found.noisy else f", from {mean_text(found.noisy[metric], metric)} noisy"
    )
    yield f"{told.label} {' → '.join(words)}{against}, over {pluralize(found.clips, 'clip')}"


def _closeness(facts: RunFacts) -> str:
    found = facts.quantization
    if facts.evaluation or not found or found.closeness is None:
        return ""
    plain = f" (plain int8: {found.plain:.1f} dB)" if found.plain is not None else ""
    return f"fidelity of int8 to float: {found.closeness:.1f} dB{plain}"


def _training(facts: RunFacts) -> str:
    found = facts.training
    if not found:
        return ""
    value = found.at(found.metric, found.best_epoch)
    best = ""
    if value is not None:
        noisy = found.noisy.get(found.metric)
        beside = "" if noisy is None else f" (the noisy clips have {noisy:.4g})"
        best = f", the best is {found.best_epoch} with {LABELS.get(found.metric, found.metric)} {value:.4g}{beside}"
    return f"trained for {found.epochs_text}{best}"


def _size(facts: RunFacts) -> str:
    size = facts.models.get(INT8)
    if size is None:
        return ""
    whole = f", {size / facts.float_bytes:.0%} of float's {bytes_text(facts.float_bytes)}" if facts.float_bytes else ""
    return f"{bytes_text(size)} in int8{whole.replace('%', ' %')}"


def _latency(facts: RunFacts) -> str:
    return "" if facts.latency_ms is None else f"{latency_text(facts.latency_ms)} of latency"


def _work(facts: RunFacts) -> str:
    return f"{count_text(facts.macs_a_second)} MAC a second" if facts.macs_a_second else ""


def _speed(facts: RunFacts) -> str:
    """Return the speed in a benchmark: that of its board's core, or else of the fastest target."""
    measured = [one for one in facts.benchmark.measurements if one.real_time_factor] if facts.benchmark else []
    emulated = [one for one in measured if one.is_estimate] or measured
    if not emulated:
        return ""
    core = BOARDS[facts.benchmark.board].core if facts.benchmark.board in BOARDS else ""
    best = min(emulated, key=lambda one: (one.target != core, one.real_time_factor))
    clock = f" at {best.clock_mhz:g} MHz" if best.clock_mhz else ""
    about = "an estimated " if best.is_estimate else ""
    return f"{about}{percent_text(best.real_time_factor)} of real time on {best.target}{clock}"


def _wanted_board(facts: RunFacts) -> str:
    """Whether the board that the run names is up to its program."""
    letters = steps(facts.mode) if facts.mode else ""
    names = [
        facts.setting(*keys)
        for letter, keys in (("d", ("deployment", "hardware_setup", "board")), ("b", ("benchmarking", "board")))
        if letter in letters
    ]
    fit = next((fit for fit in board_fits(facts) if names and fit.name == names[0]), None)
    if fit is None or not facts.sizes or fit.fits:
        return ""
    lacks = [what for what in fit.too_much if what != "time"]
    told = [f"has too little {join_words(lacks)} for it"] if lacks else []
    if fit.load is not None and fit.load > 1:
        told.append(f"cannot keep up ({percent_text(fit.load)} of real time)")
    return f"{fit.name} {' and '.join(told)}"


def _boards(facts: RunFacts) -> str:
    fits = board_fits(facts)
    if not fits:
        return ""
    good = [fit.name for fit in fits if fit.fits]
    if not facts.sizes:
        what = "its weights fit the flash of"
    else:
        what = "fits" if all(fit.load is not None for fit in fits if fit.fits) else "its program fits the memory of"
    if not good:
        return f"{what} none of the {len(fits)} boards known here"
    if len(good) == len(fits):
        return f"{what} all {len(fits)} boards known here"
    bad = [fit.name for fit in fits if not fit.fits]
    if len(bad) <= FEW:
        return f"{what} {len(good)} of {len(fits)} boards, not {join_words(bad)}"
    names = join_words(good) if len(good) <= FEW else f"{len(good)} of {len(fits)} boards"
    return f"{what} {names}"


def key_numbers(facts: RunFacts) -> list[KeyNumber]:
    """The numbers that decide, in the order of the sentence."""
    return [
        *_scores(facts.evaluation),
        *_models(facts),
        *_on_target(facts),
    ]


def _scores(found: Evaluation | None) -> Iterator[KeyNumber]:
    metric = found and found.metric
    if not metric:
        return
    label = facts_of_metric(metric).label
    shown: list[tuple[str, Mean | None, VersionScores | None]] = [("noisy", found.noisy.get(metric), None)]
    shown += [(version.label, version.means.get(metric), version) for version in found.first_of_model()]
    for version in found.on_devices():
        if version not in [each for *_, each in shown]:
            shown.append((version.label, version.means.get(metric), version))
    for name, mean, version in shown:
        if mean is None:
            continue
        remark = ""
        if version is not None:
            against = NOISY if version is found.reference else found.reference.name
            change = found.change(version.name, against, metric)
            from_what = "noisy" if against == NOISY else found.reference.label
            remark = "" if change is None else f"{change_text(change, metric)} from {from_what}"
        elif mean.clips > 1:
            remark = f"{margin_text(mean, metric)}, {pluralize(mean.clips, 'clip')}"
        yield KeyNumber(f"{label}, {name}", mean_text(mean, metric), remark)


def _models(facts: RunFacts) -> Iterator[KeyNumber]:
    found = facts.quantization
    if found and found.closeness is not None:
        plain = "" if found.plain is None else f"plain int8: {found.plain:.1f} dB"
        yield KeyNumber("fidelity to float", f"{found.closeness:.1f} dB", plain)
    if (size := facts.models.get(INT8)) is not None:
        yield KeyNumber("int8 model", bytes_text(size), facts.float_bytes and f"float: {bytes_text(facts.float_bytes)}")
    if facts.macs_a_second:
        a_frame = f"{count_text(facts.macs_a_second / facts.frames_a_second)} a frame" if facts.frames_a_second else ""
        yield KeyNumber("MAC a second", count_text(facts.macs_a_second), a_frame)


def _on_target(facts: RunFacts) -> Iterator[KeyNumber]:
    if facts.latency_ms is not None:
        yield KeyNumber("latency", latency_text(facts.latency_ms), "look-ahead, window and block of a call")
    if facts.sizes:
        size = facts.sizes[0]
        yield KeyNumber(f"program, {size.core}", bytes_text(size.flash), "code, constants and weights")
        yield KeyNumber(f"RAM, {size.core}", bytes_text(size.ram), ram_parts_text(size))
    fits = board_fits(facts)
    if fits:
        good = [fit for fit in fits if fit.fits]
        yield KeyNumber("boards it fits", f"{len(good)} of {len(fits)}", "" if facts.sizes else "by weights only")
