"""The section for one's own voice and recordings: the live page of the run's model, or the command that writes it."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path

from sezoo.report.blocks import Block, Cell, Code, Section, Table, Text
from sezoo.results.run_results import RunFacts

__all__ = ["live_section"]

MODEL, PAGE = "quantized_model_int8_static.onnx", "live.html"
TARGETS = (None, "cortex-m", "generic")
"""Whose models the C package runs."""

OPTIONS = {"sample_rate": ("--sample-rate", 16000), "hop_length": ("--hop", 160), "win_length": ("--win", 400)}
"""Of the spectrum, and what the command takes without them."""

WHAT = (
    "A page in which the model's C code denoises your microphone or a recording that you open, beside the noisy sound; "
    "no board is needed"
)


def live_section(facts: RunFacts) -> Section | None:
    """None where the run made no model that such a page could run."""
    is_possible = (
        MODEL in facts.models
        and facts.setting("quantization", "target") in TARGETS
        and facts.setting("preprocessing", "power") in (None, 1)
        and not Path(_models_folder(facts)).is_absolute()
    )
    return Section("live", "Your own recording", list(_blocks(facts))) if is_possible else None


def _blocks(facts: RunFacts) -> Iterator[Block]:
    if (facts.folder / PAGE).is_file():
        yield Table(["", ""], "tw", [[Cell("open", href=PAGE), Cell(f"{WHAT}.")]])
        return
    yield Text(f"{WHAT}. This command writes it.")
    words = ["sezoo", "live", f"{facts.name}/{_models_folder(facts)}/{MODEL}", "-o", f"{facts.name}/{PAGE}"]
    words += _spectrum(facts)
    yield Code(
        shlex.join(words), f"Run it in the parent folder; sezoo report {shlex.quote(facts.name)} adds a link here"
    )


def _spectrum(facts: RunFacts) -> Iterator[str]:
    for key, (option, usual) in OPTIONS.items():
        value = facts.setting("preprocessing", key)
        if value not in (None, usual):
            yield from (option, str(value))
    for key in ("window", "synthesis_window"):
        value = facts.setting("preprocessing", key)
        if isinstance(value, str) and value != "hann":
            yield f"preprocessing.{key}={value}"


def _models_folder(facts: RunFacts) -> str:
    return str(facts.setting("general", "saved_models_dir") or "saved_models")
