"""What a quantization did, read from `quantization_report.json`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sezoo.results.names import QUANTIZATION
from sezoo.results.reading import read_json, taken

__all__ = ["LayerFacts", "LossFacts", "QuantizationFacts", "StepFacts", "TensorFacts", "WeakFacts", "read_quantization"]


@dataclass(frozen=True)
class TensorFacts:
    """An activation.

    Attributes
    ----------
    low, high : the range of its quantizer; None in float.
    seen_low, seen_high : lowest and highest value that came.
    saturated : share of the values beyond the range.
    sqnr, accumulated_sqnr : dB, of its own rounding, and against the float model.
    histogram : counts of the values in equal steps from `histogram_low` to `histogram_high`; empty where the run has
        kept none.
    """

    name: str
    op_type: str = ""
    dtype: str = ""
    low: float | None = None
    high: float | None = None
    seen_low: float | None = None
    seen_high: float | None = None
    saturated: float | None = None
    sqnr: float | None = None
    accumulated_sqnr: float | None = None
    histogram: Sequence[int] = ()
    histogram_low: float | None = None
    histogram_high: float | None = None


@dataclass(frozen=True)
class LayerFacts:
    """An operator that multiplies and adds; MAC per frame."""

    name: str
    op_type: str = ""
    precision: str = ""
    weight_sqnr: float | None = None
    fitted: bool = False
    weight_bytes: int = 0
    macs: float | None = None
    macs_share: float | None = None


@dataclass(frozen=True)
class WeakFacts:
    """What rounding hurts most, and what could be done."""

    name: str
    what: str = ""
    made_by: str = ""
    sqnr: float | None = None
    advice: str = ""


@dataclass(frozen=True)
class StepFacts:
    """A step of accuracy recovery: dB between the denoised waves and the float model's before and after it."""

    name: str
    does: str = ""
    before: float | None = None
    after: float | None = None
    kept: bool = False


@dataclass(frozen=True)
class LossFacts:
    """A layer that was quantized alone, and how close the waves stayed, in dB."""

    name: str
    op_type: str = ""
    nodes: int = 0
    closeness: float | None = None


@dataclass(frozen=True)
class QuantizationFacts:
    """All of it; bytes of the int8 model, `plain` and `closeness` in dB as for the steps."""

    tensors: Sequence[TensorFacts] = ()
    layers: Sequence[LayerFacts] = ()
    worst: Sequence[WeakFacts] = ()
    macs_shares: Mapping[str, float] = field(default_factory=dict)
    bytes: int = 0
    plain: float | None = None
    closeness: float | None = None
    steps: Sequence[StepFacts] = ()
    sensitivity: Sequence[LossFacts] = ()
    convergence: str = ""

    @property
    def macs(self) -> float | None:
        """Multiply-accumulates per frame; None where one is unknown."""
        macs = [layer.macs for layer in self.layers if layer.macs is not None]
        return sum(macs) if macs and len(macs) == len(self.layers) else None


KINDS = {
    "tensors": TensorFacts,
    "layers": LayerFacts,
    "worst": WeakFacts,
    "steps": StepFacts,
    "sensitivity": LossFacts,
}


def read_quantization(folder: Path) -> QuantizationFacts | None:
    """What the quantization in a run's folder reports; None where there is none."""
    content = read_json(folder / QUANTIZATION)
    if content is None:
        return None
    lists: dict[str, list[Any]] = {
        key: [taken(kind, each) for each in content.get(key) or ()] for key, kind in KINDS.items()
    }
    convergence = (content.get("convergence") or {}).get("sentence", "")
    return taken(QuantizationFacts, {**content, **lists, "convergence": convergence})
