"""TensorFlow Lite's rounding against gemmlowp's definitions, one integer at a time in Python."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from int8_graphs import FORMS, PATH
from sezoo.deployment.engine.conv import Conv
from sezoo.deployment.engine.operators import LookupTable
from sezoo.deployment.engine.qdq_reader import integer_graph_of
from sezoo.deployment.engine.tensor import Tensor
from sezoo.deployment.engine.tflite_arithmetic import (
    TFLITE,
    by_quantized_multiplier,
    requantized_table,
    weight_scales,
)


def one(x, real):
    """MultiplyByQuantizedMultiplier as its C++ reads."""
    fixed, exponent = _fixed(real)
    x <<= max(exponent, 0)
    product = x * fixed
    nudge = (1 << 30) if product >= 0 else 1 - (1 << 30)
    high = abs(product + nudge) // (1 << 31) * (1 if product + nudge >= 0 else -1)
    right = max(-exponent, 0)
    mask = (1 << right) - 1
    threshold = (mask >> 1) + (1 if high < 0 else 0)
    return (high >> right) + (1 if high & mask > threshold else 0)


def _fixed(real):
    mantissa, exponent = np.frexp(real)
    fixed = int(np.floor(float(mantissa) * 2**31 + 0.5))
    if fixed == 2**31:
        fixed, exponent = fixed // 2, exponent + 1
    return (0, 0) if exponent < -31 else (fixed, int(exponent))


@given(st.lists(st.integers(-(2**30), 2**30), min_size=1), st.floats(1e-12, 0.999999))
def test_a_multiplier_rounds_twice(values, real):
    made = by_quantized_multiplier(np.array(values), real)
    assert made.tolist() == [one(value, real) for value in values]


@given(st.integers(-(2**20), 2**20), st.floats(1, 500))
def test_multipliers_above_one_shift_to_the_left(value, real):
    assert by_quantized_multiplier(np.array([value]), real).tolist() == [one(value, real)]


def test_ties_go_up_where_the_first_rounding_makes_them():
    """0.25 of an odd number twice two: -1.5 goes to -2 and 1.5 to 2, away from zero."""
    assert by_quantized_multiplier(np.array([6, -6, 2, -2]), 0.25).tolist() == [2, -2, 1, -1]


@pytest.mark.parametrize("form", ["dilated", "depthwise", "images", "one scale for all"])
def test_the_scales_of_weights_give_the_multiplier_back(form):
    """In float32, to the last bit, as XNNPACK computes it."""
    for conv in integer_graph_of(FORMS[form](), PATH).operators:
        if isinstance(conv, Conv):
            back = conv.input.scale * weight_scales(conv) / conv.output.scale
            assert back.dtype == np.float32
            np.testing.assert_array_equal(back, conv.multiplier)


def test_another_scale_is_told_from_another_function():
    source, output = Tensor("a", 4, np.float32(0.1), 3), Tensor("b", 4, np.float32(0.17), -5)
    x = (np.arange(-128, 128) - 3) * 0.1
    scaled = LookupTable("scaled", source, output, np.clip(np.rint(x / 0.17) - 5, -128, 127).astype(np.int8))
    tanh = LookupTable("tanh", source, output, np.clip(np.rint(np.tanh(x) / 0.17) - 5, -128, 127).astype(np.int8))
    assert np.abs(requantized_table(scaled).astype(int) - scaled.table).max() <= 1
    assert requantized_table(tanh) is None
    assert TFLITE.table(tanh) is tanh.table
