"""Small static QDQ models in the forms that exporters and quantizers write, for what reads them.

Float graphs are quantized with the project's own machinery; what it does not write, `qdq_rewrites` makes of the result.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np

import foreign_graphs
from mask_graphs import magnitudes
from qdq_rewrites import (
    rounded,
    spliced,
    with_activations,
    with_pads_apart,
    with_quantizers_of_weights,
    with_unsigned_activations,
    with_weight_zero_points,
    with_zeros_joined,
    without_last_quantizer,
)
from quantizers import quantization, ready
from sezoo.models.onnx_graph import set_weights
from sezoo.quantization.calibration.ranges import calibrate
from sezoo.quantization.calibration.segments import Segment
from sezoo.quantization.graph.qdq import write_qdq
from sezoo.quantization.graph.static_shape import with_static_shape
from sezoo.quantization.options import calibration_options
from sezoo.quantization.plan import Plan
from sezoo.quantization.recovery.input_precision import with_int8_input, with_int16_input, with_split_input

BINS, HIDDEN, FRAMES = 12, 16, 20
LOW = 4
"""Low bins, of a head of their own."""

PATH = Path("some_model.onnx")


class Graph(foreign_graphs.Graph):
    """`foreign_graphs.Graph` on few bins, with convolutions of any padding; "mask" is a sigmoid where none is made."""

    def conv(self, source, name, inward, outward, *, kernel=(1,), pads=None, gain=2.0, bias=True, **attributes):
        """A convolution that keeps all lengths, or with pads of its own."""
        group, dilations = attributes.get("group", 1), attributes.get("dilations", [1] * len(kernel))
        if pads is None and "auto_pad" not in attributes:
            pads = [step * (taps - 1) // 2 for taps, step in zip(kernel, dilations, strict=True)] * 2
        if pads is not None:
            attributes["pads"] = pads
        fan_in = inward // group * np.prod(kernel)
        inputs = [source, self.random(f"{name}.weight", outward, inward // group, *kernel, fan_in=fan_in, gain=gain)]
        if bias:
            inputs.append(self.random(f"{name}.bias", outward, fan_in=8))
        return self.node("Conv", inputs, name, kernel_shape=kernel, **attributes)

    def relu(self, source):
        return self.node("Relu", [source], f"{source}.relu")

    def image(self, source, name="image"):
        """(batch, bins, frames) as (batch, 1, bins, frames)."""
        return self.over_axes("Unsqueeze", source, name, 1)

    def transposed(self, source, name, *perm):
        return self.node("Transpose", [source], name, perm=perm)

    def reshaped(self, source, name, *shape):
        return self.node("Reshape", [source, self.integers(f"{name}.shape", *shape)], name)

    def sliced(self, source, name, first, last, axis, step=1):
        ends = [self.integers(f"{name}.{end}", value) for end, value in (("from", first), ("to", last), ("at", axis))]
        return self.node("Slice", [source, *ends, self.integers(f"{name}.step", step)], name)

    def finished(self, source, *, function="Sigmoid"):
        """The model whose mask is a function of a tensor (batch, bins, frames)."""
        self.node(function, [source], "mask")
        axes = ("batch", BINS, "frames")
        return self.model((("input", axes),), (("mask", axes),))


# -- from float to int8 -----------------------------------------------------------------------------------


def clips(count=3, frames=60, seed=0):
    """Magnitudes to calibrate with."""
    return magnitudes(*[frames] * count, seed=seed, bins=BINS, loudest=3.0)


def patches(count=3, frames=FRAMES, seed=7):
    """Magnitudes of patches, each (bins, frames) float32, some louder than what was calibrated with."""
    return [clip[0] for clip in magnitudes(*[frames] * count, seed=seed, bins=BINS, loudest=4.0)]


def plan_of(model, **settings):
    """What the int8 model is written from, and the settings."""
    settings = quantization(**settings)
    prepared, op_types = ready(model, settings)
    ranges = calibrate(prepared, [[clip] for clip in clips()], op_types, calibration_options(settings))
    return Plan(prepared, prepared, ranges, tuple(op_types)), settings


def dynamic_int8(model, *, changed=lambda plan: plan, **settings):
    """A float model in int8, of any length; `changed` is what a step of accuracy recovery does."""
    plan, settings = plan_of(model, **settings)
    return write_qdq(changed(plan), settings)


def static_int8(model, frames=FRAMES, **how):
    """The same for a number of frames."""
    return with_static_shape(dynamic_int8(model, **how), frames)


def fixed_int8(model, frames=FRAMES):
    """A float model in int8 that is right for one number of frames, whatever it does with them."""
    fixed = with_static_shape(model, frames)
    op_types = sorted({node.op_type for node in fixed.graph.node})
    settings = quantization()
    options = calibration_options(settings)
    ranges = calibrate(fixed, [[patch[np.newaxis]] for patch in patches(frames=frames)], op_types, options)
    return with_static_shape(write_qdq(Plan(fixed, fixed, ranges, tuple(op_types)), settings), frames)


def float_entrance(plan):
    """What comes before the first layer is left in float, and rounded once."""
    names = [node.name for node in plan.model.graph.node]
    first = next(index for index, node in enumerate(plan.model.graph.node) if node.op_type == "Conv")
    return replace(plan, in_float=frozenset(names[:first]))


def int8_input(plan):
    """The input in 8 bits, whatever reads it."""
    return with_int8_input(plan, [Segment(clip[0].astype(np.complex64), clip) for clip in clips()])


# -- float models, a function of a graph each, whose mask is a sigmoid ---------------------------------------------


def chain(*layers, seed=0, function="Sigmoid", image=False):
    """Convolutions one behind the other with ReLUs between, from the bins and back to them.

    `layers` are settings of convolutions; the last layer, of one tap, is made here. With `image` they are over
    (bins, frames), on channels.
    """
    graph = Graph(seed)
    last, inward = (graph.image("input"), 1) if image else ("input", BINS)
    for number, settings in enumerate(layers):
        settings = {"outward": 4 if image else HIDDEN, **settings}
        last, outward = graph.relu(graph.conv(last, f"c{number}", inward, **settings)), settings["outward"]
        inward = outward
    if not image:
        return graph.finished(graph.conv(last, "out", inward, BINS), function=function)
    last = graph.conv(last, "out", inward, 1, kernel=(1, 1))
    return graph.finished(graph.over_axes("Squeeze", last, "flat", 1), function=function)


def small():
    """Two convolutions, the first over three frames."""
    return chain({"kernel": (3,)})


def two_heads(function="Sigmoid"):
    """Layers of their own for low and for high bins, put together before the mask's function."""
    graph = Graph()
    last = graph.relu(graph.conv("input", "c0", BINS, HIDDEN, kernel=(3,)))
    heads = [graph.conv(last, "low", HIDDEN, LOW), graph.conv(last, "high", HIDDEN, BINS - LOW, gain=3)]
    return graph.finished(graph.node("Concat", heads, "both", axis=1), function=function)


