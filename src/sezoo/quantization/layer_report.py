"""What int8 costs where: each activation's range and rounding, each layer's weights, and what could be done about it.

Ratios of signal to quantization noise (SQNR) are of powers, in dB. A tensor's own is that of its rounding alone, on
the values that come to it in the int8 model; the accumulated one is against the same tensor of the float model.
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from sezoo.files import write_text
from sezoo.model_states import magnitude_input, states_of
from sezoo.model_summary import macs_by_node
from sezoo.onnx_file import axes_of
from sezoo.quantization.calibration import Ranges, calibrate, tensors_to_calibrate
from sezoo.quantization.graph import attribute, copied, float_weights, initializers, layout, producers, readers
from sezoo.quantization.plan import Plan
from sezoo.quantization.recovery.bench import Bench
from sezoo.quantization.recovery.excerpts import Excerpt
from sezoo.quantization.recovery.linear_layers import LINEAR
from sezoo.quantization.recovery.recipe import Recovered, Tried, decibels
from sezoo.quantization.recovery.tensors import tensors_of
from sezoo.quantization.sensitivity import LayerLoss, log_sensitivity

__all__ = ["REPORT", "Convergence", "Layer", "LayerReport", "Tensor", "Weakness", "layer_report", "log_report",
           "write_report"]  # fmt: skip

log = logging.getLogger(__name__)

REPORT = "quantization_report.json"

MOST_EXCERPTS = 8
"""SQNR is known from few."""

VALUES_AT_ONCE = 50_000_000
"""Of the tensors that are looked at in one run: what bounds the memory, 200 MB a model."""

WORST = 5

RECURRENT = ("LSTM", "GRU", "RNN")

KEY = "quantization."


@dataclass(frozen=True)
class Tensor:
    """An activation.

    Attributes
    ----------
    made_by : name of the node; empty for the model's input.
    op_type : of it, with those of the activations that the quantizer does along with its own work: Conv+Relu.
    dtype : int8, int16 ..., or float.
    low, high : the range of the quantizer; None in float.
    seen_low, seen_high : lowest and highest value that came.
    saturated : share of the values that lie beyond the range by more than half a step.
    sqnr, accumulated_sqnr : dB; None in float, where nothing differs, and where the float model has no such tensor.
    saturation_noise : share of the rounding's error power that the saturated values make.
    rms_steps : root mean square in steps of the quantizer.
    """

    name: str
    made_by: str
    op_type: str
    dtype: str
    low: float | None
    high: float | None
    seen_low: float
    seen_high: float
    saturated: float | None
    sqnr: float | None
    accumulated_sqnr: float | None
    saturation_noise: float | None
    rms_steps: float | None


@dataclass(frozen=True)
class Layer:
    """An operator that multiplies and adds.

    Attributes
    ----------
    precision : of its inputs, the widest: int8, int16 or float.
    weight_sqnr : dB, of the rounded weights against those of the float model; None where they are the same.
    fitted : the weights were refitted to rounded inputs: they differ from the float model's on purpose.
    weight_bytes : 0 for a product of two activations.
    macs : multiply-accumulates per frame; None where a shape is unknown.
    """

    name: str
    op_type: str
    precision: str
    weight_sqnr: float | None
    fitted: bool
    weight_bytes: int
    macs: float | None
    macs_share: float | None


@dataclass(frozen=True)
class Weakness:
    """A tensor, or the weights of a layer, that rounding hurts, and what could be done."""

    name: str
    what: str
    made_by: str
    sqnr: float
    advice: str


@dataclass(frozen=True)
class Convergence:
    """How much the ranges from half of the excerpts differ from those from all, as shares of the ranges' widths.

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

    @property
    def enough(self) -> bool:
        """Whether more clips would change the ranges by little."""
        return self.median <= ENOUGH_MEDIAN and self.largest <= ENOUGH_LARGEST

    @property
    def sentence(self) -> str:
        """The same in words."""
        verdict = "these are enough" if self.enough else "more clips, or clips of more kinds, would help"
        return (
            f"ranges from half of {self.excerpts} excerpts differ by {100 * self.median:.1f} % in the median, "
            f"{100 * self.largest:.1f} % for '{self.tensor}' at most: {verdict}"
        )


