"""The names that parameters take, for type checkers and editors; the configuration says which there really are."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, TypeAlias

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

BenchmarkTarget: TypeAlias = Literal[
    "host", "cortex-m55", "cortex-m7", "cortex-m4", "cortex-m33", "ethos-u55-32", "ethos-u55-64", "ethos-u55-128",
    "ethos-u55-256", "ethos-u65-256", "ethos-u65-512", "ethos-u85-128", "ethos-u85-256", "ethos-u85-512",
    "ethos-u85-1024", "ethos-u85-2048", "stedgeai", "all",
]  # fmt: skip
"""Where a model is measured."""

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
