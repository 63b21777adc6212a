"""References to models that can be passed to worker processes and opened there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sezoo.config.section import Section
from sezoo.config.sections import Model
from sezoo.models.mask_model import MaskFunction, MaskModel

__all__ = ["ModelSource", "OnnxSource", "TorchSource", "open_model"]


@dataclass(frozen=True)
class OnnxSource:
    """An ONNX file.

    Attributes
    ----------
    display_name : the file that messages name, where `path` is a copy made for the run.
    states : state outputs by state inputs, as the file or the configuration has them.
    kind : what it makes, as the file or the configuration says; None leaves that to the model.
    """

    path: Path
    display_name: Path | None = None
    states: Mapping[str, str] = field(default_factory=dict)
    kind: str | None = None


@dataclass(frozen=True)
class TorchSource:
    """A torch network and its weights, as the configuration describes them."""

    model: Model
    model_specific: Section
    device: str
    n_fft: int


ModelSource = OnnxSource | TorchSource


def open_model(source: ModelSource) -> MaskFunction:
    """Load the model, to run on one CPU thread (torch: on its device).

    Raises
    ------
    UserError : it cannot be loaded.
    """
    if isinstance(source, OnnxSource):
        return MaskModel(source.path, source.display_name, source.states, source.kind)
    from sezoo.models.torch.mask_model import torch_mask_model  # torch takes seconds to load

    return torch_mask_model(source.model, source.model_specific, source.device, n_fft=source.n_fft, threads=1)