ENOUGH_MEDIAN, ENOUGH_LARGEST = 0.05, 0.25
"""Shares of a range's width: a range that is wrong by so much costs less than a tenth of a bit, or a third of one."""


@dataclass(frozen=True)
class LayerReport:
    """All of it.

    Attributes
    ----------
    macs_shares : of all multiply-accumulates, by precision; empty where a shape is unknown.
    bytes : of the int8 model.
    plain, closeness : dB between the denoised waves and the float model's, of the plain int8 model and of this.
    convergence : None with too few excerpts.
    """

    tensors: tuple[Tensor, ...]
    layers: tuple[Layer, ...]
    worst: tuple[Weakness, ...]
    macs_shares: Mapping[str, float]
    bytes: int
    plain: float
    closeness: float
    steps: tuple[Tried, ...]
    convergence: Convergence | None
    sensitivity: tuple[LayerLoss, ...] = field(default=())

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it: every number finite, or None."""
        told = asdict(self)
        if self.convergence is not None:
            told["convergence"] |= {"enough": self.convergence.enough, "sentence": self.convergence.sentence}
        return _finite(told)


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(each) for each in value]
    return value if not isinstance(value, float) or math.isfinite(value) else None


def layer_report(recovered: Recovered, bench: Bench, excerpts: Sequence[Excerpt]) -> LayerReport:
    """Look into the final int8 model.

    Parameters
    ----------
    excerpts : at least one; some of them, spread evenly, are run.
    """
    plan, some = recovered.plan, excerpts[:: -(-len(excerpts) // MOST_EXCERPTS)]
    tensors = tuple(_tensors(plan, recovered.model, bench, [excerpt.magnitude for excerpt in some]))
    layers = tuple(_layers(plan, recovered.model, bench, some[0].magnitude))
    return LayerReport(
        tensors,
        layers,
        tuple(_worst(plan, tensors, layers, bench)),
        _macs_shares(layers),
        recovered.model.ByteSize(),
        recovered.plain,
        recovered.closeness,
        recovered.steps,
        convergence(plan, bench),
    )


# -- activations -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Quantizer:
    """A QuantizeLinear on an activation, with what is before and behind it; or a tensor in float.

    Attributes
    ----------
    before, behind : names of the float tensors in the int8 model; the same in float.
    limits : what activations that it replaces would have cut off before it.
    """

    name: str
    made_by: str
    op_type: str
    dtype: str
    before: str
    behind: str
    step: float = 0.0
    low: float | None = None
    high: float | None = None
    limits: tuple[float, float] = (-math.inf, math.inf)


@dataclass
class _Sums:
    """What is summed up of a tensor, call by call."""

    count: int = 0
    saturated: int = 0
    power: float = 0.0
    noise: float = 0.0
    saturation_noise: float = 0.0
    reference_power: float = 0.0
    accumulated_noise: float = 0.0
    low: float = math.inf
    high: float = -math.inf

    def add(self, at: _Quantizer, before: np.ndarray, behind: np.ndarray, reference: np.ndarray | None) -> None:
        """Take in the values of a call, float32 of one shape."""
        values = np.clip(before, *at.limits)
        self.count += values.size
        self.low, self.high = min(self.low, float(values.min())), max(self.high, float(values.max()))
        if at.low is not None:
            errors = np.square(behind - values)
            beyond = (values < at.low - at.step / 2) | (values > at.high + at.step / 2)
            self.power += _total(np.square(values))
            self.noise += _total(errors)
            self.saturated += int(beyond.sum())
            self.saturation_noise += _total(errors[beyond])
        if reference is not None:
            self.reference_power += _total(np.square(reference))
            self.accumulated_noise += _total(np.square(behind - reference))

    def of(self, at: _Quantizer) -> Tensor:
        """The tensor, from all calls."""
        is_float, noise = at.low is None, self.noise
        return Tensor(
            at.name,
            at.made_by,
            at.op_type,
            at.dtype,
            at.low,
            at.high,
            self.low,
            self.high,
            None if is_float else self.saturated / self.count,
            None if is_float else _sqnr(self.power, noise),
            _sqnr(self.reference_power, self.accumulated_noise),
            self.saturation_noise / noise if noise else None,
            None if is_float else math.sqrt(self.power / self.count) / at.step,
        )


def _total(values: np.ndarray) -> float:
    return float(values.sum(dtype=np.float64))


def _sqnr(power: float, noise: float) -> float | None:
    """In dB; None where there is nothing to compare, or no difference."""
    return 10 * math.log10(power / noise) if power > 0 and noise > 0 else None


def _tensors(plan: Plan, model: onnx.ModelProto, bench: Bench, magnitudes: Sequence[np.ndarray]) -> Iterator[Tensor]:
    looked_at, exact = _quantizers(plan, model), _as_called(plan.exact, bench)
    model, there = _as_called(model, bench), _tensor_names(exact)
    for group in _groups(looked_at, exact, max(magnitude.shape[2] for magnitude in magnitudes)):
        known = [at.name for at in group if at.name in there]
        run = tensors_of(model, [name for at in group for name in (at.before, at.behind)])
        run_exact, sums = tensors_of(exact, known) if known else None, [_Sums() for _ in group]
        for magnitude in magnitudes:
            whole = _whole_calls(model, magnitude)
            references = run_exact(whole) if run_exact else ((call, []) for call, _ in run(whole))
            for (_, values), (_, found) in zip(run(whole), references, strict=True):
                of_exact = dict(zip(known, found, strict=True))
                for at, of_tensor, before, behind in zip(group, sums, values[::2], values[1::2], strict=True):
                    of_tensor.add(at, before, behind, of_exact.get(at.name))
        yield from (of_tensor.of(at) for at, of_tensor in zip(group, sums, strict=True))


def _as_called(model: onnx.ModelProto, bench: Bench) -> onnx.ModelProto:
    """The model, fixed to the frames of a call if it hands states from call to call."""
    if not states_of(model) or isinstance(axes_of(magnitude_input(model))[2], int):
        return model
    fixed = copied(model)
    magnitude_input(fixed).type.tensor_type.shape.dim[2].dim_value = bench.call_frames
    return fixed


def _whole_calls(model: onnx.ModelProto, magnitude: np.ndarray) -> np.ndarray:
    """Without the last frames, if a call of fixed length would have to be filled up with zeros for them."""
    frames = axes_of(magnitude_input(model))[2]
    length = magnitude.shape[2] // frames * frames if isinstance(frames, int) else 0
    return magnitude[:, :, :length] if length else magnitude


def _tensor_names(model: onnx.ModelProto) -> set[str]:
    return {value.name for value in model.graph.input} | set(producers(model.graph))


def _quantizers(plan: Plan, model: onnx.ModelProto) -> list[_Quantizer]:
    """The activations of the int8 model, in graph order: quantized ones, and those that were left in float."""
    graph, constants, exact_names = model.graph, initializers(model.graph), _tensor_names(plan.exact)
    made_by, read_by, found = producers(graph), readers(graph), {}
    for node in graph.node:
        behind = next((each for each in read_by.get(node.output[0], ()) if each.op_type == "DequantizeLinear"), None)
        if node.op_type != "QuantizeLinear" or node.input[0] in constants or behind is None:
            continue
        before, scale = node.input[0], float(constants[node.input[1]])
        name = next((each for each in (before, behind.output[0]) if each in exact_names), before)
        dtype = _integer_type(graph, node)
        lowest, highest = _integer_limits(dtype)
        zero = float(constants[node.input[2]]) if len(node.input) > 2 else 0.0
        ends = (lowest - zero) * scale, (highest - zero) * scale
        op_type, made = _maker(made_by, before)
        fused, limits = _fused(plan.model, name, made)
        op_type = "+".join([op_type, *fused])
        at = _Quantizer(name, made, op_type, dtype, before, behind.output[0], scale, *ends, limits)
        found.setdefault(name, at)  # one that is quantized for each of its readers is told once
    own = _tensor_names(model)
    for name in tensors_to_calibrate(plan.exact, set(plan.op_types)):
        if name not in found and name in own:
            op_type, made = _maker(made_by, name)
            found[name] = _Quantizer(name, made, op_type, "float", name, name)
    return list(found.values())


def _maker(made_by: Mapping[str, onnx.NodeProto], name: str) -> tuple[str, str]:
    """The type and the name of the node that makes a tensor."""
    node = made_by.get(name)
    return ("input", "") if node is None else (node.op_type, node.name)


def _integer_type(graph: onnx.GraphProto, node: onnx.NodeProto) -> str:
    """Of a QuantizeLinear or a DequantizeLinear, by its zero point."""
    types = {weight.name: weight.data_type for weight in graph.initializer}
    known = len(node.input) > 2 and node.input[2] in types
    return onnx.TensorProto.DataType.Name(types[node.input[2]]).lower() if known else "uint8"


def _integer_limits(dtype: str) -> tuple[int, int]:
    bits = int(dtype.removeprefix("u").removeprefix("int"))
    return (0, 2**bits - 1) if dtype.startswith("u") else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


def _fused(model: onnx.ModelProto, name: str, maker: str) -> tuple[list[str], tuple[float, float]]:
    """The activations that a quantizer stands for, as it cuts off the same, and where they cut.

    They are those of the float model between `maker`, the node before the quantizer, and the tensor.
    """
    made_by, constants = producers(model.graph), initializers(model.graph)
    op_types, low, high = [], -math.inf, math.inf
    while maker and name in made_by and made_by[name].op_type in ("Relu", "Clip") and made_by[name].name != maker:
        node = made_by[name]
        if node.op_type == "Relu":
            low = max(low, 0.0)
        else:
            ends = [constants.get(each) for each in (*node.input[1:], "", "")[:2]]
            given = [
                attribute(node, key, None) if end is None else end
                for key, end in zip(("min", "max"), ends, strict=True)
            ]
            low = low if given[0] is None else max(low, float(given[0]))
            high = high if given[1] is None else min(high, float(given[1]))
        op_types.insert(0, node.op_type)
        name = node.input[0]
    return op_types, (low, high)


def _groups(looked_at: Sequence[_Quantizer], exact: onnx.ModelProto, frames: int) -> Iterator[list[_Quantizer]]:
    """Tensors that fit into memory together, by what is known of their shapes."""
    shapes, batch = layout(exact), axes_of(magnitude_input(exact))[0]
    group, held = [], 0
    for at in looked_at:
        axes = [axis if isinstance(axis, int) else 1 if axis == batch else frames for axis in shapes.get(at.name, ())]
        if group and held + math.prod(axes) > VALUES_AT_ONCE:
            yield group
            group, held = [], 0
        group.append(at)
        held += math.prod(axes)
    if group:
        yield group


# -- layers ----------------------------------------------------------------------------------------------


def _layers(plan: Plan, model: onnx.ModelProto, bench: Bench, magnitude: np.ndarray) -> Iterator[Layer]:
    """The layers of the int8 model that are also layers of the float model, in graph order."""
    exact_nodes = {node.name: node for node in plan.exact.graph.node}
    nodes = [node for node in model.graph.node if node.op_type in (*LINEAR, *RECURRENT) and node.name in exact_nodes]
    exact_weights, made_by = float_weights(plan.exact.graph), producers(model.graph)
    weights = {node.name: _weights_of(node, exact_nodes[node.name], exact_weights) for node in nodes}
    given = [name for of_layer in weights.values() for name in of_layer]
    _, values = next(tensors_of(_as_called(model, bench), given)(magnitude)) if given else (None, [])
    values = dict(zip(given, values, strict=True))
    macs, frames = _macs(plan, bench)
    total = None if None in macs.values() else sum(macs.values())
    for node in nodes:
        pairs = [(exact_weights[exact], values[name]) for name, exact in weights[node.name].items()]
        power = sum(_total(np.square(exact)) for exact, _ in pairs)
        noise = sum(_total(np.square(rounded - exact)) for exact, rounded in pairs)
        precision = max((_precision(model, made_by, name) for name in node.input[:2]), key=_bits)
        work = macs[exact_nodes[node.name].output[0]]
        yield Layer(
            node.name,
            node.op_type,
            precision,
            None if precision == "float" else _sqnr(power, noise),
            any(exact in plan.weight_scales for exact in weights[node.name].values()),
            sum(values[name].size * _bits(_precision(model, made_by, name)) // 8 for name in weights[node.name]),
            None if work is None else work / frames,
            work / total if work is not None and total else None,
        )


def _weights_of(node: onnx.NodeProto, exact: onnx.NodeProto, exact_weights: Mapping[str, np.ndarray]) -> dict[str, str]:
    """By the names of a layer's weights in the int8 model, those in the float model; biases are none."""
    of_inputs = slice(1, 2 if node.op_type in LINEAR else 3)
    pairs = zip(node.input[of_inputs], exact.input[of_inputs], strict=True)
    return {name: of_exact for name, of_exact in pairs if of_exact in exact_weights}


