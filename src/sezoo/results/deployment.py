"""Results of a deployment, `deployment.json`, for all backends: sizes, latency, agreement, and emulated runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from sezoo.results.names import DEPLOYMENT
from sezoo.results.result_file import ResultFile

__all__ = [
    "Application",
    "Deployment",
    "Emulated",
    "OnnxruntimeAgreement",
    "OperatorAgreement",
    "OperatorCost",
    "TfliteModel",
]


@dataclass(frozen=True)
class OperatorAgreement:
    """Agreement of an operator with onnxruntime: different integers, all integers, and the largest difference."""

    name: str
    differing: int
    values: int
    largest: int


@dataclass(frozen=True)
class OnnxruntimeAgreement:
    """The integers of the package's operators against onnxruntime's.

    Attributes
    ----------
    differing_share : of all integers.
    largest_difference : in steps.
    mean_mask_difference : of the whole network's masks, without a sign.
    """

    differing_share: float | None = None
    largest_difference: int | None = None
    mean_mask_difference: float | None = None
    operators: tuple[OperatorAgreement, ...] = ()


@dataclass(frozen=True)
class OperatorCost:
    """An operator of the program, and the instructions that it takes in a call."""

    name: str
    kind: str = ""
    instructions_per_call: float | None = None


@dataclass(frozen=True, kw_only=True)
class Emulated:
    """The run of the package on an emulated core.

    Attributes
    ----------
    core, kernels, compiler : what it was built for, and with.
    flash_bytes : of program and weights.
    ram_bytes : of all that is written to, `stack_bytes` among it.
    instructions_per_call : on average; of the spectra's transforms `instructions_of_spectra_per_call`.
    operators : in the order of the program.
    masks_compared : with those that numpy computes.
    wave_snr_db : of the core's waveform against numpy's; null where `waves_are_equal`, and where it cannot be told.
    """

    core: str = ""
    kernels: str = ""
    compiler: str = ""
    flash_bytes: int | None = None
    ram_bytes: int | None = None
    stack_bytes: int | None = None
    instructions_per_call: float | None = None
    instructions_of_the_longest_call: float | None = None
    instructions_of_spectra_per_call: float | None = None
    operators: tuple[OperatorCost, ...] = ()
    masks_compared: int | None = None
    masks_equal_the_reference: bool | None = None
    wave_snr_db: float | None = None
    waves_are_equal: bool = False


@dataclass(frozen=True, kw_only=True)
class TfliteModel:
    """A .tflite file.

    Attributes
    ----------
    file_bytes : of the file.
    operators : how many of each kind.
    integers_compared_with_litert, integers_compared_with_tflm : what LiteRT's reference kernels and TensorFlow Lite
        Micro gave, all of them equal to numpy's; null where they are not installed.
    tflm_arena_bytes : that TensorFlow Lite Micro took of its arena on this computer, records among it; null where it is
        not installed.
    ram_bytes : that arena, or what is enough by our own plan where it was not measured, and the working memory and the
        state of the C package around the network; without the stack.
    wave_snr_db : of the waveform that TFLite Micro's rounding gives against that of the C package; null where they are
        equal.
    """

    file_bytes: int | None = None
    operators: Mapping[str, int] = field(default_factory=dict)
    integers_compared_with_litert: int | None = None
    integers_compared_with_tflm: int | None = None
    tflm_arena_bytes: int | None = None
    ram_bytes: int | None = None
    wave_snr_db: float | None = None


@dataclass(frozen=True, kw_only=True)
class Application:
    """ST's application with the model in it.

    Attributes
    ----------
    board : that it is for.
    stedgeai : version of ST Edge AI that compiled the model; null with deployment.dry_run, as are the sizes.
    folder : in the run's, of generated files, logs, and the signed program.
    program_bytes : of the signed program, and `weights_bytes` of the model's weights, both in the external flash.
    flashed : whether both were written to the board.
    """

    board: str = ""
    stedgeai: str | None = None
    folder: str = ""
    program_bytes: int | None = None
    weights_bytes: int | None = None
    flashed: bool = False


@dataclass(frozen=True, kw_only=True)
class Deployment(ResultFile):
    """Results of a deployment.

    Attributes
    ----------
    model : name of its file.
    backend : portable-c, tflite or stm32n6.
    engine : stream or patch.
    frames_per_call : new ones.
    latency_samples, latency_ms : from the arrival of a sample to its output: look-ahead, window, and the call's block.
    arena_bytes, state_bytes : working memory of a call, and what is kept from call to call.
    macs_per_call : multiply-accumulates.
    parameters : of the model.
    onnxruntime : the package's integers against onnxruntime's.
    recording : that was denoised, in words.
    pesq : of it, as numpy ("reference") and as the core or TFLite Micro ("tflite") denoises it; empty where it cannot
        be scored.
    emulated : is not there where nothing was run.
    tflite : of the backend tflite alone, whose `arena_bytes` are those of the activations.
    application : of the backend stm32n6 alone.
    """

    file_name: ClassVar[str] = DEPLOYMENT

    model: str = ""
    backend: str = ""
    engine: str = ""
    frames_per_call: int | None = None
    latency_samples: int | None = None
    latency_ms: float | None = None
    arena_bytes: int | None = None
    state_bytes: int | None = None
    macs_per_call: int | float | None = None
    parameters: int | None = None
    onnxruntime: OnnxruntimeAgreement = field(default_factory=OnnxruntimeAgreement)
    recording: str = ""
    pesq: Mapping[str, float] = field(default_factory=dict)
    emulated: Emulated | None = None
    tflite: TfliteModel | None = None
    application: Application | None = None

    def to_dict(self) -> dict[str, Any]:
        """The content of the file, without the parts that this backend does not have."""
        content = super().to_dict()
        parts = ("emulated", "tflite", "application")
        return {key: value for key, value in content.items() if key not in parts or value is not None}
