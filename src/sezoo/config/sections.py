"""The whole configuration: its sections, and what every operation mode needs of them.

The sections themselves are in `sections_data`, `sections_services` and `sections_board`; everything is importable here.
"""

from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

from sezoo.config.section import Section
from sezoo.config.sections_board import Benchmarking, Deployment, HardwareSetup, STEdgeAI, Tools
from sezoo.config.sections_data import (
    CustomModelSpecific,
    Dataset,
    General,
    MLflow,
    Model,
    ModelSpecific,
    Preprocessing,
)
from sezoo.config.sections_services import Evaluation, Quantization, Regularization, Training

__all__ = [
    "OPERATION_MODES",
    "REQUIRED_SECTIONS",
    "SECTIONS",
    "Benchmarking",
    "Config",
    "CustomModelSpecific",
    "Dataset",
    "Deployment",
    "Evaluation",
    "General",
    "HardwareSetup",
    "MLflow",
    "Model",
    "ModelSpecific",
    "OperationMode",
    "Preprocessing",
    "Quantization",
    "Regularization",
    "STEdgeAI",
    "Tools",
    "Training",
    "mode_problems",
    "steps",
]

OperationMode = Literal[
    "training",
    "evaluation",
    "quantization",
    "benchmarking",
    "deployment",
    "prediction",
    "chain_tqe",
    "chain_tqeb",
    "chain_eqe",
    "chain_eqeb",
    "chain_qb",
    "chain_qd",
]
OPERATION_MODES: tuple[str, ...] = get_args(OperationMode)

SECTIONS: dict[str, type[Section]] = {
    "general": General,
    "model": Model,
    "model_specific": ModelSpecific,
    "dataset": Dataset,
    "preprocessing": Preprocessing,
    "training": Training,
    "quantization": Quantization,
    "evaluation": Evaluation,
    "tools": Tools,
    "benchmarking": Benchmarking,
    "deployment": Deployment,
    "mlflow": MLflow,
}


class Config(BaseModel):
    """A checked configuration. Sections that are not in the file are None, or their defaults where those do."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=(), defer_build=True)

    operation_mode: OperationMode = Field(description="What the run does.")
    general: General = Field(default_factory=General)
    model: Model | None = None
    model_specific: ModelSpecific | CustomModelSpecific = Field(default_factory=ModelSpecific)
    dataset: Dataset | None = None
    preprocessing: Preprocessing = Field(default_factory=Preprocessing)
    training: Training | None = None
    quantization: Quantization | None = None
    evaluation: Evaluation = Field(default_factory=Evaluation)
    tools: Tools = Field(default_factory=Tools)
    benchmarking: Benchmarking | None = None
    deployment: Deployment | None = None
    mlflow: MLflow = Field(default_factory=MLflow)


# What each step needs in the file. The dataset of `q` may be replaced by quantization.noisy_quantization_files_path.
_STEP_SECTIONS: dict[str, tuple[str, ...]] = {
    "t": ("model", "dataset", "preprocessing", "training"),
    "e": ("model", "dataset", "preprocessing"),
    "q": ("model", "dataset", "preprocessing", "quantization"),
    "b": ("model", "benchmarking"),
    "d": ("model", "preprocessing", "deployment"),
    "p": ("model", "dataset", "preprocessing"),
}


def steps(mode: str) -> str:
    """The letters of a mode's steps, in order: `quantization` -> `q`, `chain_tqe` -> `tqe`."""
    return mode.removeprefix("chain_") if mode.startswith("chain_") else mode[0]


REQUIRED_SECTIONS: dict[str, tuple[str, ...]] = {
    mode: tuple(dict.fromkeys(section for step in steps(mode) for section in _STEP_SECTIONS[step]))
    for mode in OPERATION_MODES
}


def mode_problems(config: Config) -> list[str]:
    """What the operation mode still lacks or what does not fit together for it: one line each."""
    mode = config.operation_mode
    own_clips = config.quantization is not None and config.quantization.noisy_quantization_files_path is not None
    # With clips of its own the quantization step needs no data set; the other steps still do.
    spared = {"q"} if own_clips else set()
    needs_dataset = {step for step in steps(mode) if "dataset" in _STEP_SECTIONS[step]} - spared
    problems = []
    for section in REQUIRED_SECTIONS[mode]:
        if section in config.model_fields_set or (section == "dataset" and not needs_dataset):
            continue
        only_q = section == "dataset" and needs_dataset == {"q"}
        instead = " (or quantization.noisy_quantization_files_path)" if only_q else ""
        problems.append(f"{section}: operation_mode {mode} needs the section {section}{instead}")
    if config.model is not None:
        problems += _model_problems(config.model, mode)
    if config.dataset is not None:
        problems += _dataset_problems(config.dataset, mode, needs_dataset)
    if config.training is not None and "t" in steps(mode):
        problems += _training_problems(config, config.training)
    return problems


def _model_problems(model: Model, mode: str) -> list[str]:
    letters = steps(mode)
    if letters.startswith("t") or model.onnx_path is not None:
        return []
    if letters in ("e", "p"):
        if model.state_dict_path is not None:
            return []
        return [f"model.onnx_path: not set; operation_mode {mode} needs it, or model.state_dict_path"]
    return [f"model.onnx_path: not set; operation_mode {mode} needs it"]


_CUSTOM_PATHS: dict[str, tuple[str, ...]] = {
    "t": ("clean_train_files_path", "noisy_train_files_path"),
    "e": ("clean_test_files_path", "noisy_test_files_path"),
    "q": ("noisy_train_files_path",),
    "p": ("noisy_test_files_path",),
}


def _dataset_problems(dataset: Dataset, mode: str, needing_steps: set[str]) -> list[str]:
    match dataset.name:
        case "valentini":
            keys = ("root_folder",) if needing_steps else ()
        case "custom":
            keys = tuple(dict.fromkeys(key for step in "teqp" if step in needing_steps for key in _CUSTOM_PATHS[step]))
        case _:
            keys = ()
    return [
        f"dataset.{key}: not set; operation_mode {mode} needs it with dataset.name {dataset.name}"
        for key in keys
        if getattr(dataset, key) is None
    ]


def _training_problems(config: Config, training: Training) -> list[str]:
    problems = []
    spectrum = config.preprocessing
    bins = spectrum.n_fft // 2 + 1
    network = config.model_specific
    if isinstance(network, ModelSpecific) and network.in_channels != bins:
        problems.append(
            f"model_specific.in_channels: found {network.in_channels}; "
            f"preprocessing.n_fft {spectrum.n_fft} needs {bins} (n_fft // 2 + 1)"
        )
    if training.loss.startswith("wave_") and not spectrum.center:
        problems.append(f"training.loss: found {training.loss!r}; it needs preprocessing.center True")
    return problems
