"""What a benchmark found: a measurement for each model and target, and whether it fits the board; as JSON too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from sezoo.base.files import tell_replaced, write_json
from sezoo.targets.boards import BOARDS, BoardFacts

__all__ = [
    "BENCHMARK",
    "PATCH",
    "STREAM",
    "WHOLE_CLIP",
    "Benchmark",
    "Fit",
    "LayerCost",
    "Measurement",
    "write_benchmark",
]

BENCHMARK = "benchmark.json"

PATCH, WHOLE_CLIP, STREAM = "patch", "whole clip", "stream"
"""What a call of the model is."""


@dataclass(frozen=True)
class LayerCost:
    """What one layer costs in a call; None where it is unknown.

    Attributes
    ----------
    kind : operator: Conv, MatMul ...
    macs : multiply-accumulates.
    flash : bytes of its weights.
    """

    name: str
    kind: str
    macs: int | None = None
    instructions: int | None = None
    milliseconds: float | None = None
    flash: int | None = None


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """What a call of a model costs on a target; None where it is unknown.

    Attributes
    ----------
    target : as the configuration calls it: host, cortex-m55, stedgeai ...
    model : float or int8.
    what : a patch, a whole clip, or a call of a stream.
    macs : multiply-accumulates of a call.
    parameters : of the model.
    flash : bytes of program and weights.
    ram : bytes of all that is written to, `arena` (the activations) and `stack` among it.
    milliseconds : of a call: the median where there were several.
    instructions : of a call.
    audio_seconds : of new audio that a call is for.
    is_estimate : the time was not measured on the target; `clock_mhz` is what it is estimated for.
    threads : that computed.
    how : in one sentence.
    layers : in the model's order.
    """

    target: str
    model: str
    what: str
    macs: int | None = None
    parameters: int | None = None
    flash: int | None = None
    ram: int | None = None
    arena: int | None = None
    stack: int | None = None
    milliseconds: float | None = None
    p95_milliseconds: float | None = None
    instructions: int | None = None
    audio_seconds: float | None = None
    is_estimate: bool = False
    clock_mhz: float | None = None
    threads: int | None = None
    how: str = ""
    layers: tuple[LayerCost, ...] = ()

    @property
    def name(self) -> str:
        """For people: `int8, patch on cortex-m55`."""
        return f"{self.model}, {self.what} on {self.target}"

    @property
    def real_time_factor(self) -> float | None:
        """Seconds of computing for a second of audio: below 1 it keeps up, lower is better."""
        if self.milliseconds is None or not self.audio_seconds:
            return None
        return self.milliseconds / 1000 / self.audio_seconds


@dataclass(frozen=True)
class Fit:
    """Whether a measured model fits into the board's memory; None where its size is unknown.

    Attributes
    ----------
    measurement : its name.
    flash_share, ram_share : of the board's, 1 is all of it.
    """

    measurement: str
    flash_share: float | None
    ram_share: float | None

    @property
    def fits(self) -> bool | None:
        """Whether all that is known fits; None where nothing is."""
        shares = [share for share in (self.flash_share, self.ram_share) if share is not None]
        return all(share <= 1 for share in shares) if shares else None

    @property
    def too_large(self) -> tuple[str, ...]:
        """The memories that it does not fit into."""
        shares = {"flash": self.flash_share, "RAM": self.ram_share}
        return tuple(memory for memory, share in shares.items() if share is not None and share > 1)


@dataclass(frozen=True)
class Benchmark:
    """All measurements, and the board that they are held against.

    Parameters
    ----------
    board : its name, one of `sezoo.targets.boards.BOARDS`.
    """

    board: str
    measurements: tuple[Measurement, ...]

    @property
    def facts(self) -> BoardFacts:
        """Of the board."""
        return BOARDS[self.board]

    def fit(self, measurement: Measurement) -> Fit:
        """How much of the board's memory one of the measured models takes."""
        shares = (
            None if size is None else size / whole
            for size, whole in ((measurement.flash, self.facts.flash), (measurement.ram, self.facts.ram))
        )
        return Fit(measurement.name, *shares)

    @property
    def fits(self) -> tuple[Fit, ...]:
        """Of those measurements that know how large they are."""
        fits = (self.fit(measurement) for measurement in self.measurements)
        return tuple(fit for fit in fits if fit.fits is not None)


def write_benchmark(benchmark: Benchmark, folder: Path) -> Path:
    """Write `benchmark.json`, and give its path."""
    content = {
        "board": {"name": benchmark.board, **asdict(benchmark.facts)},
        "measurements": [_measurement(measurement) for measurement in benchmark.measurements],
        "fits": [_fit(fit) for fit in benchmark.fits],
    }
    path = folder / BENCHMARK
    tell_replaced(path)
    write_json(path, content)
    return path


def _measurement(measurement: Measurement) -> dict[str, object]:
    facts = asdict(measurement)
    layers: Sequence[dict[str, object]] = facts.pop("layers")
    return {**facts, "real_time_factor": measurement.real_time_factor, "layers": list(layers)}


def _fit(fit: Fit) -> dict[str, object]:
    return {**asdict(fit), "fits": fit.fits, "too_large": list(fit.too_large)}
