import numpy as np

from sezoo.deployment.engine.operators import Elementwise
from sezoo.deployment.engine.qdq_reader.reciprocal import reciprocal_for
from sezoo.deployment.engine.tensor import Tensor

F = np.float32


def elementwise(kind, scales, bits=8):
    tensors = [
        Tensor(name, 16, F(abs(scale)), zero, bits) for name, scale, zero in zip("ab", scales, (-7, 3), strict=True)
    ]
    return Elementwise(kind, "y", *tensors, Tensor("y", 16, F(1), 0), tuple(map(F, scales)), F(1), -128, 127)


def differing_pairs(operator, factor, scale):
    integers = np.arange(-128, 128)
    x = (integers + 7).astype(F) * operator.scales[0]
    y = (integers - 3).astype(F) * operator.scales[1]
    values = np.add.outer(x, y) if operator.kind == "add" else np.multiply.outer(x, y)
    return np.count_nonzero(np.rint(values * factor) != np.rint(values / scale))


def test_pairs_are_rounded_as_by_the_division():
    generator, before, after = np.random.default_rng(3), [], []
    for _ in range(200):
        scales, scale = generator.uniform(0.01, 0.1, 2) * generator.choice([-1, 1], 2), F(generator.uniform(0.01, 0.1))
        operator = elementwise("add", scales)
        before.append(differing_pairs(operator, F(1) / scale, scale))
        after.append(differing_pairs(operator, reciprocal_for(operator, Tensor("y", 16, scale, 0)), scale))
    assert all(fewer <= more for fewer, more in zip(after, before, strict=True))
    assert np.count_nonzero(after) < np.count_nonzero(before) < 40
    assert max(after) <= 5


def test_products_are_rounded_as_by_the_division():
    operator, output = elementwise("mul", (0.03, 0.07)), Tensor("y", 16, F(0.0217), 0)
    assert differing_pairs(operator, reciprocal_for(operator, output), output.scale) == 0


def test_wider_operands_have_the_nearest_float():
    scale = F(0.0317)
    assert reciprocal_for(elementwise("add", (0.1, 0.1), bits=16), Tensor("y", 16, scale, 0)) == F(1) / scale
