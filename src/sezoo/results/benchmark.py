"""Results of a benchmark, `benchmark.json`: a measurement for each model and target, and whether it fits the board."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator, PlainSerializer, computed_field

from sezoo.base.text import pluralize
from sezoo.config.boards import BOARDS, BoardFacts
from sezoo.config.npus import NPUS
from sezoo.results.names import BENCHMARK
from sezoo.results.result_file import ResultFile
from sezoo.results.tables import Row, Table

__all__ = [
    "PATCH",
    "STREAM",
    "WHOLE_CLIP",
    "Benchmark",
    "Fit",
    "LayerCost",
    "LeftToCpu",
    "Measurement",
]

PATCH, WHOLE_CLIP, STREAM = "patch", "whole clip", "stream"
"""What a call of the model is."""

CLOCKS = (160, 400, 800)
"""MHz of microcontrollers from small to large, for which shares of a core are estimated."""


@dataclass(frozen=True)
class LayerCost:
    """Cost of a layer in a call; None if unknown.

    Attributes
    ----------
    kind : operator: Conv, MatMul ...
    macs : multiply-accumulates.
    flash : bytes of its weights.
    """

    name: str
    kind: str = ""
    macs: int | float | None = None
    instructions: int | float | None = None
    milliseconds: float | None = None
    flash: int | None = None


@dataclass(frozen=True)
class LeftToCpu:
    """An operator that an NPU leaves to the processor.

    Attributes
    ----------
    name : in the ONNX model.
    remedy : what would put it onto the NPU.
    """

    name: str
    kind: str = ""
    remedy: str = ""


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """Cost of a model's call on a target; None if unknown.

    Attributes
    ----------
    target : as the configuration calls it: host, cortex-m55, stedgeai ...
    model : float or int8.
    what : a patch, a whole clip, or a call of a stream.
    macs : multiply-accumulates of a call.
    parameters : of the model.
    flash : bytes of program and weights.
    ram : bytes of all that is written to: `arena` (working memory of a call), `state` (kept from call to call),
        `stack`, and buffers; on an NPU the SRAM of the network's tensors alone.
    milliseconds : of a call: the median where there were several.
    worst_instructions : of the longest of all calls.
    instructions : of a call, on average.
    cycles : of an NPU for a call.
    audio_seconds : of new audio that a call is for.
    latency_ms : from the arrival of a sample to its output, the time to compute not counted; None of whole clips.
    is_estimate : the time was not measured on the target; `clock_mhz` is what it is estimated for.
    threads : that computed.
    how : it was measured, in one sentence.
    layers : in the model's order.
    left_to_cpu : operators that an NPU does not compute.
    """

    target: str
    model: str
    what: str
    macs: int | float | None = None
    parameters: int | None = None
    flash: int | None = None
    ram: int | None = None
    arena: int | None = None
    state: int | None = None
    stack: int | None = None
    milliseconds: float | None = None
    p95_milliseconds: float | None = None
    instructions: int | float | None = None
    worst_instructions: int | float | None = None
    cycles: int | None = None
    audio_seconds: float | None = None
    latency_ms: float | None = None
    is_estimate: bool = False
    clock_mhz: float | None = None
    threads: int | None = None
    how: str = ""
    layers: tuple[LayerCost, ...] = ()
    left_to_cpu: tuple[LeftToCpu, ...] = ()

    @property
    def name(self) -> str:
        """Display name: `int8, patch on cortex-m55`."""
        return f"{self.model}, {self.what} on {self.target}"

    @computed_field
    @property
    def real_time_factor(self) -> float | None:
        """Seconds of computing for a second of audio: below 1 it keeps up, lower is better."""
        if self.milliseconds is None or not self.audio_seconds:
            return None
        return self.milliseconds / 1000 / self.audio_seconds

    @computed_field
    @property
    def core_shares(self) -> dict[str, float] | None:
        """Share of one core that calls take on average, by its clock in MHz: an estimate, an instruction a cycle."""
        if self.instructions is None or not self.audio_seconds:
            return None
        return {str(clock): self.instructions / (clock * 1e6 * self.audio_seconds) for clock in CLOCKS}

    @computed_field
    @property
    def lowest_clock_mhz(self) -> float | None:
        """Lowest clock in MHz for real time in the longest call, estimated at one instruction per cycle."""
        if self.worst_instructions is None or not self.audio_seconds:
            return None
        return self.worst_instructions / (1e6 * self.audio_seconds)


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

    @computed_field
    @property
    def fits(self) -> bool | None:
        """Whether all that is known fits; None where nothing is."""
        shares = [share for share in (self.flash_share, self.ram_share) if share is not None]
        return all(share <= 1 for share in shares) if shares else None

    @computed_field
    @property
    def too_large(self) -> tuple[str, ...]:
        """The memories that it does not fit into."""
        shares = {"flash": self.flash_share, "RAM": self.ram_share}
        return tuple(memory for memory, share in shares.items() if share is not None and share > 1)


def _name_of_board(content: Any) -> Any:
    return content.get("name") if isinstance(content, dict) else content


def _board(name: str) -> dict[str, str | float]:
    return {"name": name, **(asdict(BOARDS[name]) if name in BOARDS else {})}


@dataclass(frozen=True, repr=False)
class Benchmark(ResultFile, Table):
    """All measurements, and the board that they are held against.

    Attributes
    ----------
    board : its name, one of `sezoo.config.boards.BOARDS`; in the file with its facts.
    measurements : in the order of the targets.
    """

    file_name: ClassVar[str] = BENCHMARK

    board: Annotated[
        str, BeforeValidator(_name_of_board), PlainSerializer(_board, return_type=dict[str, str | int | float])
    ]
    measurements: tuple[Measurement, ...]

    @property
    def facts(self) -> BoardFacts:
        """Properties of the board."""
        return BOARDS[self.board]

    def fit(self, measurement: Measurement) -> Fit:
        """Return the shares of the board's memory that a measured model takes; unknown for NPUs, which boards lack."""
        if measurement.target in NPUS:
            return Fit(measurement.name, None, None)
        shares = (
            None if size is None else size / whole
            for size, whole in ((measurement.flash, self.facts.flash), (measurement.ram, self.facts.ram))
        )
        return Fit(measurement.name, *shares)

    @computed_field
    @property
    def fits(self) -> tuple[Fit, ...]:
        """Fits of the measurements with a known size."""
        fits = (self.fit(measurement) for measurement in self.measurements)
        return tuple(fit for fit in fits if fit.fits is not None)

    def lines(self) -> list[str]:
        """Return summary lines: the measurements, their times, and the board."""
        times = (f"{one.name}: {one.milliseconds:.3g} ms" for one in self.measurements if one.milliseconds is not None)
        what = f"Benchmark of {pluralize(len(self.measurements), 'measurement')}"
        return [what, ", ".join(times) or "no times", f"compared with {self.board}"]

    def records(self) -> list[Row]:
        """A row a measurement, without its layers."""
        rows = ({**asdict(one), "real_time_factor": one.real_time_factor} for one in self.measurements)
        return [{key: value for key, value in row.items() if key not in ("layers", "left_to_cpu")} for row in rows]

    def overview(self) -> list[Row]:
        """The columns that a measurement has something in."""
        rows = [{**row, "how": None} for row in self.records()]
        known = [key for key in rows[0] if any(row[key] not in (None, False) for row in rows)] if rows else []
        return [{key: row[key] for key in known} for row in rows]
