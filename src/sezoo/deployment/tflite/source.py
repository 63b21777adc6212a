"""A static int8 model with TFLite Micro's arithmetic, emulated in numpy for inference."""

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
    """A static int8 ONNX file to run with TFLite Micro's arithmetic; it can be passed to a worker process."""


def open_tflite(source: TfliteSource) -> IntegerMasks:
    """Open the model for patches of its own length.

    Raises
    ------
    UserError : it is not a static int8 model, or it has an operator that TensorFlow Lite lacks.
    """
    path = source.display_name or source.path
    return IntegerMasks(tflite_graph_of(load_onnx(source.path), path), path, TFLITE)
