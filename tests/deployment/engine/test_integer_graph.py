from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sezoo.deployment.engine.conv import Conv
from sezoo.deployment.engine.integer_graph import IntegerGraph
from sezoo.deployment.engine.interpreter import mask_of, run_operator, run_tensors
from sezoo.deployment.engine.operators import Elementwise, LookupTable, Permute
from sezoo.deployment.engine.tensor import Tensor, padded

F = np.float32


def tensor(name, items, *, scale=1.0, zero=0, bits=8):
    return Tensor(name, items, F(scale), zero, bits)


def conv(weights, *, source=None, bias=None, multiplier=1.0, positions_in=1, positions=1, zero=0, **how):
    """Of weights (groups, outputs, taps in time, taps over positions, inputs), as settings of `Conv` say."""
    weights = np.asarray(weights, np.int8)
    outputs = weights.shape[0] * weights.shape[1]
    return Conv(
        name="conv",
        input=source or tensor("in", positions_in * weights.shape[0] * weights.shape[4]),
        output=tensor("out", positions * outputs, zero=zero),
        weights=weights,
        bias=np.zeros(outputs, np.int64) if bias is None else np.asarray(bias, np.int64),
        multiplier=np.full(outputs, multiplier, F),
        positions_in=positions_in,
        positions=positions,
        **{"low": -128, "high": 127, **how},
    )


def plain(operator, rows):
    """A convolution as its definition has it, number by number."""
    frames, (groups, outputs, taps, places, inputs) = len(rows), operator.weights.shape
    grid = rows.reshape(frames, operator.positions_in, groups * inputs).astype(np.int64) - operator.input.zero_point
    made = np.zeros((frames, operator.positions, groups * outputs), np.int64)
    for t, p, g, o, tap, place in np.ndindex(frames, operator.positions, groups, outputs, taps, places):
        at_t = t - operator.before + tap * operator.dilation_time
        at_p = p * operator.stride - operator.pad + place * operator.dilation
        if 0 <= at_t < frames and 0 <= at_p < operator.positions_in:
            weights = operator.weights[g, o, tap, place].astype(np.int64)
            made[t, p, g * outputs + o] += weights @ grid[at_t, at_p, g * inputs : (g + 1) * inputs]
    return (made + operator.bias).reshape(frames, -1)


# -- what there is to know of a tensor and an operator ----------------------------------------------------------


@pytest.mark.parametrize(("items", "row"), [(1, 16), (16, 16), (17, 32), (257, 272)])
def test_rows_are_whole_vector_registers(items, row):
    assert padded(items) == row
    assert tensor("t", items).row_bytes == row
    assert tensor("t", items, bits=16).row_bytes == 2 * row


def test_limits_of_the_types():
    assert (tensor("t", 1).low, tensor("t", 1).high) == (-128, 127)
    assert (tensor("t", 1, bits=16).low, tensor("t", 1, bits=16).high) == (-32768, 32767)


def test_the_shape_of_a_convolution():
    operator = conv(np.ones((2, 3, 5, 1, 4)), positions_in=6, positions=6, dilation_time=2, before=3)
    assert (operator.groups, operator.channels_in, operator.channels_out, operator.taps) == (2, 8, 6, 5)
    assert (operator.span, operator.before, operator.after) == (8, 3, 5)
    assert operator.macs == 2 * 3 * 5 * 4 * 6
    assert operator.inputs == (operator.input,)


def test_depthwise_and_pointwise():
    assert conv(np.ones((4, 1, 3, 1, 1))).is_depthwise
    assert not conv(np.ones((1, 1, 3, 1, 1))).is_depthwise
    assert not conv(np.ones((4, 2, 3, 1, 1))).is_depthwise
    assert conv(np.ones((1, 3, 1, 1, 4)), positions_in=5, positions=5).is_pointwise
    assert not conv(np.ones((1, 3, 1, 1, 4)), positions_in=5, positions=6).is_pointwise  # zeros behind
    assert not conv(np.ones((1, 3, 1, 1, 4)), positions_in=5, positions=7, pad=1).is_pointwise
    assert not conv(np.ones((1, 3, 1, 1, 4)), positions_in=5, positions=3, stride=2).is_pointwise
    assert not conv(np.ones((2, 3, 1, 1, 4))).is_pointwise
    assert not conv(np.ones((1, 3, 2, 1, 4))).is_pointwise