def _macs(plan: Plan, bench: Bench) -> tuple[dict[str, int | None], int]:
    """Multiply-accumulates by a node's first output, and for how many frames."""
    frames = axes_of(magnitude_input(plan.exact))[2]
    frames = frames if isinstance(frames, int) else bench.call_frames
    return macs_by_node(plan.exact, frames), frames


def _precision(model: onnx.ModelProto, made_by: Mapping[str, onnx.NodeProto], name: str) -> str:
    """The type of the integers that a float tensor is made of, or float."""
    node = made_by.get(name)
    if node is None or node.op_type != "DequantizeLinear":
        return "float"
    return _integer_type(model.graph, node)


def _bits(precision: str) -> int:
    return 32 if precision == "float" else int("".join(filter(str.isdigit, precision)))


def _macs_shares(layers: Sequence[Layer]) -> dict[str, float]:
    shares: dict[str, float] = {}
    if any(layer.macs_share is None for layer in layers):
        return shares
    for layer in layers:
        shares[layer.precision] = shares.get(layer.precision, 0.0) + layer.macs_share
    return shares


# -- the worst, and what could be done -------------------------------------------------------------------


def _worst(plan: Plan, tensors: Sequence[Tensor], layers: Sequence[Layer], bench: Bench) -> list[Weakness]:
    found = [
        Weakness(each.name, "activation", each.op_type, each.sqnr, _advice(each, plan, bench))
        for each in tensors
        if each.sqnr is not None
    ]
    found += [
        Weakness(each.name, "weights", each.op_type, each.weight_sqnr, _advice_for_weights(bench))
        for each in layers
        if each.weight_sqnr is not None and not each.fitted
    ]
    return sorted(found, key=lambda weakness: weakness.sqnr)[:WORST]


