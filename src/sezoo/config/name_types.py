"""The types of keys that name something: metrics, losses, targets, networks, steps, modes."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, get_args

from pydantic import BeforeValidator, Field

from sezoo.config.allowed import Allowed, FromRegistry, OtherSpellings
from sezoo.config.benchmark_target import BenchmarkTarget
from sezoo.config.registries import LAYOUTS, LOSSES, METRICS, NETWORKS, TARGETS
from sezoo.config.values import literal, number

__all__ = [
    "InferenceModeNames",
    "IntegerType",
    "LayoutName",
    "LossName",
    "MetricNames",
    "MetricWeights",
    "ModelKind",
    "Names",
    "NetworkName",
    "QuantizationTarget",
    "StepNames",
    "TargetNames",
]


def _names(value: Any) -> Any:
    """A single name is a list of one; `('Conv', 'MatMul')` is the YAML files' way to write a tuple."""
    value = literal(value)
    return (value,) if isinstance(value, str) else value


METRIC_ALIASES: dict[str, tuple[str, ...]] = {
    "si-snr": ("si_snr",),
    "sisnr": ("si_snr",),
    "dnsmos": tuple(name for name in METRICS.own if name.startswith("dnsmos_")),
}


def _metrics(value: Any) -> Any:
    """Names of metrics; SI-SNR as it is written elsewhere too, and `dnsmos` for the four scores of that name."""
    names = _names(value)
    if not isinstance(names, list | tuple):
        return names
    return tuple(each for name in names for each in _metrics_of(name))


def _metrics_of(name: Any) -> tuple[Any, ...]:
    return METRIC_ALIASES.get(name.lower(), (name,)) if isinstance(name, str) else (name,)


def _metric_weights(value: Any) -> Any:
    """Numbers by metrics; SI-SNR as it is written elsewhere too."""
    value = literal(value)
    if not isinstance(value, Mapping):
        return value
    other = {"si_snr": "si-snr", "sisnr": "si-snr", "mse": "wave_mse"}
    return {other.get(name, name) if isinstance(name, str) else name: entry for name, entry in value.items()}


def _integer_type(value: Any) -> Any:
    """`Int16`; onnxruntime's own name for it is QInt16."""
    if not isinstance(value, str):
        return value
    name = value.strip().removeprefix("QuantType.").removeprefix("Q").lower()
    return name.replace("uint", "UInt") if name.startswith("u") else name.replace("int", "Int")


ModelKind = Literal["magnitude_mask", "complex_mask", "complex_spectrum"]
"""What a model makes of a spectrum; see `sezoo.models.spectra`."""


Names = Annotated[tuple[str, ...], BeforeValidator(_names), Allowed("a list of names")]


MetricName = Annotated[str, FromRegistry(METRICS)]


MetricNames = Annotated[
    tuple[MetricName, ...],
    Field(min_length=1),
    BeforeValidator(_metrics),
    OtherSpellings(f"^({'|'.join(METRIC_ALIASES)})$"),
]


LossName = Annotated[str, FromRegistry(LOSSES)]


LayoutName = Annotated[str, FromRegistry(LAYOUTS)]


NetworkName = Annotated[str, FromRegistry(NETWORKS, ("Custom",))]


QuantizationTarget = Annotated[str, FromRegistry(TARGETS)]


Selectable = Literal[
    "pesq", "stoi", "si-snr", "snr", "wave_mse", "train_loss", "speech_cut", "level_4_6_khz", "level_6_8_khz", "estoi",
    "csig", "cbak", "covl", "dnsmos_sig", "dnsmos_bak", "dnsmos_ovrl", "dnsmos_p808",
]  # fmt: skip


SELECTABLE: tuple[str, ...] = get_args(Selectable)
"""What epochs can be chosen by, in the words of training's table."""


MetricWeights = Annotated[
    dict[Selectable, Annotated[float, Field(allow_inf_nan=False), BeforeValidator(number)]],
    BeforeValidator(_metric_weights),
    Allowed(f"a mapping of metrics to numbers; metrics are {', '.join(SELECTABLE)}"),
]


InferenceModeNames = Annotated[
    tuple[Literal["whole", "patches", "board", "stream", "tflm"], ...], Field(min_length=1), BeforeValidator(_names)
]


TargetNames = Annotated[
    tuple[BenchmarkTarget, ...],
    Field(min_length=1),
    BeforeValidator(_names),
]


Step = Literal[
    "operators", "int16_input", "split_input", "int16_states", "int16_activations", "input_floor", "equalization",
    "ranges", "rounding", "recurrent_rounding", "bias_correction", "fallback",
]  # fmt: skip


STEPS: tuple[str, ...] = get_args(Step)


StepName = Literal["auto", "none", Step]


StepNames = Annotated[tuple[StepName, ...], Field(min_length=1), BeforeValidator(_names)]


IntegerType = Annotated[
    Literal["Int4", "UInt4", "Int8", "UInt8", "Int16", "UInt16"],
    BeforeValidator(_integer_type),
    OtherSpellings(r"^(QuantType\.)?Q?[uU]?[iI][nN][tT](4|8|16)$"),
]
