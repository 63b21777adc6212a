"""Results of a quantization, `quantization_report.json`: errors of tensors and layers, and the recovery steps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from pydantic import computed_field

from sezoo.results.names import QUANTIZATION
from sezoo.results.result_file import ResultFile

__all__ = ["Convergence", "Layer", "LayerLoss", "LayerReport", "StepOutcome", "Tensor", "Weakness"]

ENOUGH_MEDIAN, ENOUGH_LARGEST = 0.05, 0.25
"""Shares of a range's width: a range that is wrong by so much costs less than a tenth of a bit, or a third of one."""


@dataclass(frozen=True)
class Tensor:
    """An activation.

    Attributes
    ----------
    made_by : name of the node; empty for the model's input.
    op_type : of it, with those of the activations that the quantizer does along with its own work: Conv+Relu.
    dtype : int8, int16 ..., or float.
    low, high : the range of the quantizer; null in float.
    seen_low, seen_high : lowest and highest value that came.
    saturated : share of the values that lie beyond the range by more than half a step.
    sqnr, accumulated_sqnr : dB, of its own rounding, and against the float model; null in float, where nothing
        differs, and where the float model has no such tensor.
    saturation_noise : share of the rounding's error power that the saturated values make.
    rms_steps : root mean square in steps of the quantizer.
    histogram : counts of the values in equal bins from `histogram_low` to `histogram_high`; empty in float.
    """

    name: str
    made_by: str = ""
    op_type: str = ""
    dtype: str = ""
    low: float | None = None
    high: float | None = None
    seen_low: float | None = None
    seen_high: float | None = None
    saturated: float | None = None
    sqnr: float | None = None
    accumulated_sqnr: float | None = None
    saturation_noise: float | None = None
    rms_steps: float | None = None
    histogram: tuple[int, ...] = ()
    histogram_low: float | None = None
    histogram_high: float | None = None


@dataclass(frozen=True)
class Layer:
    """An operator that multiplies and adds.

    Attributes
    ----------
    precision : of its inputs, the widest: int8, int16 or float.
    weight_sqnr : dB, of the rounded weights against those of the float model; null where they are the same.
    fitted : the weights were refitted to rounded inputs: they differ from the float model's on purpose.
    weight_bytes : 0 for a product of two activations.
    macs : multiply-accumulates per frame; null where a shape is unknown.
    macs_share : of those of all layers.
    """

    name: str
    op_type: str = ""
    precision: str = ""
    weight_sqnr: float | None = None
    fitted: bool = False
    weight_bytes: int = 0
    macs: float | None = None
    macs_share: float | None = None


@dataclass(frozen=True)
class Weakness:
    """A tensor, or the weights of a layer, that rounding hurts, and what could be done."""

    name: str
    what: str = ""
    made_by: str = ""
    sqnr: float | None = None
    advice: str = ""


@dataclass(frozen=True)
class StepOutcome:
    """Outcome of a step of accuracy recovery: fidelity in dB before and after, and whether it was kept."""

    name: str
    does: str = ""
    before: float | None = None
    after: float | None = None
    kept: bool = False


@dataclass(frozen=True)
class Convergence:
    """Difference of the ranges from half of the segments to those from all, as shares of the ranges' widths.

    Attributes
    ----------
    excerpts : how many, in all.
    median, largest : over the tensors, each the mean over its halves.
    tensor : the name of that with the largest difference.
    """

    excerpts: int
    median: float
    largest: float
    tensor: str

    @computed_field
    @property
    def enough(self) -> bool:
        """Whether more clips would change the ranges by little."""
        return self.median <= ENOUGH_MEDIAN and self.largest <= ENOUGH_LARGEST

    @computed_field
    @property
    def sentence(self) -> str:
        """The entry as a sentence."""
        verdict = "is large enough" if self.enough else "is small: more clips, or clips of more kinds, would help"
        return (
            f"the calibration set {verdict}; ranges from half of its {self.excerpts} excerpts differ by "
            f"{100 * self.median:.1f} % (median), {100 * self.largest:.1f} % (worst: '{self.tensor}')"
        )