MOSTLY = 0.5
"""Share of the error that has to come from saturation, for a wider range to be what helps."""

FEW_STEPS = 12.0
"""A root mean square of fewer steps means that rare peaks take most of the 255."""

UNUSED = 1.5
"""A range this much wider than what came has levels to spare."""


def _advice(tensor: Tensor, plan: Plan, bench: Bench) -> str:
    options = bench.options
    used, seen = tensor.high - tensor.low, max(tensor.seen_high, 0) - min(tensor.seen_low, 0)
    if (tensor.saturation_noise or 0) > MOSTLY:
        wider = f"{KEY}extra_options.CalibMovingAverage: False" if options.moving_average else "more clips"
        wider = f"a higher CalibPercentile, now {options.percentile:g}" if options.method == "Percentile" else wider
        return f"it saturates ({100 * tensor.saturated:.2g} % of the values): a wider range, by {wider}"
    if tensor.name in plan.fixed_ranges:
        return "its range is part of how the input is split: nothing is to be done"
    if used > UNUSED * seen:
        return (
            f"its range is {used / seen if seen else math.inf:.2g} times as wide as what came: a narrower one, by "
            f"{KEY}calibration_method: Percentile or accuracy_recovery's step ranges"
        )
    if _bits(tensor.dtype) > 8:
        return f"it has {_bits(tensor.dtype)} bits already: nothing is to be done"
    more_bits = f"16 bits ({KEY}extra_options.TensorQuantOverrides) where the target has them"
    if tensor.rms_steps < FEW_STEPS:
        return (
            f"its RMS is {tensor.rms_steps:.2g} steps, as peaks take most of the range: {KEY}calibration_method: "
            f"Percentile, accuracy_recovery's step equalization, or {more_bits}"
        )
    return f"its range fits and its levels are used: only {more_bits} would do better"


