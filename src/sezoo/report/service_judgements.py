"""Verdicts on a training, a deployment and a benchmark in one or two sentences, with the cause of a negative one."""

from __future__ import annotations

from collections.abc import Iterator

from sezoo.base.text import bytes_text
from sezoo.config.boards import BOARDS
from sezoo.report.boards import BoardFit, board_fits
from sezoo.report.formatting import join_words, percent_text
from sezoo.results.benchmark import Benchmark
from sezoo.results.deployment import Deployment
from sezoo.results.run_results import RunFacts
from sezoo.results.training import LABELS, TrainingHistory

__all__ = ["program_judgement", "training_judgement"]

LOWER_IS_BETTER = ("train_loss", "val_loss", "wave_mse", "speech_cut")

HOST = "host"
"""The target that is the computer at hand."""

SAME_PESQ = 0.01
"""Difference of one recording's PESQ on the core and on a PC below which both are called the same."""


def training_judgement(found: TrainingHistory) -> Iterator[str]:
    """Whether the best epoch is better than no network, whether all epochs were run, and whether more may help."""
    metric, best = found.metric, found.best_epoch
    value = found.at(metric, best)
    if value is None:
        return
    label, noisy = LABELS.get(metric, metric), found.noisy.get(metric)
    if noisy is None:
        yield f"The best of {len(found.epochs)} epochs is {best}, with {label} {value:.4g}."
    else:
        gain = noisy - value if metric in LOWER_IS_BETTER else value - noisy
        verb = "improves on" if gain > 0 else "does not improve on"
        yield (
            f"The network {verb} the noisy validation clips: {label} {value:.4g} at epoch {best} of "
            f"{len(found.epochs)}, {noisy:.4g} noisy."
        )
    if found.asked is not None and found.asked > len(found.epochs):
        yield f"The training ended after {found.epochs_text}."
    if best == found.epochs[-1] and len(found.epochs) > 1:
        yield "The last epoch is the best: more epochs may help."


def program_judgement(facts: RunFacts) -> Iterator[str]:
    """Whether the program fits the board that the run names and keeps up there, and whether it computes what a PC does.

    Of a benchmark that built no program, whether the model keeps up.
    """
    if facts.sizes and (fit := _named_board(facts)) is not None:
        yield _of_fit(facts, fit)
    elif facts.benchmark:
        yield from _of_speed(facts.benchmark)
    if facts.deployment:
        yield from _of_output(facts, facts.deployment)


def _named_board(facts: RunFacts) -> BoardFit | None:
    board = facts.setting("deployment", "hardware_setup", "board") if facts.deployment else None
    name = board or (facts.benchmark.board if facts.benchmark else None)
    return next((fit for fit in board_fits(facts) if fit.name == name), None)


def _of_fit(facts: RunFacts, fit: BoardFit) -> str:
    size, board = facts.size_for(fit.facts.core), BOARDS[fit.name]
    amounts = [
        f"{bytes_text(size.flash)} of {bytes_text(board.flash)} flash",
        f"{bytes_text(size.ram)} of {bytes_text(board.ram)} RAM",
    ]
    if fit.load is not None:
        amounts.append(f"an estimated {percent_text(fit.load)} of the core's time at {board.clock_mhz:g} MHz")
    if fit.fits:
        return f"The program fits {fit.name}: {join_words(amounts)}."
    lacks = [what for what in fit.too_much if what != "time"]
    reasons = [f"too little {join_words(lacks)}"] if lacks else []
    reasons += ["too slow a core"] if "time" in fit.too_much else []
    return f"{fit.name} has {join_words(reasons)} for the program: {join_words(amounts)}."


def _of_speed(found: Benchmark) -> Iterator[str]:
    """Whether the slowest of what was measured keeps up; nothing where no time is known."""
    measured = [one for one in found.measurements if one.real_time_factor]
    if not measured:
        return
    slowest = max(measured, key=lambda one: one.real_time_factor)
    where = "this computer" if slowest.target == HOST else slowest.target
    verb = "keeps up" if slowest.real_time_factor < 1 else "does not keep up"
    subject = {"int8": "Int8", "float": "Float"}.get(slowest.model, slowest.model)
    more = "" if slowest.target != HOST else "; --on cortex-m55 or all measures microcontrollers"
    yield (
        f"{subject} {verb} on {where}: {percent_text(slowest.real_time_factor)} of real time ({slowest.what}){more}."
    )


def _of_output(facts: RunFacts, made: Deployment) -> Iterator[str]:
    run, pesq = made.emulated, made.pesq
    if run is not None and run.waves_are_equal:
        yield f"The emulated {run.core} gives the same samples as the computation on a PC."
    elif run is not None and {"core", "reference"} <= pesq.keys():
        yield _of_pesq(f"The emulated {run.core}", pesq["core"], "a PC", pesq["reference"], "on a PC")
    elif made.tflite is not None and {"tflite", "reference"} <= pesq.keys():
        yield _of_pesq(
            "TFLite Micro's arithmetic", pesq["tflite"], "onnxruntime's", pesq["reference"], "by onnxruntime's"
        )
        if not (made.tflite.integers_compared_with_litert or made.tflite.integers_compared_with_tflm):
            yield "The file was not run: that takes pip install 'sezoo[litert]', or 'sezoo[tflm]'."
    elif run is None and made.tflite is None and made.application is None:
        was_asked_for = facts.setting("deployment", "emulate") is not False
        why = "no compiler or no emulator was found (sezoo doctor)" if was_asked_for else "deployment.emulate is False"
        yield f"The program was not run: {why}."


def _of_pesq(subject: str, pesq: float, other: str, reference: float, where: str) -> str:
    figures = f"PESQ {pesq:.3f}, {reference:.3f} {where}"
    if abs(reference - pesq) < SAME_PESQ:
        return f"{subject} denoises as well as {other}: {figures}."
    return f"{subject} is {'worse' if pesq < reference else 'better'} than {other}: {figures}."
