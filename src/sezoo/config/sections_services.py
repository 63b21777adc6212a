"""The sections of the services that work on a model: quantization, evaluation, prediction."""

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, PlainSerializer, model_validator

from sezoo.config.allowed import Hint
from sezoo.config.name_types import InferenceModeNames, IntegerType, MetricNames, Names, QuantizationTarget, StepNames
from sezoo.config.number_types import (
    AtLeast0,
    AtLeast1,
    Frames,
    Lookahead,
    NotNegative,
    OpsetVersion,
    SampleCount,
    Share,
)
from sezoo.config.path_types import InnerPath, OutputPath, PathList, PathText
from sezoo.config.section import Section, TensorOverrides
from sezoo.config.value_types import ShardNumber, StatePairs, Text, TrueFalse, lower_case
from sezoo.config.values import literal, number

__all__ = ["Evaluation", "ExtraOptions", "Prediction", "Quantization"]

HostTarget = Annotated[Literal["host"], lower_case, Hint("other targets need a board, which is not used here")]


class ExtraOptions(Section):
    """The extra_options of onnxruntime's quantize_static, which has more of them than are listed here."""

    model_config = ConfigDict(extra="allow")

    CalibMovingAverage: TrueFalse | None = Field(
        None, description="MinMax: average the ranges of the clips instead of taking the widest. Empty = False."
    )
    WeightSymmetric: TrueFalse | None = Field(
        None, description="Weights whose zero point is 0. Empty = True, as the weights are signed."
    )
    ActivationSymmetric: TrueFalse | None = Field(None, description="Activations whose zero point is 0. Empty = False.")
    QuantizeBias: TrueFalse | None = Field(None, description="Biases as 32-bit integers. Empty = True.")
    SmoothQuant: TrueFalse | None = Field(
        None,
        description="Only False: quantization.accuracy_recovery: equalization evens out channels here, without the "
        "package that onnxruntime needs for it.",
    )
    SmoothQuantAlpha: Share | None = Field(None, description="Of SmoothQuant: of no effect without it.")
    SmoothQuantFolding: TrueFalse | None = Field(None, description="Of SmoothQuant: of no effect without it.")

    @model_validator(mode="before")
    @classmethod
    def _plain_values(cls, raw: Any) -> Any:
        return literal(raw)

    def as_mapping(self) -> dict[str, Any]:
        """Return the options that are set."""
        given = {key: value for key, value in self if key in self.model_fields_set and value is not None}
        return given | (self.model_extra or {})


