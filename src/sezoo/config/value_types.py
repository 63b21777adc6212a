"""The types of the keys of YAML sections, each with the words for what it allows."""

import datetime
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Annotated, Any, Literal, NamedTuple, get_args

from pydantic import BeforeValidator, Field, GetCoreSchemaHandler, GetJsonSchemaHandler, PlainValidator
from pydantic_core import CoreSchema, core_schema

from sezoo.base.inner_path import is_inner
from sezoo.base.registry import Registry
from sezoo.base.shipped import shipped_model
from sezoo.base.user_code import forms
from sezoo.config.registries import LAYOUTS, LOSSES, METRICS, NETWORKS, TARGETS
from sezoo.config.values import literal, number

__all__ = [
    "Allowed",
    "Also",
    "AtLeast0",
    "AtLeast1",
    "Because",
    "DecibelRange",
    "ExecutorName",
    "FileName",
    "Fraction",
    "Frames",
    "HeldOutCount",
    "HertzRange",
    "Hint",
    "InnerPath",
    "IntegerType",
    "LayoutName",
    "Lookahead",
    "LossName",
    "MetricNames",
    "MetricWeights",
    "ModelKind",
    "ModelPath",
    "Names",
    "NetworkName",
    "NotNegative",
    "Number",
    "OpsetVersion",
    "OutputPath",
    "PathList",
    "PathText",
    "PlayNames",
    "Positive",
    "QuantizationTarget",
    "Registered",
    "SampleCount",
    "SampleRate",
    "SecondsRange",
    "Settings",
    "ShardNumber",
    "Share",
    "StatePairs",
    "StepNames",
    "SymbolPrefix",
    "TargetNames",
    "Text",
    "ThreeCounts",
    "TrueFalse",
    "UpTo1000",
    "UpTo65536",
    "Whole",
    "WindowChoice",
    "lower_case",
    "text",
]


class Allowed(NamedTuple):
    """Says in words what a key may hold; the error messages and the reference page share it."""

    words: str


class Hint(NamedTuple):
    """Says after what a key may hold what becomes of the rest; error messages alone have it."""

    words: str


class Also(NamedTuple):
    """What else a value may look like in a file, as a regular expression: other spellings of the values of a key."""

    pattern: str


@dataclass(frozen=True, eq=False)
class Registered:
    """Says that a key names what users extend: one of ours, of a package, or of a user's file.

    Attributes
    ----------
    more : names that stand for something else.
    """

    registry: Registry
    more: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Those that come with sezoo."""
        return (*self.registry.own, *self.more)

    @property
    def words(self) -> str:
        """What the key may hold."""
        return f"{', '.join(self.names)}, or your own as {forms(self.registry.kind)}"

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        known = core_schema.no_info_after_validator_function(self._known, handler(source))
        return core_schema.no_info_before_validator_function(_stripped, known)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        names = dict.fromkeys([*self.names, *(entry.name for entry in self.registry.added())])
        return {"anyOf": [{"enum": list(names)}, {"type": "string", "pattern": ":"}]}

    def _known(self, name: str) -> str:
        if name not in self.names and not self.registry.knows(name):
            raise ValueError
        return name


def text(value: Any) -> Any:
    """Text as the user meant it: YAML reads an unquoted `10.0` as a number and `2024-10-12` as a date."""
    if isinstance(value, int | float | datetime.date) and not isinstance(value, bool):
        return str(value)
    return value


class Because(ValueError):  # noqa: N818 - says why a value is refused, behind what is allowed
    """Why a value is refused, where what is allowed does not say it."""


ESCAPES = {"\a": "a", "\b": "b", "\t": "t", "\n": "n", "\v": "v", "\f": "f", "\r": "r", "\x1b": "e", "\0": "0"}
ESCAPES |= {"\x85": "N", "\xa0": "_", "\u2028": "L", "\u2029": "P"}
"""What YAML makes of a backslash and a letter in double quotes."""

ESCAPE = re.compile(f"[{''.join(ESCAPES)}]")


def _path(value: Any) -> Any:
    """A path as the user meant it: with the home folder for `~`, and without escapes where a backslash was meant."""
    value = text(value)
    if not isinstance(value, str | Path):
        return value
    path = Path(value)
    if (found := ESCAPE.search(str(value))) and not _exists(path):
        meant = ESCAPE.sub(lambda escape: "\\" + ESCAPES[escape[0]], str(value))
        raise Because(
            f"in double quotes YAML takes \\{ESCAPES[found[0]]} for a character of its own; write '{meant}' in single "
            f"quotes, or {meant.replace(chr(92), '/')}"
        )
    return path.expanduser() if path.parts[:1] == ("~",) else path


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # too long, or with a zero byte
        return False


def _inner_path(value: Any) -> Any:
    path = _path(value)
    if isinstance(path, Path) and not is_inner(path):
        raise Because("it is outside of the run's folder")
    return path


def _output_path(value: Any) -> Any:
    path = _path(value)
    if isinstance(path, Path) and not path.is_absolute() and not is_inner(path):
        raise Because("a relative path is inside the run's folder, and this one is not; give an absolute one")
    return path


def _file_name(value: Any) -> Any:
    name = text(value)
    if isinstance(name, str) and (PurePath(name).name != name or not is_inner(PurePath(name)) or ESCAPE.search(name)):
        raise Because("it is no plain name")
    return name


LARGEST_DECIBELS = 120
"""What is louder or quieter is a slip of the keyboard, and 32 bits do not hold much more."""


def _names(value: Any) -> Any:
    """One name alone is a list of one; `('Conv', 'MatMul')` is the YAML files' way to write a tuple."""
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


