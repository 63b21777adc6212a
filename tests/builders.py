"""Small models, recordings and configurations that the tests make for themselves."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import soundfile
import yaml
from onnx import TensorProto, helper, numpy_helper

from sezoo.audio.clip import BadClipError, read_clip
from sezoo.audio.stft import Stft
from sezoo.data.dataset import usable_ones

RATE = 16000


def mask_graph(
    *, bins: int = 257, batch: str | int = "batch", frames: str | int = "seq_len", inputs: int = 1, seed: int = 0
) -> onnx.ModelProto:
    """Magnitudes (batch, bins, frames) to a mask of that shape: Conv 1x1 - Relu - Conv 1x1 - Sigmoid."""
    random, hidden = np.random.default_rng(seed), 8

    def weights(name: str, *shape: int) -> TensorProto:
        return numpy_helper.from_array((random.standard_normal(shape) / 16).astype(np.float32), name)

    nodes = [
        helper.make_node("Conv", ["x", "w1", "b1"], ["c1"], kernel_shape=[1]),
        helper.make_node("Relu", ["c1"], ["r1"]),
        helper.make_node("Conv", ["r1", "w2", "b2"], ["c2"], kernel_shape=[1]),
        helper.make_node("Sigmoid", ["c2"], ["mask"]),
    ]
    initializers = [
        *(weights("w1", hidden, bins, 1), weights("b1", hidden)),
        *(weights("w2", bins, hidden, 1), weights("b2", bins)),
    ]
    axes = (batch, bins, frames)
    sources = [helper.make_tensor_value_info(name, TensorProto.FLOAT, axes) for name in ("x", "x2", "x3")[:inputs]]
    target = helper.make_tensor_value_info("mask", TensorProto.FLOAT, axes)
    graph = helper.make_graph(nodes, "mask", sources, [target], initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return model


def time_convolution(kernel: int, dilation: int, pads: list[int]) -> onnx.ModelProto:
    """A depthwise convolution over time alone, of ones, on five bins."""
    weight = numpy_helper.from_array(np.ones((5, 1, kernel), np.float32), "w")
    node = helper.make_node("Conv", ["x", "w"], ["y"], group=5, pads=pads, dilations=[dilation])
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ("b", 5, "t")) for name in "xy"]
    graph = helper.make_graph([node], "g", ends[:1], ends[1:], [weight])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


class Unity:
    """A mask that changes nothing, of a static or a dynamic length; it keeps what it has seen."""

    path, batch, input_quantizer, stateful = Path("unity"), None, None, False

    def __init__(self, frames: int | None = None):
        self.frames = frames
        self.seen: list[np.ndarray] = []

    def __call__(self, magnitude: np.ndarray) -> np.ndarray:
        self.seen.append(magnitude.copy())
        return np.ones_like(magnitude)


class Deadly(Stft):
    """A transform that ends the process that uses it, as the system does when memory runs out."""

    @property
    def min_samples(self) -> int:
        os._exit(9)


def write_model(path: Path, **options: Any) -> Path:
    """`mask_graph` as a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(mask_graph(**options), path)
    return path


def noise(seconds: float = 0.5, rate: int = RATE, channels: int = 1, seed: int = 0) -> np.ndarray:
    """White noise, (samples,) or (samples, channels) float32, well within full scale."""
    shape = (round(seconds * rate), channels) if channels > 1 else (round(seconds * rate),)
    return np.random.default_rng(seed).uniform(-0.5, 0.5, shape).astype(np.float32)


def write_clips(folder: Path, names: str, *, rate: int = RATE, channels: int = 1, seconds: float = 0.5) -> list[Path]:
    """Recordings of noise with these names (separated by blanks), each another noise."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / name for name in names.split()]
    for seed, path in enumerate(paths):
        soundfile.write(path, noise(seconds, rate, channels, seed), rate)
    return paths


def write_speech_and_noise(folder: Path) -> Path:
    """Ten recordings of speech/, of 0.6 to 1.5 s, and six of noise/, of 0.2 to 1.2 s, in subfolders."""
    for index in range(10):
        write_clips(folder / "speech" / f"speaker{index % 3}", f"{index}.flac", seconds=0.6 + index / 10)
    for index in range(6):
        write_clips(folder / "noise" / "street", f"{index}.wav", seconds=0.2 + index / 5)
    return folder


def mix(folder: Path, **changes: Any) -> dict[str, Any]:
    """A data set of `write_speech_and_noise`."""
    paths = {"speech_path": folder / "speech", "noise_path": folder / "noise"}
    return {"name": "mix", **paths, "clip_seconds": 1.0, "num_validation_samples": 4, **changes}


def write_yaml(path: Path, content: Any) -> Path:
    """A configuration file of this content, nested containers or text."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = content if isinstance(content, str) else yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
    path.write_text(text, encoding="utf-8")
    return path


def quantization_config(**changes: dict[str, Any] | None) -> dict[str, Any]:
    """A small quantization of model.onnx on the clips in clean/ and noisy/; `changes` by section, None removes one."""
    config: dict[str, Any] = {
        "operation_mode": "quantization",
        "model": {"onnx_path": "model.onnx"},
        "dataset": {"name": "custom", "noisy_train_files_path": "noisy", "clean_train_files_path": "clean"},
        "preprocessing": {},
        "quantization": {"num_quantization_samples": 4, "static_sequence_length": 8},
        "mlflow": {"uri": None},
    }
    for section, entries in changes.items():
        if entries is None:
            del config[section]
        else:
            config[section] = {**config.get(section, {}), **entries}
    return config


def plain_quantization_config(**changes: dict[str, Any] | None) -> dict[str, Any]:
    """`quantization_config` without accuracy recovery, which would take longer than all the rest."""
    config = quantization_config(**changes)
    return {**config, "quantization": {"accuracy_recovery": "none", **config["quantization"]}}


def evaluation_config(**changes: dict[str, Any] | str | None) -> dict[str, Any]:
    """A small evaluation of model.onnx on the clips in noisy/ and clean/; `changes` as for `quantization_config`."""
    dataset = {"name": "custom", "noisy_test_files_path": "noisy", "clean_test_files_path": "clean"}
    training = {"noisy_train_files_path": "noisy", "clean_train_files_path": "clean"}
    config: dict[str, Any] = {
        "operation_mode": "evaluation",
        "model": {"onnx_path": "model.onnx"},
        "dataset": {**dataset, **training},
        "preprocessing": {},
        "evaluation": {"metrics": ["snr", "si_snr", "mse"], "num_workers": 1, "remember_noisy_scores": False},
        "mlflow": {"uri": None},
    }
    for section, entries in changes.items():
        if entries is None:
            del config[section]
        else:
            config[section] = {**config.get(section, {}), **entries} if isinstance(entries, dict) else entries
    return config


def read_clips(paths: Sequence[Path], rate: int = RATE, *, skip_bad: bool) -> Iterator[tuple[Path, np.ndarray]]:
    """The clips that can be used, one at a time, as services have them."""

    def outcome(path: Path) -> tuple[Path, np.ndarray] | BadClipError:
        try:
            return path, read_clip(path, rate)
        except BadClipError as bad:
            return bad

    return usable_ones(map(outcome, paths), len(paths), skip_bad=skip_bad)
