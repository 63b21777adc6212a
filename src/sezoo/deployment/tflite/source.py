"""A static int8 model as TFLite Micro computes it, for inference: in numpy, without any package."""

from __future__ import annotations

from dataclasses import dataclass

from sezoo.deployment.engine.reference import IntegerMasks
from sezoo.deployment.engine.tflite_arithmetic import TFLITE
from sezoo.deployment.tflite.lowerable import tflite_graph_of
from sezoo.models.onnx_file import load_onnx
from sezoo.models.source import OnnxSource

__all__ = ["TfliteSource", "open_tflite"]


@dataclass(frozen=True)
class TfliteSource(OnnxSource):
    """A static int8 ONNX file whose integers are to be TFLite Micro's; it can be handed to a worker process."""


def open_tflite(source: TfliteSource) -> IntegerMasks:
    """The model, which takes patches of its own length.

    Raises
    ------
    UserError : it is no static int8 model, or TensorFlow Lite has not all of its operators.
    """
    path = source.display_name or source.path
    return IntegerMasks(tflite_graph_of(load_onnx(source.path), path), path, TFLITE)