def _text_pairs(value: Any) -> Any:
    """Names by names; exporters like to call tensors 12 and 345, which YAML reads as numbers."""
    return {text(key): text(entry) for key, entry in value.items()} if isinstance(value, Mapping) else value


OTHER_MODELS = {".tflite", ".h5", ".keras", ".pb"}
"""What models of TensorFlow end in."""


def _model_path(value: Any) -> Path | str:
    """The path of a model, that of a shipped one by its name, or an address.

    An address stays text: as a path it would lose a slash.
    """
    if isinstance(value, str) and (scheme := re.match(r"([A-Za-z][A-Za-z0-9+.-]+)://", value.strip())):
        if scheme[1].lower() != "https":
            raise Because("nothing else is downloaded")
        return value.strip()
    path = _path(value)
    if not isinstance(path, Path):
        raise ValueError
    if path.suffix.lower() in OTHER_MODELS:
        raise Because("models of Keras and TensorFlow need TensorFlow, which is not used here")
    return (shipped_model(value.strip()) if isinstance(value, str) else None) or path


def _integer_type(value: Any) -> Any:
    """`Int16`; onnxruntime's own name for it is QInt16."""
    if not isinstance(value, str):
        return value
    name = value.strip().removeprefix("QuantType.").removeprefix("Q").lower()
    return name.replace("uint", "UInt") if name.startswith("u") else name.replace("int", "Int")


def _range(value: Any) -> tuple[float, float]:
    value = literal(value)
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise ValueError
    low, high = (number(end) for end in value)
    if not all(isinstance(end, int | float) and math.isfinite(end) for end in (low, high)) or low > high:
        raise ValueError
    return float(low), float(high)


def _decibel_range(value: Any) -> tuple[float, float]:
    low, high = _range(value)
    if low < -LARGEST_DECIBELS or high > LARGEST_DECIBELS:
        raise ValueError
    return low, high


def _positive_range(value: Any) -> tuple[float, float]:
    low, high = _range(value)
    if low <= 0:
        raise ValueError
    return low, high


def _three_counts(value: Any) -> tuple[int, int, int]:
    value = literal(value)
    if not isinstance(value, list | tuple) or len(value) != 3:
        raise ValueError
    counts = tuple(number(count) for count in value)
    if not all(isinstance(count, int) and not isinstance(count, bool) and count >= 1 for count in counts):
        raise ValueError
    return counts


EXECUTOR = re.compile(r"local|dask:\S+|ray(:\S+)?|[A-Za-z_][\w.]*:[A-Za-z_]\w*")


