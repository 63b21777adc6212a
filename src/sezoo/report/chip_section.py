"""The section on the chip: look-ahead against receptive field, memory against boards, and the services' tables."""

from __future__ import annotations

from collections.abc import Iterator

from sezoo.base.text import bytes_text
from sezoo.report.blocks import Block, Cell, Heading, Notes, Picture, Pictures, Section, Table
from sezoo.report.boards import BoardFit, board_fits
from sezoo.report.chip_tables import deployment_table, kernel_tables, measurement_tables
from sezoo.report.deployed_sound import deployed_sounds
from sezoo.report.figures import COLOURS, INK, MUTED, drawing, remove_frame
from sezoo.report.formatting import percent_text, ram_parts_text
from sezoo.results.run_record import LOOK_AHEAD, SILENCE_GATE
from sezoo.results.run_results import RunFacts

__all__ = ["chip_section"]


def chip_section(facts: RunFacts, room: float) -> Section | None:
    """Return the section on the model on a microcontroller, or None without results.

    Parameters
    ----------
    room : bytes for the sounds of a deployment.
    """
    blocks = [*_look_ahead(facts), *_silence_gate(facts), *_boards(facts)]
    if facts.benchmark:
        blocks += measurement_tables(facts.benchmark)
    if facts.deployment:
        blocks += deployment_table(facts.deployment)
        blocks += deployed_sounds(facts, room)
    blocks += kernel_tables(facts)
    return Section("chip", "On the chip", blocks) if blocks else None


# -- look-ahead --------------------------------------------------------------------------------------


def _look_ahead(facts: RunFacts) -> Iterator[Block]:
    found = facts.evaluation
    deployed = found and found.in_patches()
    notes = [each.told for each in found.look_ahead] if found else []
    if not notes:
        notes = facts.record.warnings_about(LOOK_AHEAD)
    whole = next((each for each in found.versions if each.play.get("context")), None) if found else None  # or stream
    pictures = []
    if deployed and whole and deployed.play.get("frames"):
        pictures.append(_patch(deployed.play["frames"], deployed.play["lookahead"], *whole.play["context"]))
    if not pictures and not notes:
        return
    yield Heading("Look-ahead against receptive field")
    if pictures:
        yield Pictures(pictures)
    if notes:
        yield Notes([f"{note}." for note in notes])


def _silence_gate(facts: RunFacts) -> Iterator[Block]:
    notes = [each.told for each in facts.evaluation.silence_gate] if facts.evaluation else []
    notes = notes or facts.record.warnings_about(SILENCE_GATE)
    if notes:
        yield Heading("Silence gate")
        yield Notes([f"{note}." for note in notes])


def _patch(frames: int, lookahead: int, before: int, after: int) -> Picture:
    """Return a figure of a call: its input frames, and the context of the masks of its first and last new frame."""
    title = "One inference step, in frames"
    lacks = lookahead < max(before, after)
    caption = (
        f"An inference step sees {frames} new frames with {lookahead} on either side; a mask depends on {before} "
        f"frames before and {after} after it" + (", more than the step has." if lacks else ", which the step has.")
    )
    with drawing("patch", title, caption, width=440, height=150) as made:
        ax = made.axes
        ax.barh(2, lookahead, left=-lookahead, height=0.5, color=MUTED, alpha=0.45)
        ax.barh(2, frames, left=0, height=0.5, color=COLOURS["float"])
        ax.barh(2, lookahead, left=frames, height=0.5, color=MUTED, alpha=0.45)
        for row, frame in ((1, 0), (0, frames - 1)):
            start, stop = frame - before, frame + 1 + after
            inside = (max(start, -lookahead), min(stop, frames + lookahead))
            ax.barh(row, inside[1] - inside[0], left=inside[0], height=0.3, color=COLOURS["good"])
            for low, high in ((start, inside[0]), (inside[1], stop)):
                if high > low:
                    ax.barh(row, high - low, left=low, height=0.3, color=COLOURS["bad"])
            ax.plot(frame + 0.5, row, "o", color=INK, markersize=4)
        ax.set_yticks([2, 1, 0], ["the call", "first mask needs", "last mask needs"])
        ax.set_xlabel("frames; green: in the step, red: not")
        remove_frame(ax, "x")
        made.alt = f"{title}. {caption}"
    return made.picture


# -- memory ------------------------------------------------------------------------------------------


def _boards(facts: RunFacts) -> Iterator[Block]:
    fits = board_fits(facts)
    if not fits:
        return
    timed = any(fit.load for fit in fits)
    asked = {facts.setting("benchmarking", "board"), facts.setting("deployment", "hardware_setup", "board")}
    rows = [
        [
            Cell(
                fit.name, detail=f"{fit.facts.core}, {fit.facts.clock_mhz:g} MHz" + ", asked for" * (fit.name in asked)
            ),
            _fit_cell(fit, timed),
            Cell(percent_text(fit.flash), bar=fit.flash, detail=f"of {bytes_text(fit.facts.flash)}"),
            Cell(percent_text(fit.ram), bar=fit.ram, detail=f"of {bytes_text(fit.facts.ram)}"),
            Cell(percent_text(fit.load), bar=fit.load),
        ]
        for fit in sorted(fits, key=lambda fit: (fit.name not in asked, -fit.facts.clock_mhz))
    ]
    if facts.sizes:
        size = facts.sizes[0]
        program, ram = bytes_text(size.flash), bytes_text(size.ram)
        caption = f"On {size.core}: program and weights {program}, RAM {ram} ({ram_parts_text(size)})"
        if timed:
            caption += (
                ". Time is estimated at one instruction per cycle, from the emulated core with the same instruction set"
            )
    else:
        caption = "Weights of the int8 model only. Run deploy or benchmark for code size and RAM"
    yield Heading("Memory against boards")
    columns = [0, 1, 2, *([3] if facts.sizes else []), *([4] if timed else [])]
    headings, kinds = ["board", "", "flash", "RAM", "time"], "ttbbb"
    yield Table(
        [headings[index] for index in columns],
        "".join(kinds[index] for index in columns),
        [[row[index] for index in columns] for row in rows],
        f"{caption}.",
    )


def _fit_cell(fit: BoardFit, timed: bool) -> Cell:
    if not fit.fits:
        return Cell(f"too much {' and '.join(fit.too_much)}", "bad")
    return Cell("memory fits") if timed and fit.load is None else Cell("fits", "good")
