"""Random small integer graphs, of all operators in all their forms, and the C packages of them."""

import numpy as np

from sezoo.deployment.c_package.call_frames import Engine
from sezoo.deployment.c_package.package import PackageSettings, write_package
from sezoo.deployment.c_package.program import Program
from sezoo.deployment.engine.conv import Conv
from sezoo.deployment.engine.integer_graph import FloatStep, IntegerGraph
from sezoo.deployment.engine.operators import Elementwise, LookupTable, Permute
from sezoo.deployment.engine.stream_plan import frames_behind_a_mask, stream_plan
from sezoo.deployment.engine.tensor import Tensor

F = np.float32
RATE = 16000
STEPS = {8: 60, 16: 10000}
"""How far integers are from their zero point, about."""


class Builder:
    """Operators one behind the other, each reading tensors that are there already."""

    def __init__(self, seed, bins, bits=8, coarseness=1):
        self.random = np.random.default_rng(seed)
        self.bins, self.bits, self.coarseness = bins, bits, coarseness
        self.prologue, self.operators = [], []
        self.grids = {}  # of a tensor: its positions
        self.entry = self._entered()
        self.tensors = [self.entry]

    # -- before the first integer ------------------------------------------------------------------------------

    def _entered(self):
        """Some steps in float, and the tensor that they end in."""
        source, items = "magnitude", self.bins
        for kind in ("pow", "sqrt", "mul", "max", "log"):
            if self.random.random() < 0.3:
                source = self._step(source, kind)
        if self.random.random() < 0.5:
            items = int(self.random.integers(2, self.bins + 1))
            # in two pieces, or in many
            index = np.roll(np.arange(items), 3) if self.random.random() < 0.5 else self.random.permutation(items)
            self.prologue.append(FloatStep("gather", (source,), "gathered", items, index=index))
            source = "gathered"
        if self.random.random() < 0.5:
            source = self._without_level(source, items)
        # so that every integer comes up, and both ends are clipped
        scale, low = (0.012, -100) if self.bits == 8 else (0.0001, -20000)
        entry = Tensor("entry", items, F(scale * self.coarseness), int(self.random.integers(low, -low)), self.bits)
        self.prologue.append(FloatStep("quantize", (source,), entry.name, items, tensor=entry))
        self.grids[entry.name] = 1
        return entry

    def _step(self, source, kind):
        name, constant = f"{source}/{kind}", None
        if kind in ("pow", "mul", "max"):
            constant = self.random.uniform(0.2, 0.9, self.bins if kind == "mul" else 1).astype(F)
        self.prologue.append(FloatStep(kind, (source,), name, self.bins, constant))
        return name

    def _without_level(self, source, items):
        """A row divided by the largest of its means in some frames, and beside it the largest of each of its items."""
        window = int(self.random.integers(3, 6))
        least, index = np.full(1, 0.05, F), np.zeros(items, np.int64)
        self.prologue += [
            FloatStep("abs", (source,), "positive", items),
            FloatStep("mean", ("positive",), "mean", 1),
            FloatStep("peak", ("mean",), "level", 1, window=window),
            FloatStep("add", ("level",), "above zero", 1, least),
            FloatStep("gather", ("above zero",), "levels", items, index=index),
            FloatStep("div", (source, "levels"), "divided", items),
            FloatStep("peak", ("divided",), "peaks", items, window=window - 1),
            FloatStep("max", ("divided", "peaks"), "highest", items),
        ]
        return "highest" if self.random.random() < 0.5 else "divided"

    # -- operators ---------------------------------------------------------------------------------------------

    def tensor(self, items):
        name = f"t{len(self.tensors)}"
        return Tensor(name, items, F(self.random.uniform(0.005, 0.05)), int(self.random.integers(-128, 60)))

    def limits(self):
        """Those of the type, or some that an activation has."""
        return (-128, 127) if self.random.random() < 0.5 else (int(self.random.integers(-128, 0)), 100)

    def put(self, operator, positions):
        self.operators.append(operator)
        self.tensors.append(operator.output)
        self.grids[operator.output.name] = positions

    def any(self, *, bits=None):
        """The newest tensor mostly, else any other."""
        fit = [tensor for tensor in self.tensors if bits in (None, tensor.bits)]
        return fit[-1] if self.random.random() < 0.6 else fit[int(self.random.integers(len(fit)))]

    def conv(self, source=None, *, depthwise=False, pointwise=False, outputs=None):
        random = self.random
        source = source or self.any(bits=8 if depthwise else None)
        if self.grids[source.name] == 1 and source.items > 3 and random.random() < 0.4 and not depthwise:
            self.grids[source.name] = source.items  # one channel, at positions
        positions_in = self.grids[source.name]
        channels = source.items // positions_in
        groups = channels if depthwise else int(random.choice([each for each in (1, 2, 3) if channels % each == 0]))
        outputs = 1 if depthwise else outputs or int(random.integers(1, 7))
        taps, kernel = (1, 1) if pointwise else (int(random.integers(1, 4)), int(random.integers(1, 4)))
        stride, dilation = (1, 1) if pointwise else (int(random.integers(1, 3)), int(random.integers(1, 3)))
        kernel = kernel if positions_in > 1 else 1
        reach = (kernel - 1) * dilation
        pad, behind = (int(random.integers(0, reach + 1)) for _ in range(2))
        positions = (positions_in + pad + behind - reach - 1) // stride + 1
        if positions < 1:
            pad = behind = reach
            positions = (positions_in + reach - 1) // stride + 1
        dilation_time = int(random.integers(1, 4))
        weights = random.integers(-128, 128, (groups, outputs, taps, kernel, channels // groups)).astype(np.int8)
        size = weights[0, 0].size
        exact = 2.0 ** np.round(np.log2(STEPS[source.bits] * 74 * np.sqrt(size) / 40))
        multiplier = random.uniform(0.5, 2, groups * outputs) / exact
        multiplier[:1] = 1 / exact  # halves come up, which are rounded to even
        low, high = self.limits()
        conv = Conv(
            name=f"conv*/{len(self.operators)}",
            input=source,
            output=self.tensor(positions * groups * outputs),
            weights=weights,
            bias=random.integers(-2000, 2000, groups * outputs),
            multiplier=multiplier.astype(F),
            positions_in=positions_in,
            positions=positions,
            low=low,
            high=high,
            stride=stride,
            dilation=dilation,
            pad=pad,
            dilation_time=dilation_time,
            before=int(random.integers(0, (taps - 1) * dilation_time + 1)),
        )
        self.put(conv, positions)

    def elementwise(self):
        a = self.any()
        fit = [tensor for tensor in self.tensors if tensor.items == a.items and tensor.bits == 8]
        if not fit:
            self.conv(a, pointwise=True, outputs=a.items)
            return
        b = fit[int(self.random.integers(len(fit)))]
        kind = "add" if a.bits == 16 or self.random.random() < 0.6 else "mul"
        output, (low, high) = self.tensor(a.items), self.limits()
        sign = -1 if self.random.random() < 0.3 else 1
        scales = (a.scale, F(sign * b.scale))
        sizes = STEPS[a.bits] * a.scale, STEPS[8] * b.scale
        inverse = F(self.random.uniform(30, 80) / (max(sizes) if kind == "add" else sizes[0] * sizes[1]))
        self.put(
            Elementwise(kind, f"{kind} {len(self.operators)}", a, b, output, scales, inverse, low, high),
            self.grids[a.name],
        )

    def lookup(self):
        source = self.any(bits=8)
        table = self.random.integers(-128, 128, 256).astype(np.int8)
        output = self.tensor(source.items)
        self.put(LookupTable(f"table {len(self.operators)}", source, output, table), self.grids[source.name])

    def rearrange(self):
        inputs = tuple(self.any(bits=8) for _ in range(int(self.random.integers(1, 4))))
        total = sum(tensor.items for tensor in inputs)
        index = self.random.permutation(total)[: int(self.random.integers(1, min(total, 60) + 1))]
        self.put(Permute(f"order {len(self.operators)}", inputs, self.tensor(len(index)), index), 1)

    def graph(self, frames):
        """All so far; what nobody reads is added up, so that nothing is for nothing."""
        if self.tensors[-1].bits == 16:
            self.conv(pointwise=True)
        read = {tensor.name for operator in self.operators for tensor in operator.inputs}
        loose = tuple(tensor for tensor in self.tensors if tensor.name not in read)
        if len(loose) > 1:
            total = sum(tensor.items for tensor in loose)
            self.put(Permute("all", loose, self.tensor(total), np.arange(total)), 1)
        result = self.tensors[-1]
        return IntegerGraph(
            bins=self.bins,
            frames=frames,
            prologue=tuple(self.prologue),
            inputs=(self.entry,),
            operators=tuple(self.operators),
            output=result,
            mask_table=self.random.uniform(0, 1, 256).astype(F),
            mask_index=np.resize(self.random.permutation(result.items), self.bins),
        )


def random_graph(seed, bins, frames, *, operators=6, bits=8, coarseness=1):
    """Any operators, in any order.

    With a coarse input, hardly a magnitude is so near to where it is rounded the other way that it matters how its
    spectrum was computed.
    """
    builder = Builder(seed, bins, bits, coarseness)
    builder.conv()
    for _ in range(operators - 1):
        kind = builder.random.choice(["conv", "depthwise", "pointwise", "elementwise", "lookup", "rearrange"])
        if kind in ("depthwise", "pointwise"):
            builder.conv(**{str(kind): True})
        else:
            getattr(builder, kind)()
    return builder.graph(frames)


def program_of(graph, stft, new, lookahead=None):
    """The program of a graph: as a stream, or as patches with a look-ahead of so many frames."""
    if lookahead is None:
        return Program(graph, Engine(True, new, stream_plan(graph).lag[graph.output.name]), stft)
    return Program(graph, Engine(False, new, lookahead), stft)


def magnitudes(program, calls, seed=0):
    """Of some calls: (bins, computed) float32 each, with zeros among them; complex64 where such go in."""
    random = np.random.default_rng(seed)
    shape = (program.stft.bins, program.engine.frames_computed)
    made = [(random.gamma(0.5, 1.0, shape) * (random.random(shape) < 0.9)).astype(F) for _ in range(calls)]
    if not program.graph.is_complex:
        return made
    return [(each * np.exp(2j * np.pi * random.random(shape))).astype(np.complex64) for each in made]


def calls_that_check(program):
    """So many that a stream's masks depend on the magnitudes alone at last, for 8 frames or more."""
    behind = frames_behind_a_mask(program.graph) if program.engine.is_stream else 0
    return max(4, -(-(behind + 8) // program.engine.new))


def write_tiny_package(program, folder, *, calls=None, seed=0, input_gain=False, silence_threshold=None):
    """The package of a program, with vectors of random magnitudes that show whether a build is wrong."""
    folder.mkdir(parents=True)
    settings = PackageSettings(RATE, input_gain, silence_threshold)
    assert write_package(program, settings, magnitudes(program, calls or calls_that_check(program), seed), folder) > 0
    return folder
