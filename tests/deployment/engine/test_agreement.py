from dataclasses import replace

import numpy as np
import pytest

from int8_graphs import FORMS, FRAMES, PATH, patches
from sezoo.deployment.engine.agreement import Agreement, agreement
from sezoo.deployment.engine.conv import Conv
from sezoo.deployment.engine.operators import LookupTable
from sezoo.deployment.engine.qdq_reader import integer_graph_of
from sezoo.results.deployment import OperatorAgreement


def read(form):
    model = FORMS[form]()
    return integer_graph_of(model, PATH), model


def changed(graph, name, change):
    """The graph with one operator changed."""
    operators = tuple(change(each) if each.output.name == name else each for each in graph.operators)
    assert operators != graph.operators
    return replace(graph, operators=operators)


def test_a_wrong_operator_is_the_only_one_that_is_found():
    """Every operator is fed onnxruntime's integers, not those of the operator before."""
    graph, model = read("depthwise")

    def one_step_up(operator):
        return replace(operator, bias=operator.bias + np.rint(1 / operator.multiplier).astype(np.int64))

    found = agreement(changed(graph, "b1.out", one_step_up), model, patches())
    wrong = next(each for each in found.operators if each.name == "b1.out")
    assert wrong.largest in (1, 2)  # a step, and one of rounding
    assert wrong.differing > 0.9 * wrong.values
    assert all(each.differing <= 3 for each in found.operators if each is not wrong)
    assert found.largest == wrong.largest
    assert found.mean_mask_difference > 1e-4


def test_all_integers_are_counted():
    graph, model = read("depthwise")
    found = agreement(graph, model, patches(count=2))
    assert [each.values for each in found.operators] == [2 * FRAMES * op.output.items for op in graph.operators]


def test_a_wrong_table_is_found_by_its_size():
    graph, model = read("depthwise")
    name = graph.operators[-1].output.name

    def inverted(operator):
        assert isinstance(operator, LookupTable)
        return replace(operator, table=operator.table[::-1].copy())

    found = agreement(changed(graph, name, inverted), model, patches())
    assert found.operators[-1].largest > 50
    assert found.mean_mask_difference > 0.05


@pytest.mark.parametrize("form", ["cut off by Slice", "uint8", "uint16", "Slice, Gather, Split", "Pad of images"])
def test_every_convolution_is_compared(form):
    """Also where onnxruntime's tensor is longer than the patch, unsigned, or in another order."""
    graph, model = read(form)
    for operator in graph.operators:
        if isinstance(operator, Conv):
            wrong = changed(graph, operator.output.name, lambda each: replace(each, bias=each.bias + 10**6))
            found = {each.name: each for each in agreement(wrong, model, patches(count=1)).operators}
            assert found[operator.output.name].largest > 1, operator.name


def test_share_and_largest():
    found = Agreement((OperatorAgreement("a", 1, 100, 1), OperatorAgreement("b", 3, 300, 2)), 0.0)
    assert found.share == 0.01
    assert found.largest == 2
    assert Agreement((), 0.0).share == Agreement((), 0.0).largest == 0


def test_the_model_is_not_changed():
    graph, model = read("uint8")
    before = model.SerializeToString()
    agreement(graph, model, patches(count=1))
    assert model.SerializeToString() == before
