"""Compared runs: their names, and the version of each that is compared."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sezoo.report.boards import INT8
from sezoo.results.evaluation_parts import VersionScores
from sezoo.results.run_results import RunFacts

__all__ = ["ComparedRun", "compared_runs", "configuration_differences"]

PATHS = ("general.logs_dir", "general.saved_models_dir", "mlflow.uri")
"""Keys that say nothing of what was done."""

PRESENT = "present"
"""Stands for a section that not all runs have."""

MODEL = "model.onnx_path"
"""The key whose value speaks for itself."""

NUMBERED = re.compile(r"[\d_.\-T]+")
"""Names of folders that are only a number or a time: those of sweeps, and of runs that were given no folder."""

MOST_IN_A_NAME = 3
"""Differences that a run is called by."""


@dataclass(frozen=True)
class ComparedRun:
    """A run with the name that it has among the others."""

    name: str
    facts: RunFacts

    @property
    def version(self) -> VersionScores | None:
        """The compared version: the one closest to a device, or else the last; None if unscored."""
        found = self.facts.evaluation
        return (found.as_deployed() or found.versions[-1]) if found else None

    @property
    def model_bytes(self) -> int | None:
        """Size of the int8 model that the run wrote, or else of the one that it scored."""
        made = self.facts.models.get(INT8)
        return made if made is not None else self.version and self.version.model_bytes

    @property
    def macs_a_second(self) -> float | None:
        """Multiply-accumulates of its network for a second of audio."""
        return self.facts.macs_a_second or (self.version and self.version.macs_a_second)


def compared_runs(runs: Sequence[RunFacts]) -> list[ComparedRun]:
    """Return the runs with names: those of their folders; if these are only numbers, what differs, or the models."""
    return [ComparedRun(name, run) for name, run in zip(_names(runs), runs, strict=True)]


def configuration_differences(runs: Sequence[RunFacts]) -> dict[str, list[str | None]]:
    """The keys whose values differ, each with its value in every run; None where a run does not have the key.

    A section that only some runs have stands for its keys, except those in which these runs differ.
    """
    flat = [dict(_flat(run.config)) for run in runs]
    keys = [key for key in dict.fromkeys(key for each in flat for key in each) if key not in PATHS]
    found: dict[str, list[str | None]] = {}
    for key in keys:
        section, values = key.partition(".")[0], [each.get(key) for each in flat]
        have = [section in run.config for run in runs]
        if not all(have):
            found[section] = [PRESENT if each else None for each in have]
        if len({value for value, each in zip(values, have, strict=True) if each}) > 1:
            found[key] = values
    return found


def _names(runs: Sequence[RunFacts]) -> list[str]:
    if all(NUMBERED.fullmatch(run.name) for run in runs) and (named := _names_by_difference(runs)):
        return named
    by_model = [_model_name(run) if NUMBERED.fullmatch(run.name) else run.name for run in runs]
    if all(by_model) and len(set(by_model)) == len(by_model):
        return by_model
    short = [run.name for run in runs]
    return [
        name if short.count(name) == 1 else f"{run.folder.resolve().parent.name}/{name}"
        for name, run in zip(short, runs, strict=True)
    ]


def _model_name(run: RunFacts) -> str:
    """The name of the run's ONNX model without the ending; empty where it has none."""
    return Path(run.setting(*MODEL.split(".")) or "").stem


def _names_by_difference(runs: Sequence[RunFacts]) -> list[str]:
    """`utcn, calibration_method=MinMax`; nothing where the runs differ in too much, or two of them in nothing."""
    differences = configuration_differences(runs)
    if not 0 < len(differences) <= MOST_IN_A_NAME:
        return []
    last = [key.rpartition(".")[2] for key in differences]
    keys = [short if last.count(short) == 1 else key for short, key in zip(last, differences, strict=True)]
    names = [
        ", ".join(
            Path(value).stem if key == MODEL and value else f"{short}={_short(value)}"
            for key, short, value in zip(differences, keys, values, strict=True)
        )
        for values in zip(*differences.values(), strict=True)
    ]
    return names if len(set(names)) == len(names) else []


def _short(value: str | None) -> str:
    """The value; of a path its last part."""
    return "not set" if value is None else Path(value).name or value


def _flat(tree: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    """Yield dotted keys with their values as text."""
    for key, value in tree.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{before}{key}.")
        else:
            yield f"{before}{key}", _text(value)


def _text(value: Any) -> str:
    """A value as a YAML file has it."""
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_text, value))}]"
    return "(empty)" if value is None else str(value)
