import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper, numpy_helper

from sezoo.deployment.engine.integer_graph import FloatStep
from sezoo.deployment.engine.prologue import (
    BINARY,
    KINDS,
    UNARY,
    exp2_of,
    log2_of,
    quantize_magnitudes,
    run_prologue,
)
from sezoo.deployment.engine.tensor import Tensor
from sezoo.models.onnx_session import open_session

F = np.float32
EPS = 2.0**-24
"""Half a unit in the last place of 1, in float32."""


def logarithmic(low, high, count=200_000, seed=0):
    return np.exp2(np.random.default_rng(seed).uniform(low, high, count)).astype(F)


# -- logarithms and powers -----------------------------------------------------------------------------------


def test_log2_is_right_to_2e_7():
    """Of 1 + |log2 x|, over all positive numbers of full precision."""
    for low, high in ((-126, 127.9), (-1, 1), (-0.01, 0.01), (-1e-4, 1e-4)):
        x = logarithmic(low, high)
        exact = np.log2(x.astype(np.float64))
        found = log2_of(x)
        assert found.dtype == F
        assert np.max(np.abs(found - exact) / (1 + np.abs(exact))) < 2e-7


def test_log2_near_one_is_right_to_its_own_size():
    """Where the logarithm is small, so is its error: 4e-7 of it."""
    x = (1 + np.random.default_rng(1).uniform(-1e-3, 1e-3, 50_000)).astype(F)
    x = x[x != 1]
    exact = np.log2(x.astype(np.float64))
    assert np.max(np.abs(log2_of(x) - exact) / np.abs(exact)) < 4e-7


def test_log2_of_powers_of_two_is_exact():
    exponents = np.arange(-126, 128, dtype=F)
    np.testing.assert_array_equal(log2_of(np.ldexp(F(1), exponents.astype(int))), exponents)


def test_log2_of_what_has_no_logarithm():
    """Zeros, negative numbers and those below full precision count as the smallest of full precision."""
    np.testing.assert_array_equal(log2_of(np.array([0, -0.0, -3, 1e-40, 1e-45], F)), np.full(5, -126, F))


def test_exp2_is_right_to_2e_7():
    x = np.random.default_rng(0).uniform(-126, 127, 200_000).astype(F)
    exact = np.exp2(x.astype(np.float64))
    found = exp2_of(x)
    assert found.dtype == F
    assert np.max(np.abs(found / exact - 1)) < 2e-7


def test_exp2_of_whole_numbers_is_exact():
    whole = np.arange(-126, 128, dtype=F)
    np.testing.assert_array_equal(exp2_of(whole), np.ldexp(F(1), whole.astype(int)))


def test_exp2_beyond_its_ends():
    np.testing.assert_array_equal(exp2_of(np.array([-1e9, -127, 128, 1e9], F)), np.ldexp(F(1), [-126, -126, 127, 127]))


@pytest.mark.parametrize("exponent", [0.3, 0.5, 0.6667, 1.5, 3.0])
def test_powers(exponent):
    """x^p is 2^(p log2 x): an error of e in p log2 x is one of 0.7 e in the power."""
    x = logarithmic(-30, 20)
    found = BINARY["pow"](x, F(exponent))
    exact = x.astype(np.float64) ** np.float64(F(exponent))
    bound = 2e-7 * (1 + np.abs(exponent * np.log2(x.astype(np.float64))) + exponent)
    assert np.max(np.abs(found / exact - 1) / bound) < 1


def test_powers_of_magnitudes_up_to_full_scale():
    """Of what there is in speech, -100 dB to 40 dB: to one in a million."""
    x = logarithmic(-17, 7)
    assert np.max(np.abs(BINARY["pow"](x, F(0.3)) / x.astype(np.float64) ** np.float64(F(0.3)) - 1)) < 1e-6


def test_powers_of_what_is_not_positive_are_zero():
    np.testing.assert_array_equal(BINARY["pow"](np.array([0, -0.0, -2], F), F(0.3)), np.zeros(3, F))


