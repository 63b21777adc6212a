"""Operators that have an integer form by way of others: from float to integers, against onnxruntime."""

import numpy as np
import pytest

from attention_graphs import ATTENTION
from group_graphs import GROUPS
from int8_graphs import BINS, PATH, clips, patches
from operator_graphs import OPERATORS, cached_convolutions, plan_of
from selection_graphs import SELECTIONS
from sezoo.deployment.engine.agreement import agreement
from sezoo.deployment.engine.qdq_reader import integer_graph_of
from sezoo.deployment.engine.stream_plan import stream_masks
from sezoo.models.mask_model import MaskModel
from sezoo.quantization.graph.qdq import write_qdq
from sezoo.quantization.graph.static_shape import with_static_shape
from shift_graphs import SHIFTS

FRAMES = 20

NETWORKS = OPERATORS | ATTENTION | SELECTIONS | GROUPS | SHIFTS

HANDFUL = 3
"""Integers of a small tensor that may differ by a step, where one in ten thousand would be none."""

CURVED = 3
"""Steps of 16 bits that lines between points leave of a root, a sine or a sigmoid that is steep."""

STEEP = 256
"""The same of a root at 0, where it is steepest: of 65536 steps."""

LEAST = dict.fromkeys(
    (
        *("norm of a frame", "attention over channels", "sum of squares", "larger of two", "less of two"),
        *("neither of two", "einsum by group", "matrix for each bin", "matrix for each bin, left"),
        *("largest behind Abs", "largest behind Neg", "zeros, then a norm", "attention, heads beside frames"),
    ),
    30,
)
"""dB of closeness where 8 bits behind an operator leave less than 33: random weights make outputs of every size."""


JOINED_AT_THE_INPUT = "magnitudes a frame late"
"""One tensor in onnxruntime, and one for each delay here, of which single integers cannot be compared."""


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("name", NETWORKS)
def test_integers_are_those_of_onnxruntime(name, bits):
    model = NETWORKS[name]()
    plan, settings = plan_of(model, bits=bits)
    magnitude = clips(1, 60, 3)[0]
    wanted = MaskModel(model).whole(magnitude)
    np.testing.assert_allclose(MaskModel(plan.model).whole(magnitude), wanted, atol=1e-5)
    int8 = write_qdq(plan, settings)
    error = MaskModel(int8).whole(magnitude) - wanted
    assert 10 * np.log10((wanted**2).sum() / (error**2).sum()) > (LEAST.get(name, 33) if bits == 8 else 37)
    static = with_static_shape(int8, FRAMES)
    found = agreement(integer_graph_of(static, PATH), static, patches(frames=FRAMES))
    assert found.mean_mask_difference < 1e-3
    curved = (STEEP if "Sqrt" in name else CURVED) if bits == 16 and name in SELECTIONS | GROUPS | SHIFTS else 1
    for each in found.operators:
        assert (each.values > 0 or name == JOINED_AT_THE_INPUT) and each.largest <= curved, each
        if bits == 8:  # steps of 16 bits are finer than what float32 and lines between points leave
            assert each.differing <= max(HANDFUL, 1e-4 * each.values), each


@pytest.mark.parametrize("wide", [False, True])
def test_caches_of_convolutions_are_states(wide):
    model = cached_convolutions()
    static = with_static_shape(write_qdq(*plan_of(model, wide=wide)), 1)
    graph = integer_graph_of(static, PATH)
    states = graph.frame_loop.states
    assert sorted(state.before.items for state in states) == [BINS, 4 * 4 * BINS]
    assert sorted(state.before.bits for state in states) == [8, 16 if wide else 8]
    found = agreement(graph, static, patches(frames=FRAMES))
    assert found.largest <= 1 and found.mean_mask_difference < 1e-3
    magnitude = clips(1, 40, 3)[0]
    wanted = MaskModel(model).whole(magnitude)
    error = MaskModel(static).whole(magnitude) - wanted
    assert 10 * np.log10((wanted**2).sum() / (error**2).sum()) > 26  # four channels of 8 bits
    masks = np.concatenate(list(stream_masks(graph, magnitude[0], 5)), axis=1)
    assert np.abs(masks - MaskModel(static).whole(magnitude)[0]).mean() < 1e-4
