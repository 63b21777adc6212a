"""The section on where the error is: steps of accuracy recovery, activations, weights, bins, and single layers."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence

import numpy as np

from sezoo.base.text import bytes_text, count_text
from sezoo.report.blocks import Block, Cell, Heading, Notes, Picture, Pictures, Section, Table, Text
from sezoo.report.figures import COLOURS, drawing, legend, remove_frame
from sezoo.report.formatting import MINUS, db_text, format_signed, percent_text, range_text
from sezoo.report.players import clip_masks, stft_of_run
from sezoo.report.ranges import range_drawing
from sezoo.results.quantization import LayerReport, Tensor
from sezoo.results.run_results import RunFacts

__all__ = ["error_section"]

AT_ONCE = 16
"""Rows of a table that are seen at first; with more, the worst are, and the others are folded."""


def error_section(facts: RunFacts) -> Section | None:
    """Return the section on quantization errors, or None if nothing was quantized and no masks can be compared."""
    found, blocks = facts.quantization, []
    if found:
        blocks += _steps(found)
        blocks += _advice(found)
    pictures = [*(_along(found) if found else ()), *_by_bin(facts)]
    if pictures:
        blocks.append(Pictures(pictures))
    if found:
        blocks += _activations(found.tensors)
        blocks += _weights(found)
        blocks += _sensitivity(found)
    return Section("error", "Where the error is", blocks) if blocks else None


def _steps(found: LayerReport) -> Iterator[Block]:
    known = [value for step in found.steps for value in (step.before, step.after) if value is not None]
    if not known:
        return
    low, high = min(known) - 3, max(known)
    rows = []
    for step in found.steps:
        gain = None if None in (step.before, step.after) else step.after - step.before
        tone = "" if step.kept else "quiet"
        shares = [None if value is None else (value - low) / (high - low) for value in (step.after, step.before)]
        rows.append(
            [
                Cell(step.name, tone),
                Cell(step.does, tone),
                Cell(db_text(step.after), tone, bar=shares[0], mark=shares[1]),
                Cell("" if gain is None else format_signed(gain, "{:.1f}"), tone),
                Cell("kept" if step.kept else "not kept", tone),
            ]
        )
    yield Heading("Steps of accuracy recovery")
    yield Table(
        ["step", "what it does", "fidelity, dB", "gain, dB", ""],
        "twbnt",
        rows,
        "Fidelity: SI-SNR of the denoised int8 output to the float model's (higher is closer). The line on a bar marks "
        "the value before the step.",
    )


def _advice(found: LayerReport) -> Iterator[Block]:
    if not found.worst:
        return
    yield Heading("Largest rounding errors, and what would help")
    rows = [
        [Cell(("weights of " if each.what == "weights" else "") + each.name), Cell(each.made_by),
         Cell(db_text(each.sqnr)), Cell(each.advice)]
        for each in found.worst
    ]  # fmt: skip
    yield Table(["tensor", "made by", "SQNR, dB", "advice"], "ctnw", rows)
    if found.convergence:
        sentence = found.convergence.sentence
        yield Notes([f"{sentence[0].upper()}{sentence[1:]}."])


def _along(found: LayerReport) -> Iterator[Picture]:
    """SQNR from the input to the mask."""
    known = [tensor for tensor in found.tensors if tensor.sqnr is not None or tensor.accumulated_sqnr is not None]
    if len(known) < 2:
        return
    title = "SQNR from the input to the mask"
    with drawing("along", title, "Each activation in the order of the graph.", width=440) as made:
        ax = made.axes
        for values, colour, label in (
            ([tensor.sqnr for tensor in known], COLOURS["float"], "own rounding"),
            ([tensor.accumulated_sqnr for tensor in known], COLOURS["int8"], "accumulated"),
        ):
            places = [(place, value) for place, value in enumerate(values, 1) if value is not None]
            ax.plot(*zip(*places, strict=True), color=colour, linewidth=1.4, marker="o", markersize=3.5, label=label)
        ax.set_xlabel("activation")
        ax.set_ylabel("dB")
        remove_frame(ax)
        legend(ax)
        last = next(
            (tensor.accumulated_sqnr for tensor in reversed(known) if tensor.accumulated_sqnr is not None), None
        )
        worst = min(
            (tensor for tensor in known if tensor.sqnr is not None), key=lambda tensor: tensor.sqnr, default=None
        )
        notes = [] if worst is None else [f"the lowest own value is that of {worst.name} with {worst.sqnr:.1f} dB"]
        notes += [] if last is None else [f"the last accumulated value is {last:.1f} dB"]
        made.alt = f"{title}, for {len(known)} activations: {', '.join(notes)}."
    yield made.picture


def _by_bin(facts: RunFacts) -> Iterator[Picture]:
    """The mask's error by frequency, over the clips that were kept."""
    sums, frames, names = None, 0, ()
    for clip in facts.listened:
        masks = clip_masks(facts, clip, level=logging.DEBUG)  # the clip's player has warned of it
        if len(masks) < 2:
            continue
        (first, exact), (second, rounded) = list(masks.items())[:2]
        names = (second, first)
        squares = np.square(rounded - exact).sum(axis=1)
        sums, frames = squares if sums is None else sums + squares, frames + exact.shape[1]
    if sums is None:
        return
    rms = np.sqrt(sums / frames)
    stft = stft_of_run(facts)
    khz = np.arange(len(rms)) * (facts.setting("preprocessing", "sample_rate") or 16000) / stft.n_fft / 1000
    title = "Error of the mask by frequency"
    with drawing("bins", title, "RMS over the clips to listen to.") as made:
        ax = made.axes
        ax.fill_between(khz, rms, color=COLOURS["int8"], alpha=0.25, linewidth=0)
        ax.plot(khz, rms, color=COLOURS["int8"], linewidth=1.2)
        ax.set_xlabel("kHz")
        ax.set_ylabel(f"RMS of {names[0]} {MINUS} {names[1]}")
        ax.set_ylim(bottom=0)
        ax.margins(x=0)
        remove_frame(ax)
        made.alt = f"{title}: the largest is {rms.max():.4f} at {khz[rms.argmax()]:.1f} kHz, the mean {rms.mean():.4f}."
    yield made.picture