def residual():
    """Dilated depthwise convolutions between pointwise ones, added to what they began with."""
    graph = Graph()
    last = "input"
    for block in range(3):
        inner = graph.relu(graph.conv(last, f"b{block}.in", BINS, HIDDEN))
        wide = {"kernel": (3,), "dilations": [2**block], "group": HIDDEN}
        inner = graph.relu(graph.conv(inner, f"b{block}.dw", HIDDEN, HIDDEN, **wide))
        last = graph.node("Add", [last, graph.conv(inner, f"b{block}.out", HIDDEN, BINS)], f"b{block}.sum")
    return graph.finished(last)


def chomped(*, negative_pad=False):
    """Causal convolutions as of TCNs: padded on both sides, what is too much cut off at the end."""
    graph = Graph()
    last, inward = "input", BINS
    for number, dilation in enumerate((1, 2, 4)):
        pads = [2 * dilation, 2 * dilation]
        last = graph.relu(graph.conv(last, f"c{number}", inward, HIDDEN, kernel=(3,), dilations=[dilation], pads=pads))
        if negative_pad:
            last = graph.node(
                "Pad", [last, graph.integers(f"cut{number}", 0, 0, 0, 0, 0, -2 * dilation)], f"chomp{number}"
            )
        else:
            last = graph.sliced(last, f"chomp{number}", 0, -2 * dilation, 2)
        inward = HIDDEN
    return graph.finished(graph.conv(last, "out", HIDDEN, BINS))


