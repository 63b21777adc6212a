"""Additions of LiteRT's default kernels: which pairs they round apart, and scales with which they do not."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from int8_graphs import FORMS, PATH, patches
from sezoo import zoo
from sezoo.deployment.engine.arithmetic import ONNXRUNTIME
from sezoo.deployment.engine.conv import Conv
from sezoo.deployment.engine.integer_graph import IntegerGraph
from sezoo.deployment.engine.interpreter import run_graph
from sezoo.deployment.engine.operators import Elementwise
from sezoo.deployment.engine.qdq_reader import integer_graph_of
from sezoo.deployment.engine.tensor import Tensor
from sezoo.deployment.engine.tflite_arithmetic import weight_scales
from sezoo.deployment.tflite import additions
from sezoo.deployment.tflite import operators as tf
from sezoo.deployment.tflite.additions import lost_factors, pairs_rounded_apart, with_agreeing_additions
from sezoo.deployment.tflite.flatbuffer import flatbuffer_of
from sezoo.deployment.tflite.graph import TfliteGraph
from sezoo.deployment.tflite.proof import has_litert
from sezoo.models.onnx_file import load_onnx

FORM = "Add, Sub, Mul"
SEEDS = (1, 6, 8, 15, 26)
"""Of random scales with which a pair or more is rounded apart."""


def addition(seed, sign=1):
    """A sum of two tensors by random scales."""
    rng = np.random.default_rng(seed)
    scales, zeros = rng.uniform(0.01, 0.1, 3).astype(np.float32), rng.integers(-20, 20, 3)
    tensors = (Tensor(name, 4, scale, int(zero)) for name, scale, zero in zip("abc", scales, zeros, strict=True))
    factors = (scales[0], np.float32(sign * scales[1]))
    return Elementwise("add", "sum", *tensors, factors, np.float32(1 / scales[2]), -128, 127)


def graph_of(operator):
    """Nothing but an addition, of tensors whose scales are free."""
    there = (Tensor("in", 4, np.float32(1), 0), Tensor("out", 4, np.float32(1), 0))
    return IntegerGraph(4, 1, (), there[:1], (operator,), there[1], None, np.arange(4))


@pytest.mark.skipif(not has_litert(), reason="ai-edge-litert is not installed")
@pytest.mark.parametrize("sign", [1, -1])
def test_the_pairs_are_those_of_litert(sign):
    from ai_edge_litert.interpreter import Interpreter

    told, found = [], []
    every = np.arange(-128, 128, dtype=np.int8)
    a, b = np.meshgrid(every, every)
    for seed in SEEDS:
        operator, file = addition(seed, sign), TfliteGraph()
        tensors = (operator.a, operator.b, operator.output)
        places = [file.tensor(each.name, (1, 256, 1, 256), np.int8, each.scale, each.zero_point) for each in tensors]
        file.add(tf.ADD if sign > 0 else tf.SUB, places[:2], places[2])
        file.inputs, file.outputs = places[:2], places[2:]
        interpreter = Interpreter(model_content=flatbuffer_of(file, "test"))
        interpreter.allocate_tensors()
        for there, values in zip(interpreter.get_input_details(), (a, b), strict=True):
            interpreter.set_tensor(there["index"], values.reshape(there["shape"]))
        interpreter.invoke()
        made = interpreter.get_tensor(interpreter.get_output_details()[0]["index"]).reshape(256, 256)
        found.append(int(np.count_nonzero(made != ONNXRUNTIME.elementwise(operator, a, b))))
        told.append(pairs_rounded_apart(operator))
    assert told == found and max(told) > 0


def test_most_additions_agree_by_scales_that_are_hardly_others():
    before = [addition(seed) for seed in SEEDS]
    after = [with_agreeing_additions(graph_of(each)).operators[0] for each in before]
    assert sum(map(pairs_rounded_apart, after)) < sum(map(pairs_rounded_apart, before)) / 3
    for old, new in zip(before, after, strict=True):
        assert pairs_rounded_apart(new) <= pairs_rounded_apart(old)
        for one, other in zip((old.a, old.b, old.output), (new.a, new.b, new.output), strict=True):
            assert other.scale == pytest.approx(one.scale, rel=5e-6)
            assert replace(other, scale=one.scale) == one


def test_our_integers_and_multipliers_stay():
    graph = integer_graph_of(FORMS[FORM](), PATH)
    changed = with_agreeing_additions(graph)
    np.testing.assert_array_equal(run_graph(changed, patches(1)[0]), run_graph(graph, patches(1)[0]))
    made = {operator.output.name: operator.output for operator in changed.operators} | {
        tensor.name: tensor for tensor in changed.entries
    }
    for operator in changed.operators:
        assert all(tensor == made[tensor.name] for tensor in operator.inputs)
        if isinstance(operator, Conv):
            back = operator.input.scale * weight_scales(operator) / operator.output.scale
            np.testing.assert_allclose(back, operator.multiplier, rtol=1.3e-7)


def test_convolutions_keep_more_of_their_factors_than_with_scales_that_suit_the_additions_alone(monkeypatch):
    """On a shipped model, whose factors all come back from its own scales."""
    path = Path(zoo.__file__).parent / "utcn_small" / "utcn_small_int8_static.onnx"
    graph = integer_graph_of(load_onnx(path), path)

    def lost_share(graph):
        convs = [each for each in graph.operators if isinstance(each, Conv)]
        return sum(lost_factors(each) / len(each.multiplier) for each in convs)

    chosen = with_agreeing_additions(graph)
    monkeypatch.setattr(additions, "LOST_FACTORS", 0)
    alone = with_agreeing_additions(graph)
    assert lost_share(graph) == 0 < lost_share(chosen) < lost_share(alone) / 4


def test_scales_that_others_depend_on_stay():
    operator = addition(1)
    kept = replace(graph_of(operator), entries=(operator.a, operator.b), result=operator.output)
    assert with_agreeing_additions(kept).operators[0].inputs == (operator.a, operator.b)
    assert with_agreeing_additions(kept).operators[0].output == operator.output
