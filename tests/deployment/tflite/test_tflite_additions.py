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
from sezoo.deployment.engine.tflite_arithmetic import cost_of_neighbours, scales_for_factors, weight_scales
from sezoo.deployment.tflite import operators as tf
from sezoo.deployment.tflite.additions import NearPairs, pairs_rounded_apart
from sezoo.deployment.tflite.agreeing_scales import with_agreeing_scales
from sezoo.deployment.tflite.common_pairs import common_pairs, commonness_by_distance
from sezoo.deployment.tflite.flatbuffer import flatbuffer_of
from sezoo.deployment.tflite.graph import TfliteGraph
from sezoo.deployment.tflite.lowering import lower_graph
from sezoo.deployment.tflite.preparation import prepare_graph
from sezoo.deployment.tflite.proof import check_integers, has_litert, litert_outputs
from sezoo.models.onnx_file import load_onnx
from tflite_vectors import of_patches

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
    after = [with_agreeing_scales(graph_of(each), {}).operators[0] for each in before]
    assert sum(map(pairs_rounded_apart, after)) < sum(map(pairs_rounded_apart, before)) / 3
    for old, new in zip(before, after, strict=True):
        common = commonness_by_distance(old)
        assert NearPairs(old, common).cost(new) <= NearPairs(old, common).cost(old)
        for one, other in zip((old.a, old.b, old.output), (new.a, new.b, new.output), strict=True):
            assert other.scale == pytest.approx(one.scale, rel=8e-6)
            assert replace(other, scale=one.scale) == one


def test_the_pairs_that_are_left_are_the_rarer_ones():
    """Of two additions that differ in what is common alone, each has those pairs right that are common in it."""
    operator = addition(SEEDS[0])
    near = NearPairs(operator)
    apart = near.rounded_apart(operator)
    x, y = (int(each[apart][0]) for each in (near.x, near.y))
    common = np.full((256, 256), 1e-9)
    common[x + operator.a.zero_point + 128, y + operator.b.zero_point + 128] = 1
    chosen = with_agreeing_scales(graph_of(operator), {operator.name: common}).operators[0]
    assert NearPairs(operator, common).cost(operator) > 0.5 > NearPairs(operator, common).cost(chosen)


def test_pairs_are_counted_in_what_the_network_adds_up():
    graph = integer_graph_of(FORMS[FORM](), PATH)
    names = [each.name for each in graph.operators if isinstance(each, Elementwise) and each.kind == "add"]
    found = common_pairs(graph)
    assert names and list(found) == names
    for each in graph.operators:
        if each.name in found:
            table = found[each.name]
            assert table.shape == (256, 256) and table.min() > 0
            assert table.sum() == pytest.approx(each.output.items)


def test_our_integers_and_multipliers_stay():
    graph = integer_graph_of(FORMS[FORM](), PATH)
    changed = with_agreeing_scales(graph, common_pairs(graph))
    np.testing.assert_array_equal(run_graph(changed, patches(1)[0]), run_graph(graph, patches(1)[0]))
    made = {operator.output.name: operator.output for operator in changed.operators} | {
        tensor.name: tensor for tensor in changed.inputs
    }
    assert changed.output == made[graph.output.name]
    for operator in changed.operators:
        assert all(tensor == made[tensor.name] for tensor in operator.inputs)
        if isinstance(operator, Conv):
            back = operator.input.scale * weight_scales(operator) / operator.output.scale
            np.testing.assert_allclose(back, operator.multiplier, rtol=1.3e-7)


def test_a_neighbour_of_a_factor_costs_something_where_it_rounds_a_sum_to_another_integer():
    """Of all sums, one by one."""
    output = Tensor("out", 40, np.float32(1), -20)
    multiplier = np.random.default_rng(3).uniform(0.004, 0.02, 40).astype(np.float32)
    weights, bias = np.ones((1, 40, 1, 1, 1), np.int8), np.zeros(40, int)
    conv = Conv("conv", output, output, weights, bias, multiplier, 1, 1, -20, 127)
    sums = np.arange(-60000, 60000).astype(np.float32)
    for cost, end in zip(cost_of_neighbours(conv), (0, np.inf), strict=True):
        neighbour = np.nextafter(multiplier, np.float32(end))
        by_both = [np.clip(np.rint(sums[:, np.newaxis] * each), 0, 147) for each in (multiplier, neighbour)]
        np.testing.assert_array_equal(cost > 0, (by_both[0] != by_both[1]).any(axis=0))
        assert 0 < np.count_nonzero(cost) < 40


def test_of_the_neighbours_of_a_factor_the_one_is_taken_that_costs_less():
    source, output = np.float32(0.0513), np.float32(0.0671)
    multiplier = np.random.default_rng(4).uniform(0.004, 0.02, 500).astype(np.float32)
    dear, cheap = np.ones(500), np.zeros(500)
    for cost, end in (((dear, cheap), np.inf), ((cheap, dear), 0)):
        scales, costs = scales_for_factors(source, output, multiplier, np.stack(cost))
        back = source * scales / output
        lost = back != multiplier
        assert 0 < np.count_nonzero(lost) < 250
        wanted = np.nextafter(multiplier, np.float32(end))
        assert np.count_nonzero(back[lost] == wanted[lost]) > 0.9 * np.count_nonzero(lost)
        np.testing.assert_array_equal(costs, lost & (back != wanted))


@pytest.mark.skipif(not has_litert(), reason="ai-edge-litert is not installed")
def test_a_shipped_model_has_our_integers_by_the_default_kernels():
    path = Path(zoo.__file__).parent / "utcn_small" / "utcn_small_int8_static.onnx"
    graph = prepare_graph(integer_graph_of(load_onnx(path), path))
    low, rng = lower_graph(graph, path), np.random.default_rng(7)
    magnitudes = [np.exp(rng.normal(-2, 2, (257, graph.frames))).astype(np.float32) for _ in range(4)]
    vectors = of_patches(graph, ONNXRUNTIME, magnitudes)
    made = litert_outputs(flatbuffer_of(low.file, "test"), low, vectors, reference=False)
    assert check_integers("LiteRT", made, vectors) == sum(each.size for each in vectors.outputs) > 50_000


def test_scales_that_others_depend_on_stay():
    operator = addition(1)
    kept = replace(graph_of(operator), inputs=(operator.a, operator.b), output=operator.output)
    chosen = with_agreeing_scales(kept, {}).operators[0]
    assert chosen.inputs == (operator.a, operator.b)
    assert chosen.output == operator.output


def test_the_scale_of_a_result_is_free_where_a_table_gives_the_mask():
    operator = addition(1)
    graph = replace(graph_of(operator), inputs=(operator.a, operator.b), output=operator.output)
    chosen = with_agreeing_scales(replace(graph, mask_table=np.zeros(256, np.float32)), {})
    assert chosen.output == chosen.operators[0].output != operator.output