def _advice_for_weights(bench: Bench) -> str:
    if not bench.settings.per_channel:
        return f"one scale for all weights: {KEY}per_channel: True"
    return (
        f"few large weights take the range of their channels: accuracy_recovery's steps equalization and rounding, or "
        f"the layer in float ({KEY}max_float_macs)"
    )


# -- calibration -----------------------------------------------------------------------------------------

FEWEST = 4
"""Halves of fewer excerpts say nothing."""


def convergence(plan: Plan, bench: Bench) -> Convergence | None:
    """Ranges of the float model from halves of the excerpts that are fitted on, against those from all.

    The halves are every other excerpt, and the first and the second half: kinds of clips may come by turns or in rows.
    Ranges that are part of a transform, and those of tensors in float, do not count.
    """
    fit, middle = bench.fit, len(bench.fit) // 2
    if len(fit) < FEWEST:
        return None

    def ranges(excerpts: Sequence[Excerpt]) -> Ranges:
        clips = ([excerpt.magnitude] for excerpt in excerpts)
        return calibrate(plan.exact, clips, plan.op_types, bench.options, call_frames=bench.call_frames)

    quantized = [
        node for node in plan.exact.graph.node if node.op_type in plan.op_types and node.name not in plan.in_float
    ]
    counted = {name for node in quantized for name in (*node.input, *node.output)} - plan.fixed_ranges
    of_all = ranges(fit)
    of_halves = [ranges(half) for half in (fit[::2], fit[1::2], fit[:middle], fit[middle:])]
    differences = {
        name: float(np.mean([_difference(half[name], ends) for half in of_halves]))
        for name, ends in of_all.items()
        if name in counted and ends[1] > ends[0]
    }
    if not differences:
        return None
    worst = max(differences, key=differences.__getitem__)
    return Convergence(len(fit), float(np.median(list(differences.values()))), differences[worst], worst)