@dataclass(frozen=True)
class LayerLoss:
    """The loss if only one layer is quantized, or only the operators of one type without weights.

    Attributes
    ----------
    name : of the layer's node; of the type of the operators; input for the model's input.
    nodes : how many there are.
    closeness : dB between the denoised waveforms and the float model's: the lower, the more this layer costs.
    """

    name: str
    op_type: str = ""
    nodes: int = 1
    closeness: float | None = None


MOSTLY = 0.5
"""Share of the multiply-accumulates in float from which on a model is an int8 one in name only."""

MOST_KINDS = 5
"""Types of operators that are named."""

HELP = {
    "Einsum": "write Einsum as MatMul, which is quantized",
    "RNN": "GRU or LSTM in the place of RNN, which are quantized",
    "LSTM": "a plain forward LSTM, which quantization.target: cortex-m has in int8, or convolutions over time",
    "GRU": "a plain forward GRU, which quantization.target: cortex-m has in int8, or convolutions over time",
}
LEFT_OUT = (
    "let {} be quantized (quantization.op_types_to_quantize, nodes_to_quantize, nodes_to_exclude; or a smaller "
    "max_float_macs, if accuracy recovery left them in float)"
)


@dataclass(frozen=True)
class LayerReport(ResultFile):
    """Report on a layer.

    Attributes
    ----------
    tensors, layers : in the order of the graph.
    worst : what rounding hurts most.
    macs_shares : of all multiply-accumulates, by precision; empty where a shape is unknown.
    in_float : operators that compute in float, by type.
    bytes : of the int8 model.
    plain, closeness : SI-SNR in dB of the denoised waveforms to the float model's, of the plain int8 model and of this
        one; null where they are equal.
    steps : of accuracy recovery.
    convergence : whether there are enough calibration clips; null with too few excerpts to tell.
    sensitivity : with quantization.sensitivity, the costliest first.
    model, float_bytes : the model that was quantized, and its size.
    dynamic, static : the int8 models, in the run's folder unless the path is an absolute one.
    """

    file_name: ClassVar[str] = QUANTIZATION
    indent: ClassVar[int] = 1

    tensors: tuple[Tensor, ...] = ()
    layers: tuple[Layer, ...] = ()
    worst: tuple[Weakness, ...] = ()
    macs_shares: Mapping[str, float] = field(default_factory=dict)
    in_float: Mapping[str, int] = field(default_factory=dict)
    bytes: int = 0
    plain: float | None = None
    closeness: float | None = None
    steps: tuple[StepOutcome, ...] = ()
    convergence: Convergence | None = None
    sensitivity: tuple[LayerLoss, ...] = ()
    model: str = ""
    float_bytes: int | None = None
    dynamic: str = ""
    static: str = ""

    @property
    def macs(self) -> float | None:
        """Multiply-accumulates per frame; None where one is unknown."""
        macs = [layer.macs for layer in self.layers if layer.macs is not None]
        return sum(macs) if macs and len(macs) == len(self.layers) else None

    @property
    def mostly_in_float(self) -> str:
        """Return a warning and advice if most of the computation stays in float; "" otherwise."""
        share = self.macs_shares.get("float", 0.0)
        if share < MOSTLY:
            return ""
        layers = Counter(layer.op_type for layer in self.layers if layer.precision == "float" and layer.macs)
        others = Counter(dict(self.in_float)) - layers
        besides = f"; besides them {_counts_text(others)}" if others else ""
        left_out = [kind for kind in layers if kind not in HELP]
        helps = [HELP[kind] for kind in layers if kind in HELP]
        if left_out:
            helps.append(LEFT_OUT.format(", ".join(left_out)))
        return (
            f"{100 * share:.0f} % of the multiply-accumulates stay in float ({_counts_text(layers)}{besides}): "
            "the C package runs no layers in float, and the NPU of the STM32N6 leaves them to its core, which is many "
            f"times slower. What helps: {'; '.join(dict.fromkeys(helps))}."
        )


def _counts_text(kinds: Counter[str]) -> str:
    """The most frequent kinds, with their numbers."""
    more = f" and {len(kinds) - MOST_KINDS} more types" if len(kinds) > MOST_KINDS else ""
    return ", ".join(f"{count} {kind}" for kind, count in kinds.most_common(MOST_KINDS)) + more