def test_the_largest_accumulator_is_reached_or_a_bound():
    random = np.random.default_rng(0)
    for zero in (-128, -5, 0, 127):
        weights = random.integers(-127, 128, (1, 6, 2, 1, 7))
        operator = conv(weights, source=tensor("in", 7, zero=zero), bias=random.integers(-4000, 4000, 6))
        kernels = operator.weights[0].reshape(6, -1).astype(np.int64)
        loud = np.where(kernels > 0, 127, -128)  # the inputs that make the most of an output, and the least
        for rows in (loud, -1 - loud):
            totals = kernels @ (rows - zero).T + operator.bias[:, np.newaxis]
            assert np.abs(totals).max() <= operator.largest_accumulator
        # on the chip the zero point's part is in the bias, and what is added up is as large as this
        partial = np.abs(kernels).sum(axis=1) * 128 + np.abs(operator.folded_bias)
        assert operator.largest_accumulator == partial.max()


def test_what_a_graph_adds_up():
    first = conv(np.ones((1, 4, 3, 1, 5)))
    second = conv(np.ones((4, 1, 1, 1, 1)), source=first.output)
    graph = IntegerGraph(5, 8, (), (first.input,), (first, second), second.output, np.zeros(256, F), np.arange(4))
    assert graph.macs_per_frame == 60 + 4
    assert graph.parameters == 60 + 4 + 4 + 4
    assert graph.tensors == (first.input, first.output, second.output)


# -- convolutions ----------------------------------------------------------------------------------------------


@settings(max_examples=40, derandomize=True, deadline=None)
@given(st.data())
def test_any_convolution(data):
    """Accumulators against the definition; outputs so fine that nothing but their sign and size is left to round."""
    random = np.random.default_rng(data.draw(st.integers(0, 99)))
    groups, outputs, inputs = (data.draw(st.integers(1, 3)) for _ in range(3))
    taps, places, positions_in = (
        data.draw(st.integers(1, 3)),
        data.draw(st.integers(1, 3)),
        data.draw(st.integers(1, 5)),
    )
    stride, dilation, pad = (data.draw(st.integers(1, 3)), data.draw(st.integers(1, 2)), data.draw(st.integers(0, 2)))
    behind = data.draw(st.integers(0, 2))
    room = positions_in + pad + behind - (places - 1) * dilation - 1
    if room < 0:
        return
    span = (taps - 1) * (dilation_time := data.draw(st.integers(1, 3)))
    bits = data.draw(st.sampled_from([8, 16]))
    source = tensor("in", positions_in * groups * inputs, zero=data.draw(st.integers(-128, 127)), bits=bits)
    operator = conv(
        random.integers(-127, 128, (groups, outputs, taps, places, inputs)),
        source=source,
        bias=random.integers(-5000, 5000, groups * outputs),
        multiplier=1e-3 if bits == 8 else 1e-5,
        positions_in=positions_in,
        positions=room // stride + 1,
        zero=3,
        **{"stride": stride, "dilation": dilation, "pad": pad, "dilation_time": dilation_time},
        before=data.draw(st.integers(0, span)),
    )
    kind = np.int8 if bits == 8 else np.int16
    rows = random.integers(source.low, source.high + 1, (data.draw(st.integers(1, 6)), source.items)).astype(kind)
    expected = np.rint(plain(operator, rows).astype(F) * operator.multiplier[0]) + 3
    found = run_operator(operator, [rows])
    assert found.dtype == np.int8
    np.testing.assert_array_equal(found, np.clip(expected, -128, 127))


def test_accumulators_are_rounded_half_to_even():
    rows = np.arange(-5, 6, dtype=np.int8)[:, np.newaxis]
    found = run_operator(conv(np.ones((1, 1, 1, 1, 1)), multiplier=0.5), [rows])
    np.testing.assert_array_equal(found.ravel(), [-2, -2, -2, -1, 0, 0, 0, 1, 2, 2, 2])
    shifted = run_operator(conv(np.ones((1, 1, 1, 1, 1)), multiplier=0.5, zero=1), [rows])
    np.testing.assert_array_equal(shifted, found + 1)  # rounded before the zero point is added


def test_multipliers_round_in_float32():
    """16777217 is no float32: the accumulator is rounded first, and 0.1 is that of float32."""
    big = conv(np.ones((1, 1, 1, 1, 1)), bias=[2**24 + 1], multiplier=2.0**-24 * 3)
    assert run_operator(big, [np.zeros((1, 1), np.int8)]).item() == 3


