"""The complete configuration. `modes` defines what each operation mode requires.

The sections themselves are in the files `sections_*` beside this one; everything is importable here.
"""

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr

from sezoo.base.errors import UserError
from sezoo.config.section import Section
from sezoo.config.sections_board import Benchmarking, Deployment, HardwareSetup, STEdgeAI, Tools
from sezoo.config.sections_data import Dataset, General, MLflow, Preprocessing, Tracking
from sezoo.config.sections_model import (
    ConvLstmSpecific,
    CustomModelSpecific,
    Model,
    ModelSpecific,
    NetworkShape,
    UgruSpecific,
    UtcnSpecific,
)
from sezoo.config.sections_services import Evaluation, ExtraOptions, Prediction, Quantization
from sezoo.config.sections_training import Regularization, Scheduler, Training
from sezoo.config.version_4 import respell

__all__ = [
    "NETWORKS",
    "SECTIONS",
    "Benchmarking",
    "Config",
    "ConvLstmSpecific",
    "CustomModelSpecific",
    "Dataset",
    "Deployment",
    "Evaluation",
    "ExtraOptions",
    "General",
    "HardwareSetup",
    "MLflow",
    "Model",
    "ModelSpecific",
    "NetworkShape",
    "Prediction",
    "Preprocessing",
    "Quantization",
    "Regularization",
    "STEdgeAI",
    "Scheduler",
    "Tools",
    "Tracking",
    "Training",
    "UgruSpecific",
    "UtcnSpecific",
]

SECTIONS: dict[str, type[Section]] = {
    "general": General,
    "model": Model,
    "model_specific": ModelSpecific,
    "dataset": Dataset,
    "preprocessing": Preprocessing,
    "training": Training,
    "quantization": Quantization,
    "evaluation": Evaluation,
    "prediction": Prediction,
    "tools": Tools,
    "benchmarking": Benchmarking,
    "deployment": Deployment,
    "mlflow": MLflow,
    "tracking": Tracking,
}


Keys = tuple[str | int, ...]
"""Where a value is in a configuration: `("mlflow", "uri")`."""

NETWORKS: dict[str, type[Section]] = {
    "STFTTCNN": ModelSpecific,
    "ConvLSTMDenoiser": ConvLstmSpecific,
    "UTCN": UtcnSpecific,
    "UGRU": UgruSpecific,
    "Custom": CustomModelSpecific,
}
"""The class of the section model_specific by the `model.model_type`."""


class Config(BaseModel):
    """A checked configuration. Sections missing from the file are None, or hold their defaults if these suffice."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=(), defer_build=True)

    operation_mode: str = Field(description="What the run does.")
    general: General = Field(default_factory=General)
    model: Model | None = None
    model_specific: ModelSpecific | ConvLstmSpecific | UtcnSpecific | UgruSpecific | CustomModelSpecific = Field(
        default_factory=ModelSpecific
    )
    dataset: Dataset | None = None
    preprocessing: Preprocessing = Field(default_factory=Preprocessing)
    training: Training | None = None
    quantization: Quantization | None = None
    evaluation: Evaluation = Field(default_factory=Evaluation)
    prediction: Prediction = Field(default_factory=Prediction)
    tools: Tools = Field(default_factory=Tools)
    benchmarking: Benchmarking | None = None
    deployment: Deployment | None = None
    mlflow: MLflow = Field(default_factory=MLflow)
    tracking: Tracking = Field(default_factory=Tracking)

    _written: dict[Keys, str] = PrivateAttr(default_factory=dict)
    """The texts with environment variables in them, `${NAME}` as in the file: only these are written anywhere."""

    _names_in_file: dict[str, str] = PrivateAttr(default_factory=dict)
    """The user's names of keys that have others here, by these: version 4 of the model zoo has renamed some."""

    def name_in_file(self, key: str) -> str:
        """Return the user file's name for a key: `model.onnx_path` is `model.model_path` in version 4."""
        return self._names_in_file.get(key, key)

    def respell(self, error: UserError) -> None:
        """Replace key names in an error's message by those of the user's file."""
        error.message = respell(error.message, self._names_in_file)
