"""The page of one run: its facts, put into sections, put into the template."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from sezoo.base.files import write_text
from sezoo.base.progress import working
from sezoo.report.blocks import Section, Text
from sezoo.report.chip_section import chip_section
from sezoo.report.deployed_sound import has_deployed_sounds
from sezoo.report.error_section import error_section
from sezoo.report.judgement import judgement
from sezoo.report.live_section import live_section
from sezoo.report.metrics_section import metrics_section
from sezoo.report.players import HOW_TO_LISTEN, listening_players
from sezoo.report.provenance_section import provenance_section
from sezoo.report.rendering import render
from sezoo.report.robustness_section import robustness_section
from sezoo.report.sound import MOST_BYTES
from sezoo.report.training_section import training_section
from sezoo.report.verdict import key_numbers, verdict
from sezoo.results.names import REPORT
from sezoo.results.run_results import RunFacts, read_run, report_bad_results

__all__ = ["LARGEST", "page_of", "report_of"]

LARGEST = 4_900_000
"""Bytes of a page: sounds are shortened until it is smaller."""

FEWEST_BYTES = 200_000
"""Of sounds, below which they are not what makes a page large."""


def report_of(folder: Path) -> Path:
    """Write `report.html` into a run's folder, from the files in it.

    Returns
    -------
    path : of the page.

    Raises
    ------
    UserError : the folder is none of a run, a file of it is torn, or the page cannot be written.
    """
    path = folder / REPORT
    write_text(path, page_of(folder))
    return path


def page_of(folder: Path) -> str:
    """The page of a run as text; errors as for `report_of`."""
    with report_bad_results(folder):
        return _page(read_run(folder))


def _page(facts: RunFacts) -> str:
    room = float(MOST_BYTES)
    while True:
        page = render(
            title=facts.name,
            about=f"{facts.mode.replace('_', ' ')} · {facts.setting('general', 'project_name') or ''}".strip(" ·"),
            when=facts.record.start,
            judgement=judgement(facts),
            verdict=verdict(facts),
            numbers=key_numbers(facts),
            sections=_sections(facts, room),
        )
        if len(page.encode()) <= LARGEST or room < FEWEST_BYTES:
            return page
        room /= 2  # shorter clips


def _sections(facts: RunFacts, room: float) -> Sequence[Section]:
    """The sections that the run has data for, with at most this many bytes of sound, shared evenly."""
    with_sounds = [bool(facts.listened), bool(facts.training and facts.training.sounds), has_deployed_sounds(facts)]
    share = room / max(1, sum(with_sounds))
    made: dict[str, Callable[[], Section | None]] = {
        "listening": lambda: _listening(facts, share),
        "live": lambda: live_section(facts),
        "training": lambda: training_section(facts, share),
        "errors": lambda: error_section(facts),
        "metrics": lambda: metrics_section(facts),
        "robustness": lambda: robustness_section(facts),
        "device": lambda: chip_section(facts, share),
        "provenance": lambda: provenance_section(facts),
    }
    found = []
    for name, make in made.items():
        with working(f"writing the report: {name}", in_log=True):
            found.append(make())
    return [section for section in found if section is not None]


def _listening(facts: RunFacts, room: float) -> Section | None:
    players = listening_players(facts, room)
    if not players:
        return None
    return Section("listening", "Listening", [Text(f"{HOW_TO_LISTEN} Scores are of the whole clip."), *players])
