"""Small mask models with norms by the root of a mean of squares, products by group, and maxima behind functions."""

import onnx

from int8_graphs import BINS, HIDDEN
from operator_graphs import C, Operators
from sezoo.models.states import with_states


class Groups(Operators):
    """`Operators`, with an image whose axes can be turned and split."""

    def __init__(self, opset=13):
        super().__init__(opset=opset)
        self.inner = self.start()

    def root_of_squares(self, source, *axes, square="Pow"):
        given = [source, self.number("two", 2)] if square == "Pow" else [source, source]
        mean = self.over_axes("ReduceMean", self.node(square, given, "square"), "mean", *axes)
        return self.node("Sqrt", [self.node("Add", [mean, self.number("eps", 1e-5)], "positive")], "root")

    def frames_last_but_one(self):
        """(1, frames, BINS, C), as linear layers have it."""
        return self.transposed(self.inner, "turned", 0, 3, 2, 1)

    def from_turned(self, source, channels=C):
        return self.from_image(self.transposed(source, "image again", 0, 3, 2, 1), channels)


def rms_norm(*axes, division="Reciprocal", square="Pow", factor=None):
    """Written out, as PyTorch's exporter and users do."""

    def build():
        graph = Groups()
        root = graph.root_of_squares(graph.inner, *axes, square=square)
        if division == "Div":
            made = graph.node("Div", [graph.inner, root], "ratio")
        else:
            inverse = [root] if division == "Reciprocal" else [graph.number("one", 1), root]
            made = graph.node("Mul", [graph.inner, graph.node(division.split()[0], inverse, "inverse")], "ratio")
        if factor:
            made = graph.node("Mul", [made, graph.uniform("factor", 0.5, 1.5, *factor)], "scaled")
        return graph.from_image(made)

    return build


def rms_norm_of_a_layer():
    """Over the last axis, of what a layer in 8 bits and a residual give."""
    graph = Groups()
    turned = graph.frames_last_but_one()
    mean = graph.over_axes("ReduceMean", graph.node("Mul", [turned, turned], "square"), "mean", 3)
    root = graph.node("Sqrt", [graph.node("Add", [mean, graph.number("eps", 1e-6)], "positive")], "root")
    made = graph.node("Mul", [turned, graph.node("Reciprocal", [root], "inverse")], "ratio")
    made = graph.node("Mul", [graph.uniform("factor", 0.5, 1.5, C), made], "scaled")
    return graph.from_turned(graph.node("Add", [turned, made], "sum"))


def rms_normalization(*, at_input=False):
    """The operator of opset 23, over the last axis."""

    def build():
        graph = Operators(opset=23)
        turned = graph.transposed("input" if at_input else graph.conv("input", "in", BINS, HIDDEN), "turned", 0, 2, 1)
        factor = graph.uniform("factor", 0.5, 1.5, BINS if at_input else HIDDEN)
        made = graph.transposed(
            graph.node("RMSNormalization", [turned, factor], "norm", axis=-1, epsilon=1e-4), "back", 0, 2, 1
        )
        return graph.finished(graph.conv(made, "out", BINS if at_input else HIDDEN, BINS))

    return build


