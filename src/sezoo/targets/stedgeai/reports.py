"""Reading what ST Edge AI reports: `network_c_info.json`, and `network_report.json` of older versions."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sezoo.base.errors import UserError
from sezoo.base.files import display_path, json_error_text, reason_of
from sezoo.targets.stedgeai.facts import Layer, MemoryPool, StEdgeAiResult

__all__ = ["C_INFO", "REPORT", "holds_report", "read_reports", "result_of"]

C_INFO, REPORT = "network_c_info.json", "network_report.json"

DEPTH = 6
"""Of nested objects in which the cloud's answers are looked through for a report."""


def read_reports(folder: Path, obtained: str, tool_version: str | None) -> tuple[StEdgeAiResult, list[Path]]:
    """Read the program's reports in `folder` or below it; return their content and files.

    Where both are there, `network_c_info.json` is used: it has the kernels' memory and the pools.

    Raises
    ------
    UserError : there is none, or one is no report.
    """
    files = [found[0] for name in (C_INFO, REPORT) if (found := sorted(folder.rglob(name)))]
    if not files:
        raise UserError(f"{obtained}: stedgeai wrote neither {C_INFO} nor {REPORT} to {display_path(folder)}")
    documents = [_read(path) for path in files]
    return result_of(documents, " and ".join(path.name for path in files), obtained, tool_version), files


def holds_report(document: object) -> bool:
    """Whether there is a report in an answer, at whatever depth."""
    return any(_is_c_info(part) or _is_report(part) for part in _objects(document))


def result_of(document: object, where: str, obtained: str, tool_version: str | None) -> StEdgeAiResult:
    """Return the content of the reports in a document: a file, a list of them, or an answer of the cloud.

    Parameters
    ----------
    where : the document is from, for messages.

    Raises
    ------
    UserError : no report is in it, or what a report has to say is missing or of the wrong kind.
    """
    parts = list(_objects(document))
    c_info = next((part for part in parts if _is_c_info(part)), None)
    report = next((part for part in parts if _is_report(part)), None)
    if c_info is None and report is None:
        raise UserError(
            f"{where}: found no report of ST Edge AI, which has memory_footprint (or rom_size and ram_size in older "
            "versions); is it from version 2 or later?"
        )
    memory = _memory(_Part(c_info, where)) if c_info is not None else _old_memory(_Part(report, where))
    facts = [_Part(part, where) for part in (c_info, report) if part is not None]
    layers = next((found for part in facts if (found := _layers(part))), ())
    times = [_time(part) for part in (*(graph for part in facts for graph in part.parts("graphs")[:1]), *facts)]
    return StEdgeAiResult(
        obtained=obtained,
        tool_version=tool_version or next((text for part in facts if (text := part.text("tool_version"))), None),
        macs=_macs(facts, layers),
        cycles=next((cycles for cycles, _ in times if cycles is not None), None),
        milliseconds=next((time for _, time in times if time is not None), None),
        layers=layers,
        pools=next((found for part in facts if (found := _pools(part))), ()),
        **memory,
    )


def _read(path: Path) -> object:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"cannot read {display_path(path)}: {reason_of(error)}") from error
    except (ValueError, RecursionError) as error:
        raise UserError(f"{display_path(path)} is no report of ST Edge AI: {json_error_text(error)}") from error


def _objects(document: object, depth: int = DEPTH) -> Iterator[dict[str, Any]]:
    """The object itself, then those in it, the outer ones first."""
    if isinstance(document, dict):
        yield document
    if depth and isinstance(document, dict | list):
        for value in document.values() if isinstance(document, dict) else document:
            yield from _objects(value, depth - 1)


def _is_c_info(part: dict[str, Any]) -> bool:
    return "memory_footprint" in part


def _is_report(part: dict[str, Any]) -> bool:
    return "rom_size" in part and "ram_size" in part


@dataclass(frozen=True)
class _Part:
    """An object of a report, and where it is, for messages."""

    content: dict[str, Any]
    where: str

    def count(self, key: str, *, required: bool = False) -> int | None:
        """A whole number that is not negative; the sum where there is a list of them, as of inputs and outputs."""
        value = self.content.get(key)
        if value is None and not required:
            return None
        values = value if isinstance(value, list) else [value]
        if not all(_is_number(number) and number >= 0 for number in values):
            found = "found nothing" if value is None else f"found {json.dumps(value)[:60]}"
            raise UserError(f"{self.where}: {key}: {found}, it should be a number that is not negative")
        return round(sum(values))

    def text(self, key: str) -> str | None:
        value = self.content.get(key)
        return value if isinstance(value, str) else None

    def part(self, key: str) -> _Part:
        """The object under the key; an empty one where there is none."""
        value = self.content.get(key)
        return _Part(value if isinstance(value, dict) else {}, f"{self.where}: {key}")

    def parts(self, key: str) -> list[_Part]:
        """The objects in the list under the key."""
        value = self.content.get(key)
        items = value if isinstance(value, list) else []
        return [_Part(item, f"{self.where}: {key}[{i}]") for i, item in enumerate(items) if isinstance(item, dict)]


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _memory(c_info: _Part) -> dict[str, int]:
    footprint = c_info.part("memory_footprint")
    weights, activations = (footprint.count(key, required=True) for key in ("weights", "activations"))
    others = {key: footprint.count(key) or 0 for key in ("io", "kernel_flash", "kernel_ram")}
    return {
        "flash_bytes": weights + others["kernel_flash"],
        "ram_bytes": activations + others["io"] + others["kernel_ram"],
        "weights_bytes": weights,
    }


def _old_memory(report: _Part) -> dict[str, int]:
    rom, ram = (report.count(key, required=True) for key in ("rom_size", "ram_size"))
    return {"flash_bytes": rom, "ram_bytes": ram, "weights_bytes": rom}


def _macs(facts: list[_Part], layers: tuple[Layer, ...]) -> int | None:
    counted = [layer.macs for layer in layers if layer.macs is not None]
    if counted:
        return sum(counted)
    return next((macs for part in facts if (macs := part.count("rom_n_macc")) is not None), None)


def _layers(part: _Part) -> tuple[Layer, ...]:
    """The nodes of the first graph, which is the network; only that is compiled."""
    nodes = [node for graph in part.parts("graphs")[:1] for node in graph.parts("nodes")]
    return tuple(
        Layer(node.text("name") or f"node {i}", node.count("macc"), _time(node)[1]) for i, node in enumerate(nodes)
    )


def _time(part: _Part) -> tuple[int | None, float | None]:
    """Cycles and milliseconds. The tool writes 0 or less where nothing was measured."""
    time = part.part("exec_time").content
    cycles, milliseconds = time.get("cycles"), time.get("duration_ms")
    return (
        round(cycles) if _is_number(cycles) and cycles > 0 else None,
        float(milliseconds) if _is_number(milliseconds) and milliseconds > 0 else None,
    )


def _pools(part: _Part) -> tuple[MemoryPool, ...]:
    return tuple(
        MemoryPool(pool.text("name") or f"pool {i}", pool.count("used_size_bytes") or 0, pool.text("rights"))
        for i, pool in enumerate(part.parts("memory_pools"))
    )
