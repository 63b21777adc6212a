"""The names of benchmark targets; nothing heavy is imported here, as `import sezoo` reads this file."""

from __future__ import annotations

from typing import Literal, TypeAlias

__all__ = ["BenchmarkTarget"]

BenchmarkTarget: TypeAlias = Literal[
    "host", "cortex-m55", "cortex-m7", "cortex-m4", "cortex-m33", "ethos-u55-32", "ethos-u55-64", "ethos-u55-128",
    "ethos-u55-256", "ethos-u65-256", "ethos-u65-512", "ethos-u85-128", "ethos-u85-256", "ethos-u85-512",
    "ethos-u85-1024", "ethos-u85-2048", "stedgeai", "all",
]  # fmt: skip
"""Where a model is measured."""
