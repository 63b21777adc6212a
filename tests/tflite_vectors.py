"""Integers of small static models, patch by patch and frame by frame, in TensorFlow Lite's rounding."""

import numpy as np

from int8_graphs import FORMS, patches
from sezoo.deployment.engine.interpreter import run_tensors
from sezoo.deployment.engine.prologue import run_prologue
from sezoo.deployment.engine.stream_plan import stream_integers, stream_plan
from sezoo.deployment.engine.tflite_arithmetic import TFLITE
from sezoo.deployment.tflite.vectors import Vectors

OF_16_BITS = ("uint16", "int16", "int16, added", "int16 pow")
OF_8_BITS = [form for form in FORMS if form not in OF_16_BITS]


def of_patches(graph, arithmetic=TFLITE, magnitudes=None):
    given = patches() if magnitudes is None else magnitudes
    entries = [run_prologue(graph.prologue, np.ascontiguousarray(patch.T)) for patch in given]
    inputs = tuple(tuple(each[tensor.name] for tensor in graph.inputs) for each in entries)
    outputs = tuple(run_tensors(graph, each, arithmetic)[graph.output.name] for each in entries)
    return Vectors(inputs, outputs, 0)


def of_stream(graph, magnitude=None):
    magnitude = np.concatenate(patches(), axis=1) if magnitude is None else magnitude
    calls = list(stream_integers(graph, magnitude, 1, TFLITE))
    inputs = tuple(tuple(entries[tensor.name] for tensor in graph.inputs) for entries, _ in calls)
    return Vectors(inputs, tuple(output for _, output in calls), stream_plan(graph).lag[graph.output.name])