class Quantization(Section):
    """From the float ONNX model to int8, once with dynamic axes and once with the board's fixed shape."""

    num_quantization_samples: SampleCount | None = Field(
        100,
        description="Clips of the training set, or of noisy_quantization_files_path, used for calibration; mix: clips "
        "to mix, empty = as many as there are recordings of speech to train on.",
    )
    random_seed: AtLeast0 | None = Field(None, description="Seed of that sampling; empty = dataset.random_seed.")
    num_workers: AtLeast1 | None = Field(
        None,
        description="Threads that read and run calibration clips, the same result with any number; empty = one for "
        "each processor that the run may use. Fewer need less memory.",
    )
    noisy_quantization_files_path: PathText | None = Field(
        None,
        description="Folder of noisy clips to calibrate with instead of the training set; if it holds none itself, "
        "those of the folders in it.",
    )
    static_sequence_length: Frames | None = Field(
        None,
        description="Frames per call of the fixed-shape model; empty = deployment's P + 2 K, or 30 new frames and on "
        "each side the look-ahead that the network's receptive field needs, 100 at most.",
    )
    static_axis_name: Text = Field("seq_len", description="Name of the model's dynamic time axis.")
    states: StatePairs = Field(
        {},
        description="States that a model hands from call to call: names of outputs by names of the inputs that take "
        "them in the next call; empty = those that the model file itself names, if any.",
    )
    quantizer: Annotated[
        Literal["onnx_quantizer"], lower_case, Hint("TFlite_converter needs TensorFlow, which is not used here")
    ] = Field("onnx_quantizer", description="What quantizes: onnxruntime's quantizer.")
    target_opset: OpsetVersion | None = Field(
        None, description="Opset that the model is converted to first; empty = the model's own, 13 at least."
    )
    per_channel: TrueFalse = Field(True, description="One weight scale per output channel instead of per tensor.")
    calibration_method: Literal["MinMax", "Entropy", "Percentile", "Distribution"] = Field(
        "MinMax", description="How the activation ranges are found."
    )
    op_types_to_quantize: Names | None = Field(None, description="ONNX operators to quantize; empty = all.")
    reduce_range: TrueFalse = Field(False, description="Weights of 7 bits, for CPUs whose int8 products saturate.")
    nodes_to_quantize: Names | None = Field(None, description="Names of the nodes to quantize; empty = all.")
    nodes_to_exclude: Names | None = Field(None, description="Names of nodes that stay in float.")
    weight_type: IntegerType = Field("Int8", description="Integers of the weights.")
    weight_bits: Annotated[Literal[8, 4], BeforeValidator(number)] | None = Field(
        None,
        description="4 is weight_type Int4, half the memory of 8; the steps of accuracy recovery are for both. Empty = "
        "as weight_type.",
    )
    activation_type: IntegerType = Field("Int8", description="Integers of the activations.")
    activation_bits: Annotated[Literal[8, 16], BeforeValidator(number)] | Literal["auto"] | None = Field(
        None,
        description="16: all activations that are rounded in 16 bits, symmetric, with weights as weight_type says, and "
        "twice the calibrated range. auto: those of which 8 bits cost accuracy, by measurement. Empty = as "
        "activation_type.",
    )
    weight_overrides: TensorOverrides = Field((), description="Weights whose integers are others, by their names.")
    activation_overrides: TensorOverrides = Field(
        (), description="Activations whose integers are others, by their names."
    )
    # Read as a section, each key with its type, and kept as a mapping, which is what onnxruntime takes.
    extra_options: Annotated[ExtraOptions, AfterValidator(ExtraOptions.as_mapping), PlainSerializer(dict)] = Field(
        {"CalibMovingAverage": True},  # type: ignore[assignment]
        description="See the section below. Where it is not set, CalibMovingAverage is True, but False in a file of "
        "version 4.",
    )
    target: QuantizationTarget | None = Field(
        None,
        description="What the int8 models are for: generic QDQ, the NPU of the STM32N6 (one int8 input tensor), "
        "integer kernels on any Cortex-M, or TensorFlow Lite; empty = as the board of benchmarking or deployment; "
        "else stm32n6 with model_type STFTTCNN, generic without.",
    )
    accuracy_recovery: StepNames = Field(
        ("auto",),
        description="auto tries steps one after the other and keeps what makes the denoised clips sound more like the "
        "float model's; none writes what onnxruntime would; or a list of steps to take without asking.",
    )
    max_float_macs: Share = Field(
        0.0,
        description="Share of the multiply-accumulates that may be left in float, or in 16 bits, where it helps most.",
    )
    sensitivity: TrueFalse = Field(
        False, description="Quantize one layer at a time as well, and rank what each costs (takes a while)."
    )

    @model_validator(mode="after")
    def _bits_are_those_of_the_type(self) -> Self:
        if self.activation_bits is not None and self.activation_type != "Int8":
            raise ValueError(
                f"activation_bits: found {self.activation_bits}, but activation_type is {self.activation_type}; leave "
                "one of them out"
            )
        if self.activation_bits == "auto" and self.accuracy_recovery == ("none",):
            raise ValueError(
                "activation_bits: found auto, which is a step of accuracy recovery, beside accuracy_recovery: none; "
                "allowed with none: 8 or 16"
            )
        if self.weight_bits is None:
            return self
        wanted = f"Int{self.weight_bits}"
        if "weight_type" in self.model_fields_set and self.weight_type != wanted:
            raise ValueError(
                f"weight_bits: found {self.weight_bits}, but weight_type is {self.weight_type}; leave one of them out"
            )
        self.__dict__["weight_type"] = wanted  # what is read everywhere; the section is frozen
        return self


