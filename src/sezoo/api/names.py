"""Literal types of parameter values, for type checkers and editors; the configuration defines the allowed values."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, TypeAlias

from sezoo.config.benchmark_target import BenchmarkTarget

__all__ = [
    "Backend",
    "BenchmarkTarget",
    "Engine",
    "EvaluationMode",
    "InferenceMode",
    "MetricName",
    "PathLike",
    "TargetName",
]

InferenceMode: TypeAlias = Literal["whole", "patches", "board", "stream"]
"""How a model is run: on whole clips, in patches, as on the board, or as the C package's stream engine does."""

EvaluationMode: TypeAlias = InferenceMode | Literal["tflm"]
"""How an evaluation runs a model: as above, or in the integers of TFLite Micro and Ethos-U."""

Backend: TypeAlias = Literal["portable-c", "tflite", "stm32n6"]
"""How a model gets onto a board."""

Engine: TypeAlias = Literal["stream", "patch"]
"""How the C package computes: every frame once, or whole patches."""

TargetName: TypeAlias = Literal["generic", "stm32n6", "cortex-m", "tflite"] | str
"""What int8 models are for: one of ours, that of a package, or `path/to/file.py:name`."""

MetricName: TypeAlias = (
    Literal[
        "pesq", "stoi", "estoi", "snr", "si_snr", "mse", "csig", "cbak", "covl",
        "dnsmos", "dnsmos_sig", "dnsmos_bak", "dnsmos_ovrl", "dnsmos_p808",
    ]
    | str
)  # fmt: skip
"""A metric: one of ours, that of a package, or `path/to/file.py:name`."""

PathLike: TypeAlias = str | Path
"""A file or a folder."""