def _executor(value: Any) -> str:
    if not isinstance(value, str) or not EXECUTOR.fullmatch(value.strip()):
        raise ValueError
    return value.strip()


def _shard(value: Any) -> tuple[int, int]:
    match value:
        case str() if found := re.fullmatch(r"\s*(\d{1,6})\s*/\s*(\d{1,6})\s*", value):
            number, of = int(found[1]), int(found[2])
        case (int(number), int(of)):
            pass
        case _:
            raise ValueError
    if not 1 <= number <= of:
        raise ValueError
    return number, of


def _paths(value: Any) -> tuple[Any, ...]:
    value = literal(value)
    return tuple(_path(each) for each in (value if isinstance(value, list | tuple) else (value,)))


def _window(value: Any) -> str | tuple[float, ...]:
    value = literal(value)
    if isinstance(value, str) and value.strip():
        return value.strip()
    if not isinstance(value, list | tuple):
        raise ValueError
    values = [number(each) for each in value]
    if not values or not all(isinstance(each, int | float) and math.isfinite(each) for each in values):
        raise ValueError
    return tuple(float(each) for each in values)


def _sample_count(value: Any) -> int | float:
    value = number(value)
    if (isinstance(value, int) and value >= 1) or (isinstance(value, float) and 0 < value <= 1):
        return value
    raise ValueError


def _stripped(value: Any) -> Any:
    return value.strip() if isinstance(value, str) else value


def _lower(value: Any) -> Any:
    return value.strip().lower() if isinstance(value, str) else value


_number = BeforeValidator(number)
lower_case = BeforeValidator(_lower)
"""Names that the model zoo's documents write with and without capitals."""


