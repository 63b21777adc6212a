"""The section on how a run was made: the commands that repeat it, versions, seeds, data, warnings, and its YAML."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from sezoo.base.text import counted
from sezoo.report.blocks import Block, Cell, Code, Heading, Notes, Section, Table
from sezoo.results.environment import CALL
from sezoo.results.run_results import RunFacts
from sezoo.run.folder import RESOLVED_NAME

__all__ = ["making_section"]

MOST_NAMES = 20


def making_section(facts: RunFacts) -> Section:
    """Every run has it."""
    blocks: list[Block] = [*_commands(facts), *_facts(facts), *_bad_clips(facts)]
    if facts.log.warnings:
        blocks += [Heading("Warnings"), Notes(facts.log.warnings)]
    blocks += [Heading("Configuration"), Code(facts.yaml_text, f"{RESOLVED_NAME}, with all defaults", folded=True)]
    return Section("making", "How it was made", blocks)


def _commands(facts: RunFacts) -> Iterator[Block]:
    name, config = shlex.quote(facts.name), RESOLVED_NAME.removesuffix(".yaml")
    lines = (f"sezoo --config-path {name} --config-name {config}", f"sezoo report {name}")
    yield Heading("Commands")
    yield Code("\n".join(lines), "Reproduce the run, or rebuild this page; run it in the parent folder")


def _facts(facts: RunFacts) -> Iterator[Block]:
    log, seeds = facts.log, []
    for section in ("dataset", "quantization"):
        if (seed := facts.setting(section, "random_seed")) is not None:
            seeds.append(f"{section}.random_seed {seed}")
    found = facts.evaluation
    versions = {name: version for name, version in facts.environment.items() if name not in CALL}
    versions = versions or ({"sezoo": log.version} if log.version else {})
    when = ""
    if log.started is not None and log.seconds is not None:
        when = f"{log.started:%Y-%m-%d %H:%M}, took {_duration(log.seconds)}"
    rows = {
        "mode": facts.mode,
        "run": when,
        **{name: facts.environment.get(name, "") for name in CALL},
        "versions": ", ".join(f"{name} {version}" for name, version in versions.items()),
        "seeds": ", ".join(seeds),
        "trained on": log.trained,
        "calibrated on": log.calibrated,
        "scored": f"{counted(found.clips, 'clip')}, {found.seconds:.0f} s" if found else "",
        "models": ", ".join(facts.models),
    }
    yield Heading("Versions, seeds and data")
    yield Table(["", ""], "tw", [[Cell(name), Cell(value)] for name, value in rows.items() if value])


def _duration(seconds: float) -> str:
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