def _activations(tensors: Sequence[Tensor]) -> Iterator[Block]:
    if not tensors:
        return
    best = max((tensor.sqnr for tensor in tensors if tensor.sqnr is not None), default=1) or 1

    def row(tensor: Tensor) -> list[Cell]:
        bar = None if tensor.sqnr is None else max(0.0, tensor.sqnr / best)
        used, seen = range_text(tensor.low, tensor.high), range_text(tensor.seen_low, tensor.seen_high)
        return [
            Cell(tensor.name, detail=" ".join(filter(None, (tensor.op_type, tensor.dtype)))),
            Cell(f"range used {used or 'float'}, seen {seen}", svg=range_drawing(tensor)),
            Cell(used, detail=f"seen {seen}" if seen else ""),
            Cell(percent_text(tensor.saturated)),
            Cell(db_text(tensor.sqnr), bar=bar),
            Cell(db_text(tensor.accumulated_sqnr)),
        ]

    headings = ["activation", "range", "low to high", "saturated", "SQNR, dB", "accumulated, dB"]
    has_histograms = any(tensor.histogram for tensor in tensors)
    caption = "Bar: range of the quantizer; thin line: values seen" + (
        "; curve: histogram (logarithmic)." if has_histograms else "."
    )
    yield Heading("Activations: ranges and rounding errors")
    if len(tensors) <= AT_ONCE:
        yield Table(headings, "ctnnbn", [row(tensor) for tensor in tensors], caption)
        return
    worst = sorted((tensor for tensor in tensors if tensor.sqnr is not None), key=lambda tensor: tensor.sqnr)[:8]
    yield Table(headings, "ctnnbn", [row(tensor) for tensor in worst], f"The {len(worst)} worst. {caption}")
    rows = [row(tensor) for tensor in tensors]
    yield Table(headings, "ctnnbn", rows, f"All {len(tensors)}, in the order of the graph", folded=True)


def _weights(found: LayerReport) -> Iterator[Block]:
    if not found.layers:
        return
    shares = ", ".join(f"{percent_text(share)} in {name}" for name, share in found.macs_shares.items())
    yield Heading("Layers: weights and multiply-accumulates")
    if shares:
        yield Text(f"Of the multiply-accumulates {shares}.")
    largest = max((layer.macs_share or 0 for layer in found.layers), default=0) or 1
    rows = [
        [
            Cell(layer.name, detail=layer.op_type),
            Cell(layer.precision),
            Cell(db_text(layer.weight_sqnr), detail="refitted" if layer.fitted else ""),
            Cell(bytes_text(layer.weight_bytes) if layer.weight_bytes else ""),
            Cell(
                count_text(layer.macs) if layer.macs is not None else "",
                bar=None if layer.macs_share is None else layer.macs_share / largest,
            ),
            Cell(percent_text(layer.macs_share)),
        ]
        for layer in found.layers
    ]
    headings = ["layer", "precision", "SQNR of the weights, dB", "weights", "MAC a frame", "share"]
    caption = f"All {len(rows)} layers, in the order of the graph"
    if any(layer.fitted for layer in found.layers):
        caption += "; refitted weights differ from the float model's on purpose"
    yield Table(headings, "ctnnbn", rows, caption, folded=len(rows) > AT_ONCE // 2)


def _sensitivity(found: LayerReport) -> Iterator[Block]:
    losses = [loss for loss in found.sensitivity if loss.closeness is not None]
    if not losses:
        return
    highest = max(loss.closeness for loss in losses)
    lowest = min(loss.closeness for loss in losses) - 3

    def row(loss) -> list[Cell]:
        several = f"all {loss.nodes} {loss.op_type}" if loss.nodes > 1 else loss.op_type
        is_layer = loss.name != loss.op_type
        share = (loss.closeness - lowest) / (highest - lowest)
        return [Cell(loss.name if is_layer else several), Cell(loss.op_type), Cell(db_text(loss.closeness), bar=share)]

    yield Heading("Sensitivity: one layer quantized at a time")
    caption = "Fidelity of the denoised output; a shorter bar is a larger loss"
    yield Table(["layer", "", "fidelity, dB"], "ctb", [row(loss) for loss in losses[:AT_ONCE]], f"{caption}.")
    if len(losses) > AT_ONCE:
        rest = [row(loss) for loss in losses[AT_ONCE:]]
        yield Table(["layer", "", "fidelity, dB"], "ctb", rest, f"The other {len(rest)}", folded=True)