class Evaluation(Section):
    """Scores of the denoised test set."""

    target: HostTarget = Field("host", description="What runs the model: host is this computer.")
    logs_path: InnerPath = Field(Path("eval_logs/"), description="Folder of the scores, inside the run's folder.")
    device: Text = Field(
        "auto", description="Device of a torch model: auto, cpu, cuda:0 ... ; ONNX models run on the CPU."
    )
    fixed_sequence_length: Frames | None = Field(
        None, description="Frames per call of the model: evaluates it in patches of that length; empty = as play_like."
    )
    metrics: MetricNames | None = Field(
        None,
        description="Metrics to score, dnsmos for the four of that name; empty = all of ours that need clean speech, "
        "or dnsmos where there is none.",
    )
    play_like: InferenceModeNames | None = Field(
        None,
        description="How the model is run: whole (the clip at once), patches (fixed lengths, stitched), board (as the "
        "program for deployment.backend runs it: ST's N6 application, or the C package), stream (as the C package's "
        "stream engine), tflm (patches of a static int8 model in the integers of TFLite Micro and "
        "Ethos-U); empty = whole, and for a static model also as it would be deployed.",
    )
    frames_per_patch: Frames | None = Field(
        None,
        description="New frames P of a patch; empty = deployment.frames_per_patch, or what the model's length gives.",
    )
    lookahead_frames: Lookahead | None = Field(
        None,
        description="Context frames K on each side of a patch; empty = deployment.lookahead_frames, what the model's "
        "length gives, or what the receptive field of a model without a fixed length needs.",
    )
    attenuation_limit_db: NotNegative | None = Field(
        None,
        description="Reduce anything by at most N dB, as deployment.attenuation_limit_db. Empty = that, where "
        "a model is run as deployed, else no limit.",
    )
    explain_deployment: TrueFalse = Field(
        False, description="Turn each setting of the board off in turn, and show what it costs."
    )
    gen_npy_input: TrueFalse = Field(
        False,
        description="Also write what goes into the model on each clip, as .npy files in the folder of its scores.",
    )
    gen_npy_output: TrueFalse = Field(False, description="The same for the masks that come out of the model.")
    robustness: TrueFalse = Field(
        False,
        description="Score the test pairs in 17 conditions as well (quiet, loud, reverberant, band-limited, clipped, "
        "clean, 0 to 20 dB SNR, babble), and warn where a model makes them worse; at most 50 pairs, drawn at random.",
    )
    num_workers: AtLeast1 | None = Field(
        None,
        description="Processes that score clips; empty = one for each processor that the run may use (a container's "
        "CPU quota counts).",
    )
    shard: ShardNumber | None = Field(
        None,
        description="Score one part of the test set: 2/8 is the second of eight, for batch schedulers; empty = all.",
    )
    parts: PathList = Field(
        (),
        description="Folders of evaluations of parts (shard): their scores are taken, and only the other clips scored.",
    )
    remember_noisy_scores: TrueFalse = Field(
        True, description="Keep the scores of the noisy clips themselves in the user's cache, for the next run."
    )


class Prediction(Section):
    """Denoised files of noisy ones."""

    target: HostTarget = Field("host", description="What runs the model: host is this computer.")
    input_path: PathText | None = Field(
        None, description="A recording, or a folder of them; empty = the noisy test clips of the dataset."
    )
    output_path: OutputPath = Field(
        Path("predictions"), description="Folder of the denoised files; a relative one is inside the run's folder."
    )
    format: Text | None = Field(
        None, description="Container of the denoised files, by its ending (wav, flac, ogg ...); empty = as the input."
    )
    play_like: Literal["whole", "patches", "board", "stream"] = Field(
        "whole",
        description="How the model is run: whole (the clip at once), patches (fixed lengths, stitched), board (as "
        "the program for deployment.backend runs it), stream (as the C package's stream engine).",
    )
    attenuation_limit_db: NotNegative | None = Field(
        None,
        description="Reduce anything by at most N dB, by leaving a share of the input in the output: 12 keeps "
        "some of the background. Empty = as deployed, where play_like is stream or board, else no limit.",
    )
    num_workers: AtLeast1 | None = Field(
        None, description="Processes that denoise recordings; empty = one for each processor that the run may use."
    )
    overwrite: TrueFalse = Field(False, description="Replace files that are there already instead of refusing.")
