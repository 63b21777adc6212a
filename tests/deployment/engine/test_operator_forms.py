"""Operators that have an integer form by way of others: from float to integers, against onnxruntime."""

import numpy as np
import pytest

from int8_graphs import PATH, clips, patches
from operator_graphs import OPERATORS, plan_of
from sezoo.deployment.engine.agreement import agreement
from sezoo.deployment.engine.qdq_reader import integer_graph_of
from sezoo.models.mask_model import MaskModel
from sezoo.quantization.graph.qdq import quantized
from sezoo.quantization.graph.static_shape import with_static_shape

FRAMES = 20

HANDFUL = 3
"""Integers of a small tensor that may differ by a step, where one in ten thousand would be none."""

LEAST = {"mean over bins": 30, "norm of bins, affine": 30, "norm of channels": 28, "norm of a frame": 25}
"""dB of closeness where 8 bits behind an operator leave less than 33: random weights make outputs of every size."""


@pytest.mark.parametrize("name", OPERATORS)
def test_integers_are_those_of_onnxruntime(name):
    model = OPERATORS[name]()
    plan, settings = plan_of(model)
    magnitude = clips(1, 60, 3)[0]
    wanted = MaskModel(model).whole(magnitude)
    np.testing.assert_allclose(MaskModel(plan.model).whole(magnitude), wanted, atol=1e-5)
    int8 = quantized(plan, settings)
    error = MaskModel(int8).whole(magnitude) - wanted
    assert 10 * np.log10((wanted**2).sum() / (error**2).sum()) > LEAST.get(name, 33)
    static = with_static_shape(int8, FRAMES)
    found = agreement(integer_graph_of(static, PATH), static, patches(frames=FRAMES))
    assert found.mean_mask_difference < 1e-3
    for each in found.operators:
        assert each.values > 0 and each.largest <= 1 and each.differing <= max(HANDFUL, 1e-4 * each.values), each
