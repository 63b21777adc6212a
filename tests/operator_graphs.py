"""Small mask models with one operator each that has an integer form by way of others, and their int8 models."""

import numpy as np

from int8_graphs import BINS, HIDDEN, Graph, clips
from quantizers import quantization, ready
from sezoo.models.states import with_states
from sezoo.quantization.calibration.ranges import calibrate
from sezoo.quantization.graph.integer_forms import ACTIVATIONS_ALONE, nodes_before_layers, with_integer_forms
from sezoo.quantization.graph.qdq import write_qdq
from sezoo.quantization.graph.static_shape import with_static_shape
from sezoo.quantization.graph.wide_tensors import int8_only
from sezoo.quantization.options import calibration_options
from sezoo.quantization.plan import Plan
from sezoo.quantization.recovery.input_precision import with_int16_input
from sezoo.quantization.recurrent.expansion import expand

C = 4


class Operators(Graph):
    """`int8_graphs.Graph` with an image to begin with, and the operators that are tried."""

    def start(self, **how):
        """(batch, C, bins, frames), some of it negative."""
        return self.conv(self.image("input"), "in", 1, C, kernel=(3, 3), gain=4, **how)

    def halved(self):
        return self.relu(self.start(strides=[2, 1]))

    def uniform(self, name, low, high, *shape):
        return self.weight(name, self.rng.uniform(low, high, shape).astype(np.float32))

    def batch_norm(self, source, name, channels):
        ends = ((0.5, 2), (-0.5, 0.5), (0, 1), (0.2, 2))
        values = [self.uniform(f"{name}.{number}", *each, channels) for number, each in enumerate(ends)]
        return self.node("BatchNormalization", [source, *values], name)

    def transposed_conv(self, source, outputs=6, *, kernel=(4, 1), group=1, **how):
        weight = self.random("up.weight", C, outputs // group, *kernel, fan_in=2 * C)
        given = [source, weight, self.random("up.bias", outputs, fan_in=8)]
        return self.node("ConvTranspose", given, "up", kernel_shape=kernel, group=group, **how)

    def normalized(self, source, *axes, affine=None, reciprocal=False):
        """Written out, as exporters do."""
        centred = self.node("Sub", [source, self.over_axes("ReduceMean", source, "mean", *axes)], "centred")
        square = self.node("Pow", [centred, self.number("two", 2)], "square")
        variance = self.over_axes("ReduceMean", square, "variance", *axes)
        root = self.node("Sqrt", [self.node("Add", [variance, self.number("eps", 1e-5)], "positive")], "deviation")
        if reciprocal:
            last = self.node("Mul", [centred, self.node("Reciprocal", [root], "one over it")], "ratio")
        else:
            last = self.node("Div", [centred, root], "ratio")
        if affine:
            last = self.node("Mul", [last, self.uniform("factor", 0.5, 1.5, *affine)], "scaled")
            last = self.node("Add", [last, self.uniform("offset", -0.5, 0.5, *affine)], "moved")
        return last

    def from_image(self, source, channels=C):
        """The mask of an image (batch, channels, bins, frames)."""
        last = self.conv(source, "out", channels, 1, kernel=(1, 1), gain=3)
        return self.finished(self.over_axes("Squeeze", last, "flat", 1))

    def of_one_clip(self, source):
        """The mask of (frames, HIDDEN) in a model with a batch of one clip, whose frames are a batch inside."""
        last = self.transposed(self.reshaped(source, "rows", 1, -1, HIDDEN), "bins first", 0, 2, 1)
        self.node("Sigmoid", [self.conv(last, "out", HIDDEN, BINS)], "mask")
        axes = (1, BINS, "frames")
        return self.model((("input", axes),), (("mask", axes),))

    def frames_as_batch(self, *shape):
        """(frames, *shape) of a convolution."""
        inner = self.relu(self.conv("input", "in", BINS, HIDDEN, kernel=(3,)))
        return self.reshaped(self.transposed(inner, "frames first", 0, 2, 1), "cut up", -1, *shape)


def prelu():
    graph = Operators()
    return graph.from_image(graph.node("PRelu", [graph.start(), graph.uniform("slope", 0.05, 0.4, C, 1, 1)], "prelu"))


def batch_norm():
    """At the input, and behind a ReLU."""
    graph = Operators()
    last = graph.relu(graph.conv(graph.batch_norm("input", "first", BINS), "in", BINS, HIDDEN, kernel=(3,)))
    return graph.finished(graph.conv(graph.batch_norm(last, "norm", HIDDEN), "out", HIDDEN, BINS, kernel=(3,)))


def mean(*axes, keepdims=1):
    def build():
        graph = Operators()
        inner = graph.relu(graph.start())
        made = graph.over_axes("ReduceMean", inner, "mean", *axes, keepdims=keepdims)
        made = made if keepdims else graph.over_axes("Unsqueeze", made, "there again", *axes)
        return graph.from_image(graph.node("Mul", [inner, made], "weighed"))

    return build


def mean_of_the_last_axis():
    """Frames before channels, as linear layers have it."""
    graph = Operators()
    turned = graph.transposed(graph.relu(graph.conv("input", "in", BINS, HIDDEN)), "turned", 0, 2, 1)
    made = graph.node("Mul", [turned, graph.over_axes("ReduceMean", turned, "mean", 2, keepdims=1)], "weighed")
    return graph.finished(graph.conv(graph.transposed(made, "back", 0, 2, 1), "out", HIDDEN, BINS))


def pooled(op_type, **how):
    def build():
        graph = Operators()
        made = graph.node(op_type, [graph.relu(graph.start())], "pooled", strides=[2, 1], **how)
        return graph.finished(graph.reshaped(graph.conv(made, "out", C, 2, kernel=(1, 1)), "rows", 0, BINS, -1))

    return build


def gate(op_type, *, of_bins=False):
    """A product, sum or difference of a tensor with one that has one bin, or one channel."""

    def build():
        graph = Operators()
        inner = graph.relu(graph.start())
        if of_bins:
            made = graph.conv(inner, "gate", C, 1, kernel=(1, 1))
        else:
            made = graph.conv(inner, "gate", C, C, kernel=(BINS, 1), pads=[0] * 4)
        return graph.from_image(graph.node(op_type, [inner, graph.node("Sigmoid", [made], "open")], "gated"))

    return build


def upsampled(**how):
    """A transposed convolution and its ReLU."""

    def build():
        graph = Operators()
        return graph.from_image(graph.relu(graph.transposed_conv(graph.halved(), **how)), 6)

    return build


def upsampled_with_norm():
    """With a batch normalization and a PReLU behind it."""
    graph = Operators()
    up = graph.transposed_conv(graph.halved(), strides=[2, 1], pads=[1, 0, 1, 0])
    normed = graph.batch_norm(up, "norm", 6)
    return graph.from_image(graph.node("PRelu", [normed, graph.uniform("slope", 0.05, 0.4, 6, 1, 1)], "prelu"), 6)


def transposed_over_frames():
    graph = Operators()
    last = graph.relu(graph.conv("input", "in", BINS, C, kernel=(3,)))
    return graph.finished(graph.transposed_conv(last, BINS, kernel=(3,), pads=[1, 1]))


def resized():
    graph = Operators()
    scales = graph.weight("scales", np.array([1, 1, 2, 1], np.float32))
    how = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    return graph.from_image(graph.node("Resize", [graph.halved(), "", scales], "resized", **how))


def interpolated(**how):
    def build():
        graph = Operators(opset=13)
        scales = graph.weight("scales", np.array([1, 1, 2, 1], np.float32))
        return graph.from_image(graph.node("Resize", [graph.halved(), "", scales], "resized", **how))

    return build


def quotient():
    """By a tensor that is between 1 and 2."""
    graph = Operators()
    inner = graph.relu(graph.start())
    open_ = graph.node("Sigmoid", [graph.conv(inner, "gate", C, C, kernel=(1, 1))], "open")
    return graph.from_image(
        graph.node("Div", [inner, graph.node("Add", [open_, graph.number("one", 1)], "more")], "less")
    )


def largest(axis, keepdims=1):
    def build():
        graph = Operators(opset=13)
        inner = graph.relu(graph.start())
        made = graph.node("ReduceMax", [inner], "largest", axes=[axis], keepdims=keepdims)
        made = made if keepdims else graph.over_axes("Unsqueeze", made, "there again", axis)
        return graph.from_image(graph.node("Mul", [inner, made], "weighed"))

    return build


def layer_norm():
    graph = Operators(opset=17)
    turned = graph.transposed(graph.conv("input", "in", BINS, HIDDEN, kernel=(3,)), "turned", 0, 2, 1)
    given = [turned, graph.uniform("factor", 0.5, 1.5, HIDDEN), graph.uniform("offset", -0.5, 0.5, HIDDEN)]
    made = graph.node("LayerNormalization", given, "norm", axis=-1)
    return graph.finished(graph.conv(graph.transposed(made, "back", 0, 2, 1), "out", HIDDEN, BINS))


def instance_norm():
    graph = Operators(opset=17)
    given = [graph.frames_as_batch(4, 4), graph.uniform("factor", 0.5, 1.5, 4), graph.uniform("offset", -0.5, 0.5, 4)]
    return graph.of_one_clip(graph.node("InstanceNormalization", given, "norm"))


def depth_to_space():
    graph = Operators()
    return graph.of_one_clip(graph.node("DepthToSpace", [graph.frames_as_batch(4, 2, 2)], "wider", blocksize=2))


def written_out_norm(*axes, affine=None, reciprocal=False):
    def build():
        graph = Operators(opset=13)
        return graph.from_image(graph.normalized(graph.start(), *axes, affine=affine, reciprocal=reciprocal))

    return build


def softmax(axis):
    def build():
        graph = Operators()
        inner = graph.relu(graph.start())
        weights = graph.node("Softmax", [graph.conv(inner, "scores", C, C, kernel=(3, 1))], "weights", axis=axis)
        return graph.from_image(graph.node("Mul", [inner, weights], "weighed"))

    return build


def padded_root():
    """Zeros beside what is in float before the first integer."""
    graph = Operators()
    root = graph.image(graph.node("Sqrt", ["input"], "root"))
    padded = graph.node("Pad", [root, graph.integers("pads", 0, 0, 1, 1, 0, 0, 1, 0)], "padded")
    return graph.from_image(graph.relu(graph.conv(padded, "in", 1, C, kernel=(3, 2), pads=[0] * 4, gain=4)))


def moved_before_it_is_rounded():
    """A tensor that is transposed first, and that an operator further on rounds."""
    graph = Operators()
    inner = graph.node("Elu", [graph.start()], "elu")
    rows = graph.reshaped(graph.transposed(inner, "turned", 0, 2, 1, 3), "rows", 0, C * BINS, -1)
    deep = graph.relu(graph.conv(rows, "deep", C * BINS, C * BINS, gain=3))
    back = graph.transposed(graph.reshaped(deep, "image again", 0, BINS, C, -1), "back", 0, 2, 1, 3)
    both = graph.node("Concat", [back, inner], "both", axis=1)
    return graph.from_image(both, 2 * C)


OPERATORS = {
    "padding behind a root": padded_root,
    "moved before it is rounded": moved_before_it_is_rounded,
    "PReLU by channel": prelu,
    "batch norm": batch_norm,
    "mean over bins": mean(2),
    "mean over channels": mean(1, keepdims=0),
    "mean over both": mean(1, 2),
    "mean of the last axis": mean_of_the_last_axis,
    "average pooling": pooled("AveragePool", kernel_shape=[2, 1]),
    "max pooling": pooled("MaxPool", kernel_shape=[3, 1], pads=[1, 0, 1, 0]),
    "product by channel": gate("Mul"),
    "difference by channel": gate("Sub"),
    "sum by bin": gate("Add", of_bins=True),
    "transposed convolution": upsampled(kernel=(3, 3), strides=[2, 1], pads=[1, 1, 1, 1], output_padding=[1, 0]),
    "transposed in groups": upsampled(strides=[2, 1], pads=[1, 0, 1, 0], group=2),
    "transposed with norm": upsampled_with_norm,
    "transposed over frames": transposed_over_frames,
    "resize": resized,
    "resize, linear": interpolated(mode="linear", coordinate_transformation_mode="half_pixel"),
    "resize, corners": interpolated(mode="linear", coordinate_transformation_mode="align_corners"),
    "quotient": quotient,
    "largest bin": largest(2),
    "largest channel": largest(1, keepdims=0),
    "layer norm": layer_norm,
    "instance norm": instance_norm,
    "depth to space": depth_to_space,
    "norm of bins": written_out_norm(2),
    "norm of channels": written_out_norm(1, affine=(C, 1, 1)),
    "norm of a frame": written_out_norm(1, 2, affine=(C, 1, 1)),
    "norm of bins, affine": written_out_norm(2, affine=(C, 1, 1), reciprocal=True),
    "softmax over channels": softmax(1),
    "softmax over bins": softmax(2),
}
"""The builders by what they show."""


def plan_of(model, *, wide=True, bits=8, given=None):
    """What the int8 model for a Cortex-M is written from, and the settings.

    `wide` has the input in 16 bits, and `bits` is 16 for all activations that kernels have in 16. It is calibrated on
    what is `given`.
    """
    settings = quantization()
    prepared, op_types = ready(model, settings)
    prepared = with_integer_forms(expand(prepared))
    op_types = sorted({*op_types, *ACTIVATIONS_ALONE, "Scan"})
    in_float = nodes_before_layers(prepared, ACTIVATIONS_ALONE)
    options = calibration_options(settings)
    ranges = calibrate(
        prepared, [[clip] for clip in given or clips()], op_types, options, in_float=in_float, call_frames=1
    )
    plan = Plan.initial(prepared, ranges, op_types, in_float, ACTIVATIONS_ALONE)
    plan = with_int16_input(plan) if wide else plan
    return (plan if bits == 8 else plan.with_int16_activations(plan.ranges.keys() - int8_only(prepared))), settings


def static_int8(model, frames, *, wide=True, bits=8):
    """The int8 model of so many frames."""
    return with_static_shape(write_qdq(*plan_of(model, wide=wide, bits=bits)), frames)


def cached_convolutions():
    """One frame a call, and what convolutions need of earlier ones: (1, 1, 1, bins) and (1, C, 4, bins).

    The first is over two frames; the second is dilated, depthwise, and added to what it reads.
    """
    graph = Operators()
    image = graph.reshaped("input", "image", 1, 1, 1, BINS)
    seen = graph.node("Concat", ["near", image], "near and now", axis=2)
    graph.sliced(seen, "near_out", 1, 2, 2)
    inner = graph.relu(graph.conv(seen, "first", 1, C, kernel=(2, 3), pads=[0, 1, 0, 1], gain=6))
    seen = graph.node("Concat", ["far", inner], "far and now", axis=2)
    graph.sliced(seen, "far_out", 1, 5, 2)
    how = {"kernel": (3, 3), "pads": [0, 1, 0, 1], "dilations": [2, 1], "group": C}
    inner = graph.node("Add", [inner, graph.conv(seen, "second", C, C, **how)], "sum")
    last = graph.reshaped(graph.conv(inner, "out", C, 1, kernel=(1, 1)), "rows", 1, BINS, 1)
    graph.node("Sigmoid", [last], "mask")
    shapes = {"near": (1, 1, 1, BINS), "far": (1, C, 4, BINS)}
    return with_states(
        graph.model(
            (("input", (1, BINS, 1)), *shapes.items()),
            (("mask", (1, BINS, 1)), *((f"{name}_out", shape) for name, shape in shapes.items())),
        ),
        {name: f"{name}_out" for name in shapes},
    )