def _difference(one: tuple[np.float32, np.float32], other: tuple[np.float32, np.float32]) -> float:
    """By how much the ends differ, the larger one, as a share of the other range's width."""
    return max(abs(float(one[0] - other[0])), abs(float(one[1] - other[1]))) / float(other[1] - other[0])


# -- the file and the log --------------------------------------------------------------------------------


def write_report(report: LayerReport, folder: Path) -> Path:
    """Write `quantization_report.json` into the folder, whole or not at all; its path."""
    write_text(folder / REPORT, json.dumps(report.to_dict(), indent=1, allow_nan=False) + "\n")
    return folder / REPORT


HEADINGS = ("what rounds worst", "made by", "SQNR", "accumulated", "range used", "range seen", "saturated")


def log_report(report: LayerReport) -> None:
    """Tell the worst tensors, the totals, and whether more clips are needed."""
    by_name = {tensor.name: tensor for tensor in report.tensors}
    rows = [HEADINGS]
    for weakness in report.worst:
        is_weight = weakness.what == "weights"
        name = _shortened(weakness.name)
        if is_weight:
            rows.append((f"weights of {name}", weakness.made_by, f"{weakness.sqnr:.1f} dB", "", "", "", ""))
        else:
            rows.append((name, weakness.made_by, f"{weakness.sqnr:.1f} dB", *_cells(by_name[weakness.name])))
    for line in _aligned(rows):
        log.info("  %s", line)
    if report.worst:
        log.info("worst is '%s': %s", report.worst[0].name, report.worst[0].advice)
    shares = ", ".join(f"{100 * share:.1f} % in {name}" for name, share in sorted(report.macs_shares.items()))
    log.info(
        "multiply-accumulates: %s; %.2f MiB; closeness %s, plain int8 %s",
        shares or "unknown", report.bytes / 2**20, decibels(report.closeness), decibels(report.plain),
    )  # fmt: skip
    if report.convergence is not None:
        log.info("%s", report.convergence.sentence)
    log_sensitivity(report.sensitivity)


def _cells(tensor: Tensor) -> tuple[str, ...]:
    accumulated = "" if tensor.accumulated_sqnr is None else f"{tensor.accumulated_sqnr:.1f} dB"
    ends = ((tensor.low, tensor.high), (tensor.seen_low, tensor.seen_high))
    return (accumulated, *(f"{low:.3g} to {high:.3g}" for low, high in ends), f"{100 * tensor.saturated:.2g} %")


LONGEST = 36


def _shortened(name: str) -> str:
    return name if len(name) <= LONGEST else "..." + name[3 - LONGEST :]


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of columns: words to the left, numbers to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  ".join(
            cell.ljust(width) if column < 2 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
