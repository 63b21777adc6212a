"""Small mask models with comparisons, choices, sums and norms over an axis, as exporters write them."""

import numpy as np
import onnx

from int8_graphs import BINS
from operator_graphs import C, Operators


class Choices(Operators):
    """`Operators`, with opset 13."""

    def __init__(self):
        super().__init__(opset=13)
        self.inner = self.start()

    def gated(self, number):
        """The image times the sigmoid of something that has one channel or one bin."""
        return self.from_image(self.node("Mul", [self.inner, self.node("Sigmoid", [number], "open")], "gated"))

    def pattern(self, *shape):
        return self.weight("pattern", self.rng.random(shape) > 0.5)

    def chosen(self, condition, one, other):
        chosen = self.node("Where", [condition, one, other], "chosen")
        return self.from_image(self.node("Mul", [chosen, self.number("third", 0.3)], "quieter"))


def by_constants(kind):
    def build():
        graph = Choices()
        other = {
            "tensor": lambda: graph.node("Mul", [graph.inner, graph.number("minus", -0.5)], "other"),
            "zeros": lambda: graph.number("zero", 0),
            "numbers": lambda: graph.uniform("numbers", -1, 1, C, 1, 1),
        }[kind]()
        given = [graph.inner, other] if kind != "numbers" else [other, graph.inner]
        return graph.chosen(graph.pattern(1, C, BINS, 1), *given)

    return build


def by_comparison(op_type, *, of_two=False, inverted=False):
    def build():
        graph = Choices()
        scaled = graph.node("Mul", [graph.inner, graph.number("slope", 0.3)], "scaled")
        other = graph.conv(graph.inner, "other", C, C, kernel=(1, 1)) if of_two else graph.number("zero", 0)
        given = [graph.inner, other]
        if op_type.startswith("Less"):  # so that both choices are the same at the threshold
            given = given[::-1]
        condition = graph.node(op_type, given, "condition")
        pair = [graph.inner, other if of_two else scaled]
        if inverted:
            condition, pair = graph.node("Not", [condition], "inverse"), pair[::-1]
        return graph.chosen(condition, *pair)

    return build


def between():
    """Zero in a range around it, as a soft shrinkage has it."""
    graph = Choices()
    far = [
        graph.node("Less", [graph.inner, graph.number("low", -0.4)], "below"),
        graph.node("Greater", [graph.inner, graph.number("high", 0.4)], "above"),
    ]
    parts = []
    for name, op_type, condition in (("up", "Add", far[0]), ("down", "Sub", far[1])):
        moved = graph.node(op_type, [graph.inner, graph.number(f"{name} by", 0.4)], name)
        parts.append(graph.node("Where", [condition, moved, graph.number(f"{name} or", 0)], f"{name} chosen"))
    moved = graph.node("Add", parts, "shrunk")
    either = graph.node("Where", [graph.node("Or", far, "far"), moved, graph.number("nothing", 0)], "either")
    return graph.from_image(either)


def as_a_number():
    """A comparison times what is compared, which is a ReLU."""
    graph = Choices()
    condition = graph.node("Greater", [graph.inner, graph.number("zero", 0)], "condition")
    number = graph.node("Cast", [condition], "number", to=onnx.TensorProto.FLOAT)
    return graph.from_image(graph.node("Mul", [graph.inner, number], "kept"))


def reduced(op_type, *axes):
    def build():
        graph = Choices()
        made = graph.node(op_type, [graph.inner], "reduced", axes=axes, keepdims=1)
        return graph.gated(graph.node("Mul", [made, graph.number("less", 0.2)], "scaled"))

    return build


def running_sum(axis, **how):
    def build():
        graph = Choices()
        made = graph.node("CumSum", [graph.inner, graph.weight("axis", np.array(axis))], "sums", **how)
        return graph.gated(graph.node("Mul", [made, graph.number("less", 0.2)], "scaled"))

    return build


def sine():
    graph = Choices()
    return graph.from_image(graph.node("Sin", [graph.inner], "sine"))


def group_norm():
    """In groups of channels, with the frames as a batch."""
    graph = Operators(opset=13)
    grouped = graph.reshaped(graph.frames_as_batch(4, 4), "groups", 0, 2, -1)
    given = [grouped, graph.weight("ones", np.ones(2, np.float32)), graph.weight("zeros", np.zeros(2, np.float32))]
    normed = graph.reshaped(graph.node("InstanceNormalization", given, "norm"), "channels", -1, 4, 4)
    scaled = graph.node("Mul", [normed, graph.uniform("factor", 0.5, 1.5, 4, 1)], "scaled")
    return graph.of_one_clip(graph.node("Add", [scaled, graph.uniform("offset", -0.5, 0.5, 4, 1)], "moved"))


def norm_behind_a_function():
    """A norm reads 16 bits, and a function of 8 makes them."""
    graph = Operators(opset=13)
    return graph.from_image(graph.normalized(graph.node("Elu", [graph.start()], "elu"), 1))


def norm_of_the_input():
    """In float, as all that comes before the first layer."""
    graph = Operators(opset=17)
    turned = graph.transposed("input", "turned", 0, 2, 1)
    given = [turned, graph.uniform("factor", 0.5, 1.5, BINS), graph.uniform("offset", -0.5, 0.5, BINS)]
    normed = graph.transposed(graph.node("LayerNormalization", given, "norm", axis=-1), "back", 0, 2, 1)
    return graph.finished(graph.conv(graph.relu(graph.conv(normed, "in", BINS, C, kernel=(3,))), "out", C, BINS))


def bins_left_out():
    """Zeros for the highest bins, behind the mask of the others."""
    graph = Operators(opset=13)
    inner = graph.relu(graph.conv("input", "in", BINS, C, kernel=(3,)))
    low = graph.node("Sigmoid", [graph.conv(inner, "out", C, BINS - 2)], "low")
    graph.node("Pad", [low, graph.integers("pads", 0, 0, 0, 0, 2, 0)], "mask")
    axes = ("batch", BINS, "frames")
    return graph.model((("input", axes),), (("mask", axes),))


SELECTIONS = {
    "norm behind a function": norm_behind_a_function,
    "norm of the input": norm_of_the_input,
    "bins left out": bins_left_out,
    "choice of two": by_constants("tensor"),
    "choice or zero": by_constants("zeros"),
    "choice or numbers": by_constants("numbers"),
    "greater than zero": by_comparison("Greater"),
    "less or equal": by_comparison("LessOrEqual", inverted=True),
    "larger of two": by_comparison("GreaterOrEqual", of_two=True),
    "less of two": by_comparison("Less", of_two=True),
    "neither of two": by_comparison("Less", of_two=True, inverted=True),
    "shrunk": between,
    "comparison as a number": as_a_number,
    "L1 norm": reduced("ReduceL1", 1),
    "L2 norm": reduced("ReduceL2", 1, 2),
    "sum of squares": reduced("ReduceSumSquare", 2),
    "least bin": reduced("ReduceMin", 2),
    "sums over bins": running_sum(2),
    "sums over channels, backwards": running_sum(1, reverse=1, exclusive=1),
    "sine": sine,
    "group norm": group_norm,
}
"""The builders by what they show."""
