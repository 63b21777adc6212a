"""What benchmarking and deployment found on targets, read from `benchmark.json` and `deployment.json`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sezoo.results.names import BENCHMARK, DEPLOYMENT
from sezoo.results.reading import read_json, taken

__all__ = ["BenchmarkFacts", "DeploymentFacts", "KernelFacts", "MeasuredFacts", "Sizes", "read_benchmark",
           "read_deployment"]  # fmt: skip


@dataclass(frozen=True)
class KernelFacts:
    """A layer or an operator, and what it costs in a call; None where it is unknown."""

    name: str
    kind: str = ""
    macs: float | None = None
    instructions: float | None = None
    milliseconds: float | None = None


@dataclass(frozen=True)
class MeasuredFacts:
    """What a call of a model costs on a target; bytes, milliseconds; None where it is unknown."""

    target: str
    model: str = ""
    what: str = ""
    macs: float | None = None
    parameters: int | None = None
    flash: int | None = None
    ram: int | None = None
    arena: int | None = None
    stack: int | None = None
    milliseconds: float | None = None
    instructions: float | None = None
    audio_seconds: float | None = None
    is_estimate: bool = False
    clock_mhz: float | None = None
    how: str = ""
    real_time_factor: float | None = None
    layers: Sequence[KernelFacts] = ()


@dataclass(frozen=True)
class BenchmarkFacts:
    """The board that was asked for, and the measurements."""

    board: str
    measurements: Sequence[MeasuredFacts]


@dataclass(frozen=True)
class DeploymentFacts:
    """What a deployment made. Of the portable C package all of it; of ST's tools what its file has.

    Attributes
    ----------
    core, kernels, compiler : of the emulated run; empty where nothing was run.
    operators : with instructions of a call.
    others : what else the file says: numbers and words by key.
    """

    model: str = ""
    engine: str = ""
    frames_per_call: int | None = None
    latency_samples: int | None = None
    arena_bytes: int | None = None
    state_bytes: int | None = None
    macs_per_call: float | None = None
    parameters: int | None = None
    differing_share: float | None = None
    recording: str = ""
    pesq_reference: float | None = None
    pesq_core: float | None = None
    core: str = ""
    kernels: str = ""
    compiler: str = ""
    flash_bytes: int | None = None
    ram_bytes: int | None = None
    stack_bytes: int | None = None
    instructions_per_call: float | None = None
    wave_snr_db: float | None = None
    waves_are_equal: bool = False
    operators: Sequence[KernelFacts] = ()
    others: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Sizes:
    """What a program with the model takes on a core, and what it runs: bytes, instructions a second of audio."""

    core: str
    flash: int
    ram: int
    instructions_a_second: float | None


def read_benchmark(folder: Path) -> BenchmarkFacts | None:
    """The benchmark of a run's folder; None where there is none."""
    content = read_json(folder / BENCHMARK)
    if content is None:
        return None
    measurements = [
        taken(MeasuredFacts, {**each, "layers": [taken(KernelFacts, layer) for layer in each.get("layers", ())]})
        for each in content.get("measurements", ())
    ]
    return BenchmarkFacts(content.get("board", {}).get("name", ""), measurements)


def read_deployment(folder: Path) -> DeploymentFacts | None:
    """The deployment of a run's folder; None where there is none."""
    content = read_json(folder / DEPLOYMENT)
    if content is None:
        return None
    run, pesq = content.pop("emulated", None) or {}, content.pop("pesq", None) or {}
    operators = [
        KernelFacts(each["name"], each.get("kind", ""), instructions=each.get("instructions_per_call"))
        for each in run.pop("operators", ())
    ]
    if (spectra := run.get("instructions_of_spectra_per_call")) is not None:
        operators.insert(0, KernelFacts("spectra", "STFT", instructions=spectra))
    agreement = content.pop("onnxruntime", None) or {}
    flat = {**content, **run, "operators": operators, "differing_share": agreement.get("differing_share")}
    flat |= {"pesq_reference": pesq.get("reference"), "pesq_core": pesq.get("core")}
    known = DeploymentFacts.__dataclass_fields__
    plain = {key: value for key, value in content.items() if key not in known and isinstance(value, str | int | float)}
    return taken(DeploymentFacts, {**flat, "others": plain})
