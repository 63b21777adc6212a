"""The sections about the network: model, and model_specific for each network."""

from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from sezoo.config.allowed import Hint
from sezoo.config.name_types import ModelKind, NetworkName
from sezoo.config.number_types import AtLeast0, ThreeCounts, UpTo1000, UpTo65536
from sezoo.config.path_types import ModelPath, PathText, WeightsPath
from sezoo.config.section import Section
from sezoo.config.value_types import Text, TrueFalse, lower_case
from sezoo.config.values import literal

__all__ = ["ConvLstmSpecific", "CustomModelSpecific", "Model", "ModelSpecific", "NetworkShape", "UtcnSpecific"]


class Model(Section):
    """The network that the run starts from."""

    model_type: NetworkName = Field(
        "STFTTCNN",
        description="Architecture: STFTTCNN and ConvLSTMDenoiser are the model zoo's, UTCN and UGRU are our own for "
        "int8; Custom is the class that model.custom names. A torch class of your own is built with the keys of "
        "model_specific.",
    )
    custom: Text | None = Field(
        None,
        description="Custom: your class, as path/to/file.py:ClassName or package.module:ClassName.",
    )
    state_dict_path: WeightsPath | None = Field(
        None,
        description="Weights to start training from or to evaluate: torch's, or those of a float ONNX model, which may "
        "be the name of one that comes with sezoo (utcn_small).",
    )
    onnx_path: ModelPath | None = Field(
        None,
        description="ONNX model to quantize, evaluate, benchmark or deploy; wins over state_dict_path in evaluation. "
        "An https:// address is downloaded once, into the user's cache. A name such as utcn_small is that of a model "
        "that comes with sezoo (sezoo zoo list).",
    )
    function: Text | None = Field(
        None,
        description="Evaluation: a Python function from a noisy waveform to a denoised one in place of a model, as "
        "path/to/file.py:name or package.module:name; see docs/python.md.",
    )
    denoised_path: PathText | None = Field(
        None,
        description="Evaluation: a folder of denoised recordings in place of a model, one for every clip of the test "
        "set by its name; each is aligned before it is scored.",
    )
    kind: ModelKind | None = Field(
        None,
        description="What an ONNX model makes of a spectrum: a mask of magnitudes, a complex mask, or the enhanced "
        "complex spectrum itself. Empty = as its input's axes, its output's name and a trial say.",
    )
    framework: Annotated[Literal["torch"], lower_case, Hint("no network of TensorFlow can be trained or run here")] = (
        Field("torch", description="What the network is trained in.")
    )


MOST_FRAMES = 100_000
"""That the dilated convolutions of a network may reach over: a quarter of an hour."""


class NetworkShape(Section):
    """Keys that all built-in networks share."""

    in_channels: UpTo65536 = Field(257, description="Bins of the spectrum, n_fft // 2 + 1.")


class LevelledShape(NetworkShape):
    """Keys of networks that can normalize their input by a running level."""

    level_frames: AtLeast0 = Field(
        0,
        description="Divide the magnitudes, compressed where the network compresses them, by their highest level in so "
        "many frames up to now, so that the mask does not depend on how loud a clip is; 0 does not.",
    )


class TcnShape(LevelledShape):
    """Keys of networks with residual temporal convolutions."""

    n_blocks: UpTo1000 = Field(2, description="Number of blocks.")
    num_layers: UpTo1000 = Field(3, description="Residual layers per block; each one widens the dilation.")
    tcn_latent_dim: UpTo65536 = Field(512, description="Channels inside a residual layer.")
    init_dilation: UpTo1000 = Field(2, description="Base of the dilation: init_dilation**i frames in layer i.")
    kernel_size: UpTo1000 = Field(3, description="Length of the depthwise kernel, in taps.")
    lookahead: AtLeast0 | None = Field(
        None,
        description="Frames ahead that the network sees, the rest of its reach lies behind; each is a hop of latency. "
        "Empty is as far ahead as back.",
    )
    causal: TrueFalse = Field(False, description="Use only past frames: a lookahead of 0.")

    @model_validator(mode="after")
    def _reach_is_possible(self) -> Self:
        steps = sum(self.init_dilation**layer for layer in range(self.num_layers))
        reach = self.n_blocks * (self.kernel_size - 1) * steps
        if reach > MOST_FRAMES:
            raise ValueError(
                f"num_layers: found {self.num_layers}, which with init_dilation: {self.init_dilation} and kernel_size: "
                f"{self.kernel_size} reaches over more than {MOST_FRAMES} frames; allowed: fewer layers"
            )
        return self


class ModelSpecific(TcnShape):
    """The shape of the STFT-TCNN network (with model_type Custom: any keys, given to your class)."""

    layer_activation: Literal["relu", "prelu"] = Field("relu", description="Activation inside the residual layers.")
    mask_activation: Literal["sigmoid", "tanh"] = Field("sigmoid", description="Activation that makes the mask.")


class BinUNetShape(LevelledShape):
    """Keys of networks with a U-Net over the bins."""

    compression: Literal["power", "copies"] = Field(
        "power",
        description="How the magnitudes are compressed: to the power 0.3, in float before the first int8 tensor, or as "
        "four copies of different gain that are cut off, by an int8 convolution, so that the NPU can run the network "
        "as a whole.",
    )


class UtcnSpecific(BinUNetShape, TcnShape):
    """The shape of the U-TCN network."""

    tcn_latent_dim: UpTo65536 = Field(256, description="Channels of the residual layers.")
    gru_units: UpTo65536 | None = Field(
        None,
        description="Units of a residual GRU layer after each block but the last, which remembers all frames before; "
        "it needs n_blocks of 2 or more. Empty = no such layer.",
    )
    channels: ThreeCounts = Field((16, 32, 48), description="Channels of the three convolutions over the bins.")


class UgruSpecific(BinUNetShape):
    """The shape of the U-GRU network."""

    gru_hidden_size: UpTo65536 = Field(64, description="Units of each GRU.")
    num_gru_layers: UpTo1000 = Field(2, description="Residual layers of a GRU and a 1x1 convolution.")
    channels: ThreeCounts = Field((8, 16, 24), description="Channels of the three convolutions over the bins.")


class ConvLstmSpecific(NetworkShape):
    """The shape of the ConvLSTMDenoiser network."""

    out_channels: UpTo65536 | None = Field(None, description="Bins of the mask: as many as in_channels, or empty.")
    lstm_hidden_size: UpTo65536 = Field(256, description="Size of the LSTM's state.")
    num_lstm_layers: UpTo1000 = Field(2, description="Layers of the LSTM.")
    mask_activation: Literal["sigmoid", "tanh"] = Field("sigmoid", description="Activation that makes the mask.")


class CustomModelSpecific(Section):
    """The keyword arguments of a user's own torch class; they are in `model_extra`."""

    model_config = ConfigDict(extra="allow")

    @model_validator(mode="before")
    @classmethod
    def _plain_values(cls, raw: object) -> object:
        return literal(raw)
