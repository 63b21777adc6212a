"""The section on how a run was made: the commands that repeat it, versions, seeds, data, warnings, and its YAML."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from sezoo.base.text import pluralize
from sezoo.report.blocks import Block, Cell, Code, Heading, Notes, Section, Table
from sezoo.report.formatting import join_words
from sezoo.results.environment import CALL
from sezoo.results.run_record import RunRecord
from sezoo.results.run_results import RunFacts
from sezoo.run.folder import RESOLVED_NAME

__all__ = ["data_text", "duration_text", "provenance_section"]

MOST_NAMES = 20

RECORDED = {"training_speech": "speech", "training_noise": "noise", "training_pairs": "pairs"}
"""What a training's examples are made of, by its name in the run's record."""


def provenance_section(facts: RunFacts) -> Section:
    """Every run has it."""
    blocks: list[Block] = [*_commands(facts), *_facts(facts), *_bad_clips(facts)]
    if warnings := [warning.text for warning in facts.record.warnings]:
        blocks += [Heading("Warnings"), Notes(warnings)]
    blocks += [Heading("Configuration"), Code(facts.yaml_text, f"{RESOLVED_NAME}, with all defaults", folded=True)]
    return Section("making", "How it was made", blocks)


def _commands(facts: RunFacts) -> Iterator[Block]:
    name, config = shlex.quote(facts.name), RESOLVED_NAME.removesuffix(".yaml")
    lines = (f"sezoo --config-path {name} --config-name {config}", f"sezoo report {name}")
    yield Heading("Commands")
    yield Code("\n".join(lines), "Reproduce the run, or rebuild this page; run it in the parent folder")


def _facts(facts: RunFacts) -> Iterator[Block]:
    record, seeds = facts.record, []
    for section in ("dataset", "quantization"):
        if (seed := facts.setting(section, "random_seed")) is not None:
            seeds.append(f"{section}.random_seed {seed}")
    found = facts.evaluation
    versions = {name: version for name, version in facts.environment.items() if name not in CALL}
    versions = versions or ({"sezoo": record.version} if record.version else {})
    when = "" if record.start is None else f"{record.start:%Y-%m-%d %H:%M}"
    if record.seconds is not None:
        when += f", took {duration_text(record.seconds)}"
    rows = {
        "mode": facts.mode,
        "run": when,
        **{name: facts.environment.get(name, "") for name in CALL},
        "versions": ", ".join(f"{name} {version}" for name, version in versions.items()),
        "seeds": ", ".join(seeds),
        "trained on": data_text(record, "training"),
        "calibrated on": data_text(record, "calibration"),
        "scored": f"{pluralize(found.clips, 'clip')}, {found.seconds:.0f} s" if found else "",
        "models": ", ".join(facts.models),
    }
    yield Heading("Versions, seeds and data")
    yield Table(["", ""], "tw", [[Cell(name), Cell(value)] for name, value in rows.items() if value])


def data_text(record: RunRecord, what: str) -> str:
    """Return the amount of clips that a service used: `28 clips, 82 s`; empty where it has used none."""
    count = record.clips.get(what)
    if count is None:
        return ""
    if what == "training" and (held_out := record.clips.get("validation")):
        counts = f"{count.clips} to train on, {held_out.clips} to validate on"
        recorded = join_words([f"{duration_text(found.seconds)} of {kind}" for key, kind in RECORDED.items()
                           if (found := record.clips.get(key)) and found.seconds])  # fmt: skip
        return counts + (f", from {recorded}" if recorded else "")
    return pluralize(count.clips, "clip") + ("" if count.seconds is None else f", {count.seconds:.0f} s")


def duration_text(seconds: float) -> str:
    """`42 s`, `12 min`, `9.4 h`."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def _bad_clips(facts: RunFacts) -> Iterator[Block]:
    left_out = facts.evaluation.left_out if facts.evaluation else {}
    if not left_out:
        return
    yield Heading("Bad clips")
    notes = [f"{name}: {reason}" for name, reason in list(left_out.items())[:MOST_NAMES]]
    if len(left_out) > MOST_NAMES:
        notes.append(f"and {len(left_out) - MOST_NAMES} more, in evaluation.json")
    yield Notes(notes)
