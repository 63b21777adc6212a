"""The section on training: curves over the epochs, the best epoch, and examples to listen to."""

from __future__ import annotations

import math
from collections.abc import Iterator

from sezoo.report.blocks import Block, Heading, Picture, Pictures, Section, Text
from sezoo.report.figures import COLOURS, drawing, remove_frame
from sezoo.report.players import HOW_TO_LISTEN, read_sounds, sound_player, stft_of_run
from sezoo.report.provenance_section import data_text
from sezoo.report.sound import seconds_that_fit
from sezoo.results.run_results import RunFacts
from sezoo.results.training import LABELS, TrainingHistory

__all__ = ["training_section"]

MARKED = 25
"""Epochs up to which each has a dot."""


def training_section(facts: RunFacts, room: float) -> Section | None:
    """Return the section on a training, or None without one.

    Parameters
    ----------
    room : bytes for its sounds.
    """
    found = facts.training
    if found is None:
        return None
    best = (
        f", the best by {LABELS.get(found.metric, found.metric)} is {found.best_epoch} (vertical line)"
        if found.best_epoch
        else ""
    )
    blocks: list[Block] = [
        Text(f"{found.epochs_text}{best}. {_of_what(facts)}"),
        Pictures(list(_curves(found))),
        *_examples(facts, found, room),
    ]
    return Section("training", "Training", blocks)


def _of_what(facts: RunFacts) -> str:
    settings = facts.setting("training") or {}
    labels = {"optimizer": "optimizer", "loss": "loss", "lr_schedule": "learning rate", "batch_size": "batches of"}
    words = ", ".join(f"{name} {settings[key]}" for key, name in labels.items() if key in settings)
    examples = data_text(facts.record, "training")
    data = f"; {examples}" if examples else ""
    seconds = facts.training and facts.training.summary and facts.training.summary.seconds_an_epoch
    time = f"; {seconds:.3g} s an epoch" if seconds else ""
    return f"{words[:1].upper()}{words[1:]}{data}{time}." if words else ""


def _curves(found: TrainingHistory) -> Iterator[Picture]:
    for name, values in found.columns.items():
        known = [(value, epoch) for value, epoch in zip(values, found.epochs, strict=True) if value is not None]
        if not known or (name == "val_loss" and "train_loss" in found.columns):  # drawn with that of the training
            continue
        title = LABELS.get(name, name)
        noisy = found.noisy.get(name)
        line = " (dashed line)" if name == "pesq" else ""
        caption = "" if noisy is None else f"noisy: {noisy:.4g}{line}"
        validated = found.columns.get("val_loss", []) if name == "train_loss" else []
        if any(value is not None for value in validated):
            caption = "dashed line: validation"
        with drawing(f"curve-{name}", title, caption, width=244, height=165) as made:
            ax = made.axes
            marker = "o" if len(found.epochs) <= MARKED else None
            shown = [math.nan if value is None else value for value in values]
            ax.plot(found.epochs, shown, color=COLOURS["float"], linewidth=1.4, marker=marker, markersize=3)
            if caption and validated:
                shown = [math.nan if value is None else value for value in validated]
                ax.plot(
                    found.epochs,
                    shown,
                    color=COLOURS["stream"],
                    linewidth=1.4,
                    linestyle="--",
                    marker=marker,
                    markersize=3,
                )
            if name == "pesq" and noisy is not None:  # what it has to beat
                ax.axhline(noisy, color=COLOURS["noisy"], linewidth=1, linestyle="--")
            if found.best_epoch is not None:
                ax.axvline(found.best_epoch, color=COLOURS["int8"], linewidth=1)
            ax.set_xlabel("epoch")
            ax.xaxis.get_major_locator().set_params(integer=True)
            remove_frame(ax)
            (first, _), (last, _) = known[0], known[-1]
            made.alt = f"{title} over the epochs: from {first:.4g} to {last:.4g}."
        yield made.picture


def _examples(facts: RunFacts, found: TrainingHistory, room: float) -> Iterator[Block]:
    if not found.sounds:
        return
    yield Heading("Examples to listen to")
    if not facts.listened:
        yield Text(HOW_TO_LISTEN)
    examples = [
        (each.name, read_sounds((path, name, name, "") for name, path in each.files.items())) for each in found.sounds
    ]
    # FLAC takes about half of what WAV takes.
    lengths = {name: (len(sounds[0].waveform) / sounds[0].rate, sum(sound.bytes for sound in sounds) // 2)
               for name, sounds in examples}  # fmt: skip
    longest = seconds_that_fit(lengths, room)
    for index, (name, sounds) in enumerate(examples, 1):
        yield sound_player(f"example-{index}", name, "", sounds, stft_of_run(facts), longest)