def einsum_of_groups(equation="bthd,hde->bthe", *, bias=False, from_turned=False):
    """(1, frames, 2, 22) or two letters more, times a matrix for each of two groups: DeepFilterNet's grouped layer."""

    def build():
        graph = Groups()
        grouped = graph.reshaped(graph.frames_last_but_one(), "groups", 0, 0, 2, BINS * C // 2)
        sizes = (BINS, BINS * C // 2) if from_turned else (BINS * C // 2, BINS)
        weight = graph.random("weight", 2, *sizes, fan_in=BINS * C // 2)
        made = graph.node("Einsum", [grouped, weight], "made", equation=equation)
        if bias:
            made = graph.node("Add", [made, graph.random("bias", 2, BINS, fan_in=8)], "moved")
        return graph.from_turned(made if from_turned else graph.transposed(made, "again", 0, 1, 3, 2), 2)

    return build


def matrices(*shape, from_left=False):
    """A MatMul with a matrix for each bin, (BINS, C, C), or each channel."""

    def build():
        graph = Groups()
        inner = graph.transposed(graph.inner, "bins first", 0, 2, 3, 1)  # (1, BINS, frames, C)
        if from_left:
            inner = graph.transposed(inner, "frames last", 0, 1, 3, 2)
        weight = graph.random("weight", *shape, fan_in=C)
        made = graph.node("MatMul", [weight, inner] if from_left else [inner, weight], "made")
        return graph.from_image(graph.transposed(made, "image again", *((0, 2, 1, 3) if from_left else (0, 3, 1, 2))))

    return build


def outer_product(equation="btc,btf->btcf"):
    """Each channel's mean times each bin's."""
    graph = Groups()
    means = [
        graph.transposed(graph.over_axes("ReduceMean", graph.inner, name, axis, keepdims=0), f"{name} turned", 0, 2, 1)
        for name, axis in (("of channels", 2), ("of bins", 1))
    ]
    made = graph.node("Einsum", means, "made", equation=equation)
    return graph.from_turned(graph.transposed(made, "turned back", 0, 1, 3, 2))


def einsum_of_one(equation):
    """Another order of axes, or a sum over the bins."""

    def build():
        graph = Groups()
        made = graph.node("Einsum", [graph.inner], "made", equation=equation)
        if equation == "bcft->btc":
            whole = graph.over_axes("Unsqueeze", made, "whole", 2)
            made = graph.node("Mul", [graph.frames_last_but_one(), graph.node("Sigmoid", [whole], "open")], "weighed")
        return graph.from_turned(made)

    return build


def spread_by_a_constant():
    """One channel times a constant for each of several, as decays of a state space are."""
    graph = Groups()
    one = graph.over_axes("ReduceMean", graph.inner, "one", 1, keepdims=1)
    return graph.from_image(graph.node("Mul", [one, graph.uniform("factors", 0.5, 2, C, 1, 1)], "spread"))


def largest_of(function, *, pooling=False):
    """The largest of two bins, or of all channels, of a function of one value."""

    def build():
        graph = Groups()
        source = graph.node("Abs", [graph.inner], "size") if function in ("Sqrt", "Abs") else graph.inner
        made = source if function == "Abs" else graph.node(function, [source], "function")
        if pooling:
            pooled = graph.node("MaxPool", [made], "pooled", kernel_shape=[3, 1], pads=[1, 0, 1, 0], strides=[1, 1])
        else:
            pooled = graph.node("ReduceMax", [made], "largest", axes=[1], keepdims=1)
        return graph.from_image(graph.node("Mul", [graph.inner, graph.node("Sigmoid", [pooled], "open")], "gated"))

    return build


def projected_cell(narrow=4):
    """An LSTM whose hidden state is a projection, one frame a call, in operators of its own: no ONNX LSTM has that."""
    graph = Operators(opset=13)
    wide = HIDDEN
    frame = graph.reshaped("input", "frame", 1, BINS)

    def product(source, name, inward, outward):
        return graph.node("MatMul", [source, graph.random(f"{name}.weight", inward, outward, fan_in=inward)], name)

    of_frame = graph.node("Add", [product(frame, "inward", BINS, 4 * wide), graph.random("bias", 4 * wide)], "moved")
    gates = graph.node("Add", [of_frame, product("hidden", "recurrent", narrow, 4 * wide)], "gates")
    parts = [
        graph.node(kind, [graph.sliced(gates, f"{name} gate", number * wide, (number + 1) * wide, 1)], name)
        for number, (name, kind) in enumerate([*((each, "Sigmoid") for each in ("in", "out", "kept")), ("new", "Tanh")])
    ]
    kept = [
        graph.node("Mul", pair, f"{name} part") for name, pair in (("old", [parts[2], "cell"]), ("now", parts[::3]))
    ]
    cell = graph.node("Add", kept, "cell_out")
    open_ = graph.node("Mul", [parts[1], graph.node("Tanh", [cell], "squashed")], "whole hidden")
    hidden = product(open_, "hidden_out", wide, narrow)
    graph.node("Sigmoid", [graph.reshaped(product(hidden, "head", narrow, BINS), "rows", 1, BINS, 1)], "mask")
    shapes = {"hidden": (1, narrow), "cell": (1, wide)}
    ends = (("mask", (1, BINS, 1)), *((f"{name}_out", shape) for name, shape in shapes.items()))
    model = graph.model((("input", (1, BINS, 1)), *shapes.items()), ends)
    return with_states(model, {name: f"{name}_out" for name in shapes})


GROUPS = {
    "rms norm of channels": rms_norm(1, factor=(C, 1, 1)),
    "rms norm of bins, divided": rms_norm(2, division="Div", square="Mul"),
    "rms norm of a frame": rms_norm(1, 2, division="Div by one", factor=(C, 1, 1)),
    "rms norm of a layer": rms_norm_of_a_layer,
    "einsum by group": einsum_of_groups(),
    "einsum by group, dots": einsum_of_groups("...hd,hde->...he", bias=True),
    "einsum by group, turned": einsum_of_groups("bthd,hed->bteh", from_turned=True),
    "spread by a constant": spread_by_a_constant,
    "einsum of one, order": einsum_of_one("bcft->btfc"),
    "einsum of one, sum": einsum_of_one("bcft->btc"),
    "matrix for each bin": matrices(BINS, C, C),
    "matrix for each bin, left": matrices(1, BINS, C, C, from_left=True),
    "outer product": outer_product,
    "largest behind Abs": largest_of("Abs"),
    "largest behind Neg": largest_of("Neg"),
    "largest behind Sqrt": largest_of("Sqrt"),
    "pooling behind Sqrt": largest_of("Sqrt", pooling=True),
    "pooling behind Tanh": largest_of("Tanh", pooling=True),
}
"""The builders by what they show."""

if onnx.defs.onnx_opset_version() >= 23:
    GROUPS |= {"rms norm, operator": rms_normalization(), "rms norm at the input": rms_normalization(at_input=True)}
