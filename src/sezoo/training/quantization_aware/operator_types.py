"""Type of the torch functions that implement ONNX operators."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

__all__ = ["Attributes", "Inputs", "Operator"]

Inputs = Sequence[torch.Tensor | None]
"""None for inputs that are left out."""


Attributes = Mapping[str, Any]


Operator = Callable[[Inputs, Attributes], torch.Tensor | Sequence[torch.Tensor]]
