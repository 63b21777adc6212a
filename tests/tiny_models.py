"""A small static int8 model of the kind of the STFT-TCNN, and what the tests need to deploy it and to measure it."""

import functools
import shutil

import onnx
import pytest

import mask_graphs as graphs
from builders import RATE
from quantizers import ours, quantization, ready
from sezoo.config.validation import build_config
from sezoo.quantization.graph.static_shape import with_static_shape

NEW, LOOKAHEAD = 26, 3  # the network looks ahead by 3 frames
FRAMES = NEW + 2 * LOOKAHEAD
SPECTRUM = {"n_fft": 64, "hop_length": 30, "win_length": 60}

needs_qemu = pytest.mark.skipif(shutil.which("qemu-system-arm") is None, reason="qemu-system-arm is not installed")
needs_arm_gcc = pytest.mark.skipif(shutil.which("arm-none-eabi-gcc") is None, reason="no GCC for Cortex-M is installed")


@functools.cache
def int8_model():
    """With dynamic axes."""
    prepared, op_types = ready(graphs.tcnn())
    return ours(prepared, graphs.magnitudes(*[60] * 3), op_types, quantization())


def static_model(frames=FRAMES):
    """Fixed to so many frames."""
    return with_static_shape(int8_model(), frames)


def write_tiny_model(path, frames=FRAMES):
    """The static int8 model as a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(static_model(frames), path)
    return path


def configuration(mode="deployment", *, model="model.onnx", sections=None, **deployment):
    """A configuration for the C package of the tiny model; `deployment` are keys of that section."""
    config = {
        "operation_mode": mode,
        "model": {"onnx_path": model},
        "preprocessing": {"sample_rate": RATE, **SPECTRUM},
        "dataset": {"name": "demo"},
        "deployment": {
            "backend": "portable-c",
            "frames_per_patch": NEW,
            "lookahead_frames": LOOKAHEAD,
            **deployment,
        },
        "mlflow": {"uri": None},
    }
    for name, entries in (sections or {}).items():
        config[name] = {**config.get(name, {}), **entries}
    return build_config(config)
