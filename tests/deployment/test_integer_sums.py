"""Additions in integers: the kernel's arithmetic, written down anew, against the interpreter for all pairs of int8."""

import numpy as np
import pytest

from sezoo.deployment.c_package.integer_sums import integer_sum
from sezoo.deployment.engine.interpreter import run_operator
from sezoo.deployment.engine.operators import Elementwise
from sezoo.deployment.engine.tensor import Tensor

F = np.float32
INTEGERS = np.arange(-128, 128)
PAIRS = np.repeat(INTEGERS, 256), np.tile(INTEGERS, 256)


def addition(seed, *, low=-128, kind="add", bits=8):
    random = np.random.default_rng(seed)
    scales = random.uniform(0.005, 0.05, 3).astype(F)
    zeros = random.integers(-128, 128, 3).tolist()
    a, b, output = (Tensor(*each) for each in zip("aby", (1,) * 3, scales, zeros, (bits, 8, 8), strict=True))
    return Elementwise(kind, "sum", a, b, output, (scales[0], scales[1]), F(1) / scales[2], low, 127)


def as_smlaw_and_ssat(integers, a, b):
    """Two products of 48 bits without their 16 lowest, and a shift that saturates, with 32-bit registers."""
    total = np.full(len(a), integers.offset, np.int64)
    for factor, operand in ((integers.factor_a, a), (integers.factor_b, b)):
        total += np.floor_divide(factor * (256 * operand.astype(np.int64)), 65536)
        assert np.abs(total).max() < 2**31
    return np.clip(np.floor_divide(total, 2**20), -128, 127)


def test_all_pairs_are_what_floats_give():
    found = 0
    for seed in range(30):
        operator = addition(seed)
        integers = integer_sum(operator)
        if integers is None:  # the floats' own roundings may lie on both sides of every line
            continue
        found += 1
        expected = run_operator(operator, [each.astype(np.int8)[:, np.newaxis] for each in PAIRS])[:, 0]
        np.testing.assert_array_equal(as_smlaw_and_ssat(integers, *PAIRS), expected)
    assert found >= 24


@pytest.mark.parametrize("other", [{"low": -100}, {"kind": "mul"}, {"bits": 16}])
def test_what_the_kernel_has_no_integers_for(other):
    assert integer_sum(addition(0, **other)) is None


def test_halves_that_are_rounded_to_even_are_left_to_floats():
    a, b, output = (Tensor(name, 1, F(scale), 0) for name, scale in (("a", 0.5), ("b", 0.5), ("y", 1.0)))
    assert integer_sum(Elementwise("add", "sum", a, b, output, (F(0.5), F(0.5)), F(1), -128, 127)) is None
