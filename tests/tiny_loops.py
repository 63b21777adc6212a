"""Random small integer graphs with loops over frames, expressions, curves, norms, and tensors of 16 bits."""

import numpy as np

from sezoo.deployment.engine.conv import Conv
from sezoo.deployment.engine.expression import Expression
from sezoo.deployment.engine.group_operators import Normalize, Softmax
from sezoo.deployment.engine.operators import Curve, Loop, Permute, State, Sweep
from sezoo.deployment.engine.product import Product
from sezoo.deployment.engine.tensor import Tensor
from tiny_graphs import STEPS, Builder

F = np.float32
LIMITS = {8: 128, 16: 32768}


class LoopBuilder(Builder):
    """`Builder` with the operators of recurrent layers, which may have 16 bits at their output."""

    def wide(self, name, items, bits):
        """A tensor of so many bits, with values of about 1."""
        end = LIMITS[bits]
        return Tensor(
            name, items, F(self.random.uniform(1, 3) / end), int(self.random.integers(-end // 8, end // 8)), bits
        )

    def product(self, source, outputs, bits, *, taps=1, name=None):
        """Of a whole row, or of a few of them, as a convolution."""
        weights = self.random.integers(-128, 128, (1, outputs, taps, 1, source.items)).astype(np.int8)
        largest = STEPS[source.bits] * 74 * np.sqrt(weights[0, 0].size)
        multiplier = self.random.uniform(0.2, 1, outputs) * LIMITS[bits] / 2 / largest
        output = self.wide(name or f"product {len(self.operators)}", outputs, bits)
        before = int(self.random.integers(0, taps))
        return Conv(
            output.name, source, output, weights, self.random.integers(-2000, 2000, outputs), multiplier.astype(F),
            positions_in=1, positions=1, low=output.low, high=output.high, before=before,
        )  # fmt: skip

    def expression(self, inputs, bits, name):
        """Of some tensors of one size, with numbers in between."""
        trees = list(inputs)
        while len(trees) > 1 or self.random.random() < 0.4:
            kind = str(self.random.choice(["add", "sub", "mul"]))
            size = inputs[0].items if self.random.random() < 0.5 else 1
            sizes = self.random.uniform(0.5, 1, size) * self.random.choice([-1, 1], size)
            other = trees.pop() if len(trees) > 1 else sizes.astype(F)
            trees[0] = (kind, *((trees[0], other) if self.random.random() < 0.5 else (other, trees[0])))
        if self.random.random() < 0.5:  # limits within which most values are
            trees[0] = ("min", np.full(1, 0.8, F), ("max", trees[0], np.full(1, -0.7, F)))
        output = self.wide(name, inputs[0].items, bits)
        tree = trees[0] if isinstance(trees[0], tuple) else ("add", trees[0], np.zeros(1, F))
        low, high = (output.low, output.high) if self.random.random() < 0.5 else (output.low // 3, output.high // 2)
        return Expression(name, tree, output, F(1) / output.scale, low, high)

    def curve(self, source, bits, name):
        """A wave, gentle or steep."""
        steps = self.random.choice([3.0, 300.0])
        points = np.sin(np.arange(1025) / steps + self.random.uniform(0, 6)) * 30000 * self.random.uniform(0.3, 1)
        return Curve(name, source, self.wide(name, source.items, bits), points.astype(np.int16))

    def part(self, source, items, name):
        """Neighbours, or any items in any order, as a row."""
        first = int(self.random.integers(0, source.items - items + 1))
        index = np.arange(first, first + items)
        if self.random.random() < 0.3:
            index = self.random.permutation(source.items)[:items]
        if self.random.random() < 0.3:
            index = np.where(self.random.random(items) < 0.2, -1, index)
        output = Tensor(name, items, source.scale, source.zero_point, source.bits)
        return Permute(name, (source,), output, index)

    def normalize(self, source, groups, bits, name):
        """Groups of a row, each item with a factor and an offset of its own."""
        output, items = self.wide(name, source.items, bits), source.items
        factor, offset = self.random.uniform(0.2, 0.6, items), self.random.uniform(-0.3, 0.3, items)
        epsilon, inverse = F(self.random.uniform(0.1, 100)), F(1) / output.scale
        low, high = (output.low, output.high) if self.random.random() < 0.5 else (output.zero_point, output.high)
        values = (factor.astype(F), offset.astype(F), epsilon, inverse, low, high)
        return Normalize(name, source, output, groups, *values)

    def softmax(self, source, groups, bits, name):
        """Of groups of a row."""
        output, step = self.wide(name, source.items, bits), self.random.uniform(0.002, 0.1) * 128 / LIMITS[source.bits]
        distance = np.arange(256) if source.bits == 8 else np.outer([1, 256], np.arange(256)).ravel()
        table = np.rint(np.exp(-distance * step) * 2.0**20).astype(np.int32)
        return Softmax(name, source, output, groups, table, F(1) / output.scale, output.low, output.high)

    def loop(self, source, bits):
        """A state of so many bits and one of 16, which a gate and a curve go over; what comes out is the first."""
        items = int(self.random.integers(3, 38))
        number = len(self.operators)
        gates = self.product(source, 2 * items, 16)
        self.put(gates, 1)
        hidden, cell = self.wide(f"hidden {number}", items, bits), self.wide(f"cell {number}", items, 16)
        inner = [self.product(hidden, 2 * items, 16)]

        def add(operator):
            inner.append(operator)
            return operator.output

        both = add(self.expression([gates.output, inner[0].output], 16, f"both {number}"))
        opened = add(self.curve(both, 16, f"open {number}"))
        one, two = (add(self.part(opened, items, f"part {number}/{each}")) for each in range(2))
        kept = add(self.expression([one, cell, two], 16, f"kept {number}"))
        shown = add(self.curve(kept, 16, f"shown {number}"))
        made = add(self.expression([shown, two], bits, f"made {number}"))
        after = add(self.expression([made, hidden], bits, f"after {number}")) if self.random.random() < 0.4 else made
        hidden = Tensor(hidden.name, items, hidden.scale, hidden.zero_point, bits)
        first = np.full(items, hidden.zero_point).astype(hidden.dtype)
        start = self.random.integers(-90, 90, items).astype(np.int16)
        loop = Loop(
            f"loop {number}",
            (gates.output,),
            made,
            tuple(inner),
            (State(hidden, after, first), State(cell, kept, start)),
        )
        self.put(loop, 1)
        return made

    def sweep(self, source, bits):
        """A state that goes from step to step of a frame, of so many bits."""
        steps, items, size = (int(self.random.integers(2, high)) for high in (6, 20, 20))
        for each in (items, size):
            self.put(self.product(source, steps * each, bits), 1)
        number, given = len(self.operators), tuple(self.tensors[-2:])
        parts = tuple(
            Tensor(f"step {number}/{place}", row.items // steps, row.scale, row.zero_point, bits)
            for place, row in enumerate(given)
        )
        before = self.wide(f"before {number}", items, bits)
        inner = [self.product(each, items, 16, name=f"{each.name}/product") for each in (parts[1], before)]
        both = self.expression([inner[0].output, inner[1].output, parts[0]], 16, f"of step {number}")
        inner += [both, self.curve(both.output, bits, f"made {number}")]
        part = inner[-1].output
        inner.append(self.expression([part, before], bits, f"after {number}"))
        first = self.random.integers(-90, 90, items).astype(before.dtype)
        output = Tensor(f"sweep {number}", steps * items, part.scale, part.zero_point, bits)
        state = State(before, inner[-1].output, first)
        self.put(Sweep(output.name, given, parts, output, part, tuple(inner), (state,)), 1)
        return output


def recurrent_graph(seed, bins, frames, *, layers=2, bits=8):
    """A convolution that may look ahead, recurrent layers, and rows of 16 bits beside them."""
    builder = LoopBuilder(seed, bins)
    builder.conv()
    source = builder.tensors[-1]
    for _ in range(layers):
        source = builder.loop(source, bits)
    source = builder.sweep(source, bits)
    wide = builder.product(source, int(builder.random.integers(2, 20)), 16, taps=int(builder.random.integers(1, 3)))
    builder.put(wide, 1)
    builder.put(builder.part(wide.output, int(builder.random.integers(1, wide.output.items + 1)), "some"), 1)
    builder.put(builder.expression([builder.tensors[-1]], 16, "beside"), 1)
    builder.put(builder.curve(builder.tensors[-1], 8, "rounded"), 1)
    result = builder.product(builder.tensors[-1], 9, 8)
    builder.put(result, 1)
    return builder.graph(frames)


def grouped_graph(seed, bins, frames):
    """Normalizations and softmaxes of 8 and 16 bits, over groups of a row of any size."""
    builder = LoopBuilder(seed, bins)
    builder.conv()
    source = builder.tensors[-1]
    for number, (bits, made) in enumerate([(8, 8), (8, 16), (16, 8), (16, 16)]):
        groups, size = int(builder.random.integers(1, 5)), int(builder.random.integers(2, 23))
        builder.put(builder.product(source, groups * size, bits, taps=number % 2 + 1), 1)
        builder.put(builder.normalize(builder.tensors[-1], groups, made, f"norm {number}"), 1)
        source = builder.tensors[-1]
    for bits in (8, 16):
        builder.put(builder.product(source, 12, bits), 1)
        builder.put(
            builder.softmax(builder.tensors[-1], int(builder.random.choice([1, 3, 4])), bits, f"soft {bits}"), 1
        )
        source = builder.tensors[-1]
    builder.put(builder.product(source, 9, 8), 1)
    return builder.graph(frames)


def product_graph(seed, bins, frames):
    """Products of two tensors of 8 and 16 bits, and of two parts of one, in groups of a row."""
    builder = LoopBuilder(seed, bins)
    random = builder.random
    builder.conv()
    source = builder.tensors[-1]
    for number, (bits, made) in enumerate([(8, 8), (8, 16), (16, 8), (16, 16)]):
        groups, rows, columns, depth = (int(random.integers(1, high)) for high in (4, 6, 14, 22))
        for size in (rows, columns):  # the second one may wait for frames to come
            builder.put(builder.product(source, groups * size * depth, bits, taps=number % 2 + 1), 1)
        a, b = builder.tensors[-2:]
        output = builder.wide(f"matrix {number}", groups * rows * columns, made)
        multiplier = F(3 * a.scale * b.scale / output.scale / np.sqrt(depth))
        given = (groups, rows, columns, depth, multiplier, output.low, output.high)
        builder.put(Product(output.name, a, b, output, *given), 1)
        source = output
    builder.put(builder.product(source, 9, 8), 1)
    return builder.graph(frames)