def test_natural_logarithms_and_exponentials():
    x = logarithmic(-126, 126)
    exact = np.log(x.astype(np.float64))
    assert np.max(np.abs(UNARY["log"](x) - exact) / (1 + np.abs(exact))) < 2e-7
    y = np.random.default_rng(3).uniform(-80, 80, 100_000).astype(F)
    exact = np.exp(y.astype(np.float64))
    assert np.max(np.abs(UNARY["exp"](y) / exact - 1) / (1 + np.abs(y))) < 2e-7


@settings(max_examples=50, derandomize=True, deadline=None)
@given(st.floats(2.0**-126, 2.0**127, width=32), st.floats(0.0625, 4, width=32))
def test_no_number_makes_a_power_of_it_invalid(x, exponent):
    assert np.isfinite(BINARY["pow"](np.array([x], F), F(exponent))).all()


# -- rounding ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("bits", "element"), [(8, onnx.TensorProto.INT8), (16, onnx.TensorProto.INT16)])
@pytest.mark.parametrize("scale", [0.25, 0.37])
def test_rounding_is_that_of_quantize_linear(bits, element, scale):
    """Halves among the values, as exact as they can be, and what is beyond the type."""
    tensor = Tensor("t", 1, F(scale), -3, bits)
    kind = np.int8 if bits == 8 else np.int16
    values = np.concatenate([np.arange(-400, 400) * F(scale / 2), logarithmic(-20, 20, 5000), [0, 1e9, -1e9]]).astype(F)
    node = helper.make_node("QuantizeLinear", ["x", "scale", "zero"], ["y"])
    ends = [helper.make_tensor_value_info(n, t, [len(values)]) for n, t in (("x", 1), ("y", element))]
    constants = [
        numpy_helper.from_array(np.array(tensor.scale), "scale"),
        numpy_helper.from_array(np.array(tensor.zero_point, kind), "zero"),
    ]
    graph = helper.make_graph([node], "g", ends[:1], ends[1:], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    (expected,) = open_session(model, optimization="none").run(None, {"x": values})
    found = quantize_magnitudes(values, tensor)
    assert found.dtype == kind
    np.testing.assert_array_equal(found, expected)


# -- steps ---------------------------------------------------------------------------------------------------


def run(*steps, magnitude):
    """The floats of the last step, rounded to thousandths by a tensor of 16 bits."""
    tensor = Tensor("entry", steps[-1].items, F(1e-3), 0, 16)
    last = FloatStep("quantize", (steps[-1].output,), "entry", tensor.items, tensor=tensor)
    return run_prologue([*steps, last], magnitude)["entry"] * 1e-3


MAGNITUDE = np.random.default_rng(0).uniform(0.1, 4, (5, 3)).astype(F)
OTHER = np.array([0.5, 1.5, 2.5], F)


@pytest.mark.parametrize("kind", UNARY)
def test_functions_of_one_row(kind):
    exact = {
        **{"sqrt": np.sqrt, "log": np.log, "exp": np.exp, "abs": np.abs, "neg": np.negative, "round": np.rint},
        "relu": lambda x: np.maximum(x, 0),
    }[kind]
    values = MAGNITUDE if kind in ("sqrt", "log") else MAGNITUDE - F(2)
    found = run(FloatStep(kind, ("magnitude",), "made", 3), magnitude=values)
    np.testing.assert_allclose(found, exact(values.astype(np.float64)), atol=6e-4)


@pytest.mark.parametrize("kind", BINARY)
@pytest.mark.parametrize("first", [False, True])
def test_functions_of_two_rows_and_of_a_row_and_a_constant(kind, first):
    exact = {
        **{"add": np.add, "sub": np.subtract, "mul": np.multiply, "div": np.divide, "pow": np.power},
        **{"max": np.maximum, "min": np.minimum},
    }[kind]
    wide = MAGNITUDE.astype(np.float64)
    step = FloatStep(kind, ("magnitude",), "made", 3, constant=OTHER, first=first)
    np.testing.assert_allclose(
        run(step, magnitude=MAGNITUDE), exact(*((OTHER, wide) if first else (wide, OTHER))), atol=6e-4
    )
    halves = FloatStep("mul", ("magnitude",), "half", 3, constant=np.array([0.5], F))
    both = FloatStep(kind, ("half", "magnitude") if first else ("magnitude", "half"), "made", 3)
    np.testing.assert_allclose(
        run(halves, both, magnitude=MAGNITUDE), exact(*((wide / 2, wide) if first else (wide, wide / 2))), atol=6e-4
    )


def test_rows_one_behind_the_other_in_another_order():
    double = FloatStep("mul", ("magnitude",), "double", 3, constant=np.array([2], F))
    gather = FloatStep("gather", ("magnitude", "double"), "made", 4, index=np.array([5, 0, 4, 0]))
    expected = np.stack([2 * MAGNITUDE[:, 2], MAGNITUDE[:, 0], 2 * MAGNITUDE[:, 1], MAGNITUDE[:, 0]], axis=1)
    np.testing.assert_allclose(run(double, gather, magnitude=MAGNITUDE), expected, atol=6e-4)


def test_the_mean_of_a_row():
    mean = FloatStep("mean", ("magnitude",), "made", 1)
    np.testing.assert_allclose(run(mean, magnitude=MAGNITUDE), MAGNITUDE.mean(axis=1, keepdims=True), atol=6e-4)


def test_the_mean_is_added_up_in_order():
    """In C it is: 2^24 + 1 - 2^24 is 0 in float32, in another order 1."""
    row = np.array([[2.0**24, 1, -(2.0**24)]], F)
    assert run(FloatStep("mean", ("magnitude",), "made", 1), magnitude=row).item() == 0


@pytest.mark.parametrize("calls", [[5], [1, 1, 1, 1, 1], [2, 3]])
def test_the_largest_in_a_window_whatever_the_calls(calls):
    peak = FloatStep("peak", ("magnitude",), "made", 3, window=3)
    tensor = Tensor("entry", 3, F(1e-3), 0, 16)
    steps = [peak, FloatStep("quantize", ("made",), "entry", 3, tensor=tensor)]
    expected = [MAGNITUDE[max(0, frame - 2) : frame + 1].max(axis=0) for frame in range(5)]
    kept = {}
    parts = np.split(MAGNITUDE, np.cumsum(calls)[:-1])
    found = np.concatenate([run_prologue(steps, part, kept)["entry"] for part in parts]) * 1e-3
    np.testing.assert_allclose(found, expected, atol=6e-4)


def test_integers_as_floats_again():
    tensor = Tensor("coarse", 3, F(0.5), 7)
    steps = [
        FloatStep("quantize", ("magnitude",), "coarse", 3, tensor=tensor),
        FloatStep("dequantize", ("coarse",), "real", 3, tensor=tensor),
    ]
    np.testing.assert_allclose(run(*steps, magnitude=MAGNITUDE), np.rint(MAGNITUDE / 0.5) * 0.5, atol=1e-6)
    integers = run_prologue(steps, MAGNITUDE)
    assert list(integers) == ["coarse"]
    np.testing.assert_array_equal(integers["coarse"], np.rint(MAGNITUDE / 0.5) + 7)


def test_everything_stays_in_float32():
    """A step in float64 would round elsewhere than the chip does."""
    big = np.array([2.0**24], F)
    step = FloatStep("add", ("magnitude",), "made", 1, constant=np.array([1], F))
    minus = FloatStep("sub", ("made",), "rest", 1, constant=big)
    assert run(step, minus, magnitude=big[np.newaxis]).item() == 0  # 2^24 + 1 is no float32


def test_all_kinds_are_tested():
    assert set(KINDS) == {*UNARY, *BINARY, "mean", "peak", "gather", "quantize", "dequantize"}