def test_limits_are_those_of_the_activation():
    rows = np.array([[-100], [-3], [0], [50], [127]], np.int8)
    limited = conv(np.ones((1, 1, 1, 1, 1)), zero=-10, low=-10, high=20)
    np.testing.assert_array_equal(run_operator(limited, [rows]).ravel(), [-10, -10, -10, 20, 20])
    far = conv(np.full((1, 1, 1, 1, 1), 127), multiplier=1e30, zero=100)
    np.testing.assert_array_equal(run_operator(far, [rows]).ravel(), [-128, -128, 100, 127, 127])


def test_beyond_an_edge_is_the_zero_point():
    """A kernel over frames that are not there gives what one over zeros gives."""
    source = tensor("in", 1, zero=-128)
    operator = conv(np.ones((1, 1, 3, 1, 1)), source=source, before=2)
    rows = np.array([[-128 + 5], [-128]], np.int8)
    np.testing.assert_array_equal(run_operator(operator, [rows]).ravel(), [5, 5])


# -- the other operators ---------------------------------------------------------------------------------------


def elementwise(kind, *, scales=(0.5, 0.25), inverse=2.0, zeros=(3, -4), output=10, **how):
    a, b = (tensor(name, 2, scale=abs(scale), zero=zero) for name, scale, zero in zip("ab", scales, zeros, strict=True))
    made = tensor("out", 2, scale=1 / inverse, zero=output)
    limits = {"low": -128, "high": 127, **how}
    return Elementwise(kind, "both", a, b, made, tuple(F(each) for each in scales), F(inverse), **limits)


def test_sums_differences_and_products():
    a, b = np.array([[3, 13]], np.int8), np.array([[0, -8]], np.int8)  # 0 and 5; 1 and -1
    np.testing.assert_array_equal(run_operator(elementwise("add"), [a, b]), [[12, 18]])
    np.testing.assert_array_equal(run_operator(elementwise("add", scales=(0.5, -0.25)), [a, b]), [[8, 22]])
    np.testing.assert_array_equal(run_operator(elementwise("mul"), [a, b]), [[10, 0]])
    np.testing.assert_array_equal(run_operator(elementwise("mul", low=10), [a, b]), [[10, 10]])


def test_sums_of_int8_and_int16():
    operator = elementwise("add", scales=(0.001, 0.25))
    operator = replace(operator, a=replace(operator.a, bits=16))
    a, b = np.array([[3 + 30000, 3 - 30000]], np.int16), np.array([[-4, -4]], np.int8)
    np.testing.assert_array_equal(run_operator(operator, [a, b]), [[70, -50]])


def test_tables_and_orders():
    table = np.arange(-128, 128)[::-1].astype(np.int8)
    rows = np.array([[-128, 0, 127], [1, 2, 3]], np.int8)
    lookup = LookupTable("l", tensor("in", 3), tensor("out", 3), table)
    np.testing.assert_array_equal(run_operator(lookup, [rows]), -1 - rows)
    order = Permute("r", (tensor("a", 3), tensor("b", 1)), tensor("out", 5), np.array([3, 0, 0, 2, 1]))
    found = run_operator(order, [rows, rows[:, :1] + np.int8(9)])
    np.testing.assert_array_equal(found, [[-119, -128, -128, 127, 0], [10, 1, 1, 3, 2]])


def test_masks_are_looked_up_for_each_bin():
    result = tensor("out", 3)
    table = np.linspace(0, 1, 256).astype(F)
    graph = IntegerGraph(2, 3, (), (result,), (), result, table, np.array([2, 0]))
    rows = np.array([[-128, 0, 127], [1, 2, 3], [4, 5, 6]], np.int8)
    mask = mask_of(graph, rows)
    assert mask.shape == (2, 3)
    np.testing.assert_array_equal(mask, table[rows[:, [2, 0]].T.astype(int) + 128])


def test_operators_run_in_order_on_each_others_outputs():
    first = conv(np.full((1, 1, 1, 1, 1), 2))
    second = replace(conv(np.full((1, 1, 1, 1, 1), 3), source=first.output), output=tensor("last", 1))
    graph = IntegerGraph(1, 2, (), (first.input,), (first, second), second.output, np.zeros(256, F), np.arange(1))
    values = run_tensors(graph, {"in": np.array([[1], [-4]], np.int8)})
    assert list(values) == ["in", "out", "last"]
    np.testing.assert_array_equal(values["last"].ravel(), [6, -24])