def time_first():
    """Convolutions over images (batch, channels, frames, bins)."""
    graph = Graph()
    last = graph.image(graph.transposed("input", "turned", 0, 2, 1))
    last = graph.relu(graph.conv(last, "c0", 1, 4, kernel=(3, 5), pads=[2, 2, 0, 2]))
    last = graph.relu(graph.conv(last, "c1", 4, 6, kernel=(2, 3), dilations=[2, 1], strides=[1, 2], pads=[1, 1, 1, 1]))
    last = graph.conv(last, "c2", 6, 2, kernel=(1, 1))
    last = graph.reshaped(graph.transposed(last, "turned back", 0, 3, 1, 2), "rows", 0, BINS, -1)
    return graph.finished(last)


def pixel_shuffle():
    """Frequencies halved by a stride, and doubled again by channels that become frequencies."""
    graph = Graph()
    last = graph.relu(graph.conv(graph.image("input"), "down", 1, 6, kernel=(3, 3), strides=[2, 1], pads=[1, 1, 1, 1]))
    last = graph.conv(last, "up", 6, 2 * 4, kernel=(3, 3))
    last = graph.reshaped(last, "apart", 0, 4, 2, BINS // 2, -1)
    last = graph.reshaped(graph.transposed(last, "shuffled", 0, 1, 3, 2, 4), "joined", 0, 4, BINS, -1)
    last = graph.conv(graph.relu(last), "out", 4, 1, kernel=(3, 1))
    return graph.finished(graph.over_axes("Squeeze", last, "flat", 1))


def skip_connection(*, gain):
    """A tensor beside what was made of it, of another range where there is a `gain`."""
    graph = Graph()
    first = graph.relu(graph.conv("input", "c0", BINS, HIDDEN))
    second = graph.relu(graph.conv(first, "c1", HIDDEN, HIDDEN, kernel=(3,), gain=gain))
    both = graph.node("Concat", [first, second, first], "both", axis=1)
    return graph.finished(graph.conv(both, "out", 3 * HIDDEN, BINS))


def parts():
    """Slices, a Gather that reverses, and halves that gate each other."""
    graph = Graph()
    low, high = graph.sliced("input", "low", 0, 8, 1), graph.sliced("input", "odd", 1, BINS, 1, 2)
    both = graph.node("Concat", [graph.conv(low, "c0", 8, 8), graph.conv(high, "c1", 6, 8)], "both", axis=1)
    backwards = graph.node("Gather", [both, graph.weight("order", np.arange(16)[::-1].copy())], "backwards", axis=1)
    value, gate = graph.split(graph.conv(backwards, "c2", 16, 24, kernel=(3,)), "value", "gate", axis=1)
    opened = graph.node(
        "Mul", [graph.node("Sigmoid", [gate], "open"), graph.node("Tanh", [value], "limited")], "product"
    )
    return graph.finished(graph.conv(opened, "out", 12, BINS))


def arithmetic():
    """Sums, differences and products of two tensors, of one with itself, and of frequencies with one number for all."""
    graph = Graph()
    a, b = graph.conv("input", "a", BINS, HIDDEN), graph.relu(graph.conv("input", "b", BINS, HIDDEN, kernel=(3,)))
    c = graph.node("Sub", [graph.node("Add", [a, b], "sum"), graph.node("Mul", [a, b], "product")], "difference")
    square = graph.node("Mul", [c, c], "square")
    image = graph.reshaped(square, "grid", 0, 4, 4, -1)
    gate = graph.node("Sigmoid", [graph.conv(image, "gate", 4, 4, kernel=(4, 1), pads=[0, 0, 0, 0])], "open")
    weighed = graph.reshaped(graph.node("Mul", [image, gate], "weighed"), "rows", 0, HIDDEN, -1)
    return graph.finished(graph.conv(graph.relu(weighed), "out", HIDDEN, BINS))


def functions():
    """Functions of one value behind each other's convolutions."""
    graph = Graph(opset=17)
    last, inward = "input", BINS
    for op_type in ("LeakyRelu", "PRelu", "Sigmoid", "Tanh", "HardSwish", "Elu", "Softplus"):
        last = graph.conv(last, f"{op_type}.conv", inward, HIDDEN)
        given = [graph.weight("slope", np.full((1, 1), 0.2, np.float32))] if op_type == "PRelu" else []
        last, inward = graph.node(op_type, [last, *given], op_type), HIDDEN
    return graph.finished(graph.conv(last, "out", HIDDEN, BINS))


def prologue(kind):
    """What there is in float before the first convolution."""
    graph = Graph()
    number = graph.number
    eps, column = (
        number("eps", 1e-3),
        lambda name, *ends: graph.weight(name, graph.rng.uniform(*ends, (BINS, 1)).astype(np.float32)),
    )
    if kind == "pow":
        last = graph.node("Pow", ["input", number("exponent", 0.3)], "compressed")
    elif kind == "sqrt":
        last = graph.node("Sqrt", [graph.node("Pow", ["input", number("exponent", 2)], "power")], "root")
        last = graph.node(
            "Mul", [graph.node("Pow", [last, number("half", 0.5)], "compressed"), column("gains", 0.5, 2)], "weighed"
        )
    elif kind == "log":
        last = graph.node("Log", [graph.node("Max", ["input", eps], "positive")], "log")
        last = graph.node("Sub", [last, column("means", -4, -3)], "centred")
        last = graph.node("Div", [last, column("deviations", 1, 2)], "scaled")
    elif kind == "several":
        parts = graph.split("input", "low", "high", axis=1)
        last = graph.node("Concat", [graph.node("Neg", [parts[1]], "negative"), parts[0]], "swapped", axis=1)
        last = graph.node(
            "Exp", [graph.node("Clip", [last, number("least", -2), number("most", 1)], "limited")], "grown"
        )
        last = graph.node(
            "Div", ["input", graph.node("Add", [last, graph.node("Reciprocal", [last], "shrunk")], "sum")], "ratio"
        )
        last = graph.node("Sub", [column("ends", 0, 1), graph.node("Abs", [last], "size")], "rest")
        last = graph.node("Min", [last, graph.node("Relu", [last], "raised")], "least of both")
    elif kind == "negative powers":
        above, last = graph.node("Add", ["input", eps], "above zero"), "input"
        for exponent in (-0.7, -0.5, 1.0, -2.0, -1.0, 2.0):
            power = graph.node("Pow", [above, number(f"exponent {exponent}", exponent)], f"power {exponent}")
            last = graph.node("Mul", [last, power], f"times {exponent}")
        last = graph.node("Pow", [last, number("root", 0.2)], "compressed")
    elif kind in ("level", "padded level"):  # what is divided by the highest mean in five frames up to now
        compressed = graph.node("Pow", ["input", number("exponent", 0.3)], "compressed")
        level, pads = graph.node("ReduceMean", [compressed], "mean", axes=[1], keepdims=1), [4, 0]
        if kind == "padded level":
            graph.weight("pads", np.array([0, 0, 4, 0, 0, 0]))
            level, pads = graph.node("Pad", [level, "pads"], "padded"), [0, 0]
        level = graph.node("MaxPool", [level], "level", kernel_shape=[5], pads=pads)
        last = graph.node("Div", [compressed, graph.node("Add", [level, eps], "above zero")], "divided")
    last = graph.relu(graph.conv(last, "c0", BINS, HIDDEN, kernel=(3,)))
    return graph.finished(graph.conv(last, "out", HIDDEN, BINS))


def with_function_of_zeros(kind):
    """A function behind the zeros that stand before the first frame, and a convolution behind that."""
    model = with_zeros_joined(static_int8(chain({"kernel": (3,), "pads": [2, 0]})))
    joined = next(node for node in model.graph.node if node.op_type == "Concat")
    set_weights(model.graph, {"scale": np.float32(0.02), "zero": np.array(0, np.int8)})
    opened = (kind, joined.output[:1], "opened")
    return spliced(model, joined.output[0], opened, *rounded("opened", "scale", "zero"))


# -- all forms, as functions that give the static model of a number of frames --------------------------------------


def _of(model, changed=lambda plan: plan, **settings):
    return lambda frames=FRAMES: static_int8(model, frames, changed=changed, **settings)


def with_one_range(plan):
    """All ranges the widest that there is, as before anything was calibrated."""
    low, high = zip(*plan.ranges.values(), strict=True)
    return replace(plan, ranges=dict.fromkeys(plan.ranges, (min(low), max(high))))


def _then(change, model, *, of_plan=lambda plan: plan, **settings):
    return lambda frames=FRAMES: change(static_int8(model, frames, changed=of_plan), **settings)


CAUSAL = {"kernel": (3,), "pads": [2, 0]}
WIDE = {"kernel": (3, 3)}

FORMS = {
    # convolutions over time
    "pointwise": _of(chain({})),
    "dilated": _of(chain({"kernel": (3,), "dilations": [4]})),
    "five taps": _of(chain({"kernel": (5,)})),
    "depthwise": _of(residual()),
    "two outputs for each input": _of(chain({"group": BINS, "outward": 2 * BINS, "kernel": (3,)})),
    "grouped": _of(chain({}, {"kernel": (3,), "group": 4})),
    "padded more behind": _of(chain({"kernel": (4,), "auto_pad": "SAME_UPPER"})),
    "padded more in front": _of(chain({"kernel": (4,), "auto_pad": "SAME_LOWER"})),
    "causal": _of(chain(CAUSAL)),
    "only ahead": _of(chain({"kernel": (3,), "pads": [0, 2]})),
    "Pad": _then(with_pads_apart, chain(CAUSAL, {"kernel": (3,)}), rounded=False),
    "rounded Pad": _then(with_pads_apart, chain(CAUSAL, {"kernel": (3,)}), rounded=True),
    "zeros by Concat": _then(with_zeros_joined, chain(CAUSAL, CAUSAL)),
    "cut off by Slice": _of(chomped()),
    "cut off by Pad": _of(chomped(negative_pad=True)),
    "no bias": _of(chain({"bias": False})),
    # over frequencies and time
    "images": _of(chain(WIDE, {"kernel": (3, 2), "dilations": [2, 1], "pads": [2, 1, 2, 0]}, image=True)),
    "grouped images": _of(chain(WIDE, {**WIDE, "group": 4}, {**WIDE, "group": 2}, image=True)),
    "time first": _of(time_first()),
    "pixel shuffle": _of(pixel_shuffle()),
    "Pad of images": _then(with_pads_apart, time_first(), rounded=False),
    "rounded Pad of images": _then(with_pads_apart, pixel_shuffle(), rounded=True),
    # other operators
    "Concat of like scales": _of(skip_connection(gain=1)),
    "Concat of other scales": _of(skip_connection(gain=9)),
    "Concat of the mask's bins": _of(two_heads()),
    "Concat of the mask's bins, in one scale": _of(two_heads("Tanh"), with_one_range),
    "Slice, Gather, Split": _of(parts()),
    "Add, Sub, Mul": _of(arithmetic()),
    "tables": _of(functions()),
    "Relu before the quantizer": _then(lambda model: with_activations(model, "Relu"), small()),
    "Clip before the quantizer": _then(lambda model: with_activations(model, "Clip", -0.3, 0.7), small()),
    # masks
    "tanh": _of(chain({}, function="Tanh")),
    "float mask": _then(without_last_quantizer, small()),
    # types and quantizers
    "uint8": _then(with_unsigned_activations, residual()),
    "uint16": _then(with_unsigned_activations, small(), of_plan=with_int16_input),
    "int16": _of(small(), with_int16_input),
    "int16, added": _of(residual(), with_int16_input),
    "one scale for all": _of(residual(), per_channel=False),
    "uint8 weights": _then(lambda model: with_weight_zero_points(model, 128, np.uint8), small()),
    "quantizers of weights": _then(with_quantizers_of_weights, residual()),
    "quantizers for each reader": _of(residual(), extra_options={"DedicatedQDQPair": True}),
    # before the first integer
    **{f"prologue: {kind}": _of(prologue(kind), float_entrance) for kind in ("pow", "sqrt", "log", "several")},
    **{
        f"prologue: {kind}": _of(prologue(kind), float_entrance)
        for kind in ("level", "padded level", "negative powers")
    },
    "split input": _of(residual(), with_split_input),
    "split log": _of(prologue("log"), with_split_input),
    "int16 pow": _of(prologue("pow"), with_int16_input),
    "int8 before float": _of(prologue("log"), lambda plan: float_entrance(int8_input(plan))),
    "int8 tables": _of(prologue("pow")),
}
"""By name: what gives the static int8 model of a number of frames."""