Whole = Annotated[int, _number, Allowed("a whole number")]
AtLeast0 = Annotated[int, Field(ge=0), _number, Allowed("a whole number, 0 or more")]
AtLeast1 = Annotated[int, Field(ge=1), _number, Allowed("a whole number, 1 or more")]
UpTo1000 = Annotated[int, Field(ge=1, le=1000), _number, Allowed("a whole number from 1 to 1000")]
UpTo65536 = Annotated[int, Field(ge=1, le=65_536), _number, Allowed("a whole number from 1 to 65536")]
Frames = Annotated[int, Field(ge=1, le=10_000), _number, Allowed("a whole number from 1 to 10000")]
Lookahead = Annotated[int, Field(ge=0, le=10_000), _number, Allowed("a whole number from 0 to 10000")]
SampleRate = Annotated[int, Field(ge=2000, le=768_000), _number, Allowed("a whole number from 2000 to 768000")]
Number = Annotated[float, Field(allow_inf_nan=False), _number, Allowed("a number")]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False), _number, Allowed("a number, 0 or more")]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False), _number, Allowed("a number above 0")]
DecibelRange = Annotated[
    tuple[float, float],
    PlainValidator(_decibel_range),
    Allowed(f"two numbers in dB from -{LARGEST_DECIBELS} to {LARGEST_DECIBELS}, the lower one first"),
]
HertzRange = Annotated[
    tuple[float, float],
    PlainValidator(_positive_range),
    Allowed("two numbers above 0 in Hz, the lower one first, or empty"),
]
SecondsRange = Annotated[
    tuple[float, float],
    PlainValidator(_positive_range),
    Allowed("two numbers above 0 in seconds, the lower one first"),
]
ThreeCounts = Annotated[
    tuple[int, int, int], PlainValidator(_three_counts), Allowed("a list of three whole numbers, 1 or more")
]
Fraction = Annotated[float, Field(gt=0, lt=1), _number, Allowed("a fraction above 0 and below 1")]
SampleCount = Annotated[
    int | float,
    PlainValidator(_sample_count),
    Allowed("a number of clips (1 or more), a fraction between 0 and 1, or empty for all"),
]
HeldOutCount = Annotated[  # holding out all clips would leave nothing to train on: empty is the default here
    int | float,
    PlainValidator(_sample_count),
    Allowed("a number of clips (1 or more) or a fraction between 0 and 1"),
]
ModelKind = Literal["magnitude_mask", "complex_mask", "complex_spectrum"]
"""What a model makes of a spectrum; see `sezoo.models.spectra`."""
WindowChoice = Annotated[
    str | tuple[float, ...],
    PlainValidator(_window),
    Allowed("a name, a file of numbers (.npy, .txt, .csv), or a list of win_length numbers"),
]
OpsetVersion = Annotated[int, Field(ge=13, le=25), _number, Allowed("a whole number from 13 to 25")]
TrueFalse = Annotated[bool, Allowed("True, False")]
SymbolPrefix = Annotated[
    str,
    Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*$", max_length=40),
    BeforeValidator(text),
    Allowed("a name in C: a letter, then letters, digits and _, 40 at most"),
]
Text = Annotated[str, BeforeValidator(text), Allowed("text")]
ExecutorName = Annotated[
    str, PlainValidator(_executor), Allowed("local, dask:ADDRESS, ray, ray:ADDRESS, module:function")
]
ShardNumber = Annotated[tuple[int, int], PlainValidator(_shard), Allowed("i/n with 1 <= i <= n, or empty")]
PathList = Annotated[tuple[Path, ...], BeforeValidator(_paths), Allowed("a list of paths")]
PathText = Annotated[Path, BeforeValidator(_path), Allowed("a path")]
InnerPath = Annotated[Path, BeforeValidator(_inner_path), Allowed("a path inside the run's folder")]
OutputPath = Annotated[
    Path, BeforeValidator(_output_path), Allowed("a path inside the run's folder, or an absolute one")
]
FileName = Annotated[str, BeforeValidator(_file_name), Allowed("the name of a file")]
ModelPath = Annotated[
    Path | str, PlainValidator(_model_path), Allowed("the path or the https:// address of an ONNX model")
]
Names = Annotated[tuple[str, ...], BeforeValidator(_names), Allowed("a list of names")]
MetricName = Annotated[str, Registered(METRICS)]
MetricNames = Annotated[
    tuple[MetricName, ...], Field(min_length=1), BeforeValidator(_metrics), Also(f"^({'|'.join(METRIC_ALIASES)})$")
]
LossName = Annotated[str, Registered(LOSSES)]
LayoutName = Annotated[str, Registered(LAYOUTS)]
NetworkName = Annotated[str, Registered(NETWORKS, ("Custom",))]
QuantizationTarget = Annotated[str, Registered(TARGETS)]
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
PlayNames = Annotated[
    tuple[Literal["whole", "patches", "board", "stream", "tflm"], ...], Field(min_length=1), BeforeValidator(_names)
]
BenchmarkTarget = Literal[
    "host", "cortex-m55", "cortex-m7", "cortex-m4", "cortex-m33", "ethos-u55-32", "ethos-u55-64", "ethos-u55-128",
    "ethos-u55-256", "ethos-u65-256", "ethos-u65-512", "ethos-u85-128", "ethos-u85-256", "ethos-u85-512",
    "ethos-u85-1024", "ethos-u85-2048", "stedgeai", "all",
]  # fmt: skip
TargetNames = Annotated[
    tuple[BenchmarkTarget, ...],
    Field(min_length=1),
    BeforeValidator(_names),
]
Share = Annotated[float, Field(ge=0, le=1), _number, Allowed("a share from 0 to 1")]
Step = Literal[
    "operators", "int16_input", "split_input", "int16_states", "int16_activations", "input_floor", "equalization",
    "ranges", "rounding", "bias_correction", "fallback",
]  # fmt: skip
STEPS: tuple[str, ...] = get_args(Step)
StepName = Literal["auto", "none", Step]
StepNames = Annotated[tuple[StepName, ...], Field(min_length=1), BeforeValidator(_names)]
Settings = Annotated[dict[str, Any], BeforeValidator(literal), Allowed("a mapping of names to values")]
StatePairs = Annotated[dict[str, str], BeforeValidator(_text_pairs), Allowed("a mapping of names to names")]


IntegerType = Annotated[
    Literal["Int4", "UInt4", "Int8", "UInt8", "Int16", "UInt16"],
    BeforeValidator(_integer_type),
    Also(r"^(QuantType\.)?Q?[uU]?[iI][nN][tT](4|8|16)$"),
]
