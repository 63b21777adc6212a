"""Small mask models as users of other toolchains bring them, recurrent and two-dimensional ones among them."""

import numpy as np
import onnx
from onnx import TensorProto, helper

import mask_graphs
from mask_graphs import BINS, LATENT

CHANNELS = 4
AXES = ("batch", BINS, "seq_len")


class Graph(mask_graphs.Graph):
    """`mask_graphs.Graph` for every opset, with nodes of several outputs and models of several inputs."""

    def __init__(self, seed=0, opset=17):
        super().__init__(seed)
        self.opset = opset

    def random(self, name, *shape, fan_in=1, gain=1.0):
        return self.weight(name, (gain * self.rng.standard_normal(shape) / np.sqrt(fan_in)).astype(self.dtype))

    def integers(self, name, *values):
        return self.weight(name, np.array(values, np.int64))

    def number(self, name, value):
        return self.weight(name, np.array(value, self.dtype))

    def nodes_of(self, op_type, inputs, outputs, **attributes):
        name = f"node_{next(output for output in outputs if output)}"
        self.nodes.append(helper.make_node(op_type, inputs, outputs, name=name, **attributes))
        return outputs

    def dense(self, source, name, inward, outward, *, gain=1.0):
        """A MatMul over the last axis and an Add, as exporters write a linear layer."""
        weight = self.random(f"{name}.weight", inward, outward, fan_in=inward, gain=gain)
        product = self.node("MatMul", [source, weight], f"{name}.product")
        return self.node("Add", [product, self.random(f"{name}.bias", outward, fan_in=16)], name)

    def conv(self, source, name, inward, outward, *, kernel=(1,), gain=1.0, op_type="Conv", **attributes):
        """A convolution that keeps the number of frames; `kernel` is of one or two axes, the last one the frames."""
        group, dilation = attributes.get("group", 1), attributes.get("dilations", [1] * len(kernel))
        shape = (inward, outward) if op_type == "ConvTranspose" else (outward, inward // group)
        pads = [step * (length // 2) for step, length in zip(dilation, kernel, strict=True)]
        weight = self.random(f"{name}.weight", *shape, *kernel, fan_in=inward // group * np.prod(kernel), gain=gain)
        inputs = [source, weight, self.random(f"{name}.bias", outward, fan_in=16)]
        return self.node(op_type, inputs, name, kernel_shape=kernel, pads=pads * 2, **attributes)

    def over_axes(self, op_type, source, output, *axes, **attributes):
        """A Squeeze, Unsqueeze or ReduceMean, whose axes were an attribute in older opsets."""
        if self.opset < (18 if op_type == "ReduceMean" else 13):
            return self.node(op_type, [source], output, axes=axes, **attributes)
        return self.node(op_type, [source, self.integers(f"{output}.axes", *axes)], output, **attributes)

    def split(self, source, *outputs, axis):
        """Equal parts along an axis."""
        attributes = {"num_outputs": len(outputs)} if self.opset >= 18 else {}
        return self.nodes_of("Split", [source], outputs, axis=axis, **attributes)

    def model(
        self,
        inputs=(("input", AXES),),
        outputs=(("mask", AXES),),
        *,
        domain=None,
        weights_as_inputs=False,
        ir_version=None,
    ):
        """The ONNX model, checked; each input and output a name with axes."""
        values = [
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, axes) for name, axes in ends]
            for ends in (inputs, outputs)
        ]
        if weights_as_inputs:
            values[0] += [helper.make_tensor_value_info(w.name, w.data_type, w.dims) for w in self.weights]
        graph = helper.make_graph(self.nodes, "foreign_model", *values, self.weights)
        imports = [helper.make_opsetid("", self.opset)] + ([helper.make_opsetid(domain, 1)] if domain else [])
        oldest = helper.find_min_ir_version_for(imports[:1])
        model = helper.make_model(graph, opset_imports=imports, ir_version=ir_version or oldest)
        onnx.checker.check_model(model)
        return model


# -- recurrent ----------------------------------------------------------------------------------------


def lstm_mask(*, hidden=16, seed=0, opset=17):
    """LSTM between Transposes, a linear layer as head."""
    graph = Graph(seed, opset)
    states = _recurrent(graph, "LSTM", gates=4, hidden=hidden)
    return _head(graph, states, hidden)


def gru_with_layer_norm(*, hidden=16, seed=0, opset=16):
    """GRU, layer normalization and a linear layer.

    From opset 17 on the normalization is one operator; before, what torch makes of it.
    """
    graph = Graph(seed, opset)
    states = _recurrent(graph, "GRU", gates=3, hidden=hidden, linear_before_reset=1)
    scale = graph.weight("norm.weight", graph.rng.uniform(0.5, 1.5, hidden).astype(np.float32))
    bias = graph.random("norm.bias", hidden, fan_in=16)
    if opset >= 17:
        graph.node("LayerNormalization", [states, scale, bias], "normed", axis=-1, epsilon=1e-5)
        return _head(graph, "normed", hidden)
    mean = graph.over_axes("ReduceMean", states, "norm.mean", -1)
    centred = graph.node("Sub", [states, mean], "norm.centred")
    square = graph.node("Pow", [centred, graph.number("norm.two", 2)], "norm.square")
    variance = graph.over_axes("ReduceMean", square, "norm.variance", -1)
    positive = graph.node("Add", [variance, graph.number("norm.eps", 1e-5)], "norm.positive")
    deviation = graph.node("Sqrt", [positive], "norm.deviation")
    ratio = graph.node("Div", [centred, deviation], "norm.ratio")
    graph.node("Add", [graph.node("Mul", [ratio, scale], "norm.scaled"), bias], "normed")
    return _head(graph, "normed", hidden)


def _recurrent(graph, op_type, *, gates, hidden, **attributes):
    """Frames first, the recurrent operator, and its states (frames, batch, hidden)."""
    graph.node("Transpose", ["input"], "frames_first", perm=[2, 0, 1])
    weights = [
        graph.random("rnn.w", 1, gates * hidden, BINS, fan_in=BINS, gain=3),
        graph.random("rnn.r", 1, gates * hidden, hidden, fan_in=hidden),
        graph.random("rnn.b", 1, 2 * gates * hidden, fan_in=64),
    ]
    graph.node(op_type, ["frames_first", *weights], "states", hidden_size=hidden, **attributes)
    return graph.over_axes("Squeeze", "states", "state", 1)


def _head(graph, states, hidden):
    graph.node("Sigmoid", [graph.dense(states, "head", hidden, BINS, gain=4)], "sigmoid")
    graph.node("Transpose", ["sigmoid"], "mask", perm=[1, 2, 0])
    return graph.model()


def decomposed_lstm_with_states(*, hidden=16, slices=False, seed=0, opset=17):
    """One frame a call: an LSTM of elementary operators, with its states (h, c) among the inputs and outputs.

    `slices` cuts the gates out by Slices instead of one Split.
    """
    graph = Graph(seed, opset)
    frame = graph.over_axes("Squeeze", "input", "frame", 2)
    weights = [
        graph.random("w", 4 * hidden, BINS, fan_in=BINS, gain=3),
        graph.random("b", 4 * hidden, fan_in=16),
    ]
    from_frame = graph.node("Gemm", [frame, *weights], "from_frame", transB=1)
    recurrent = graph.random("r", hidden, 4 * hidden, fan_in=hidden)
    from_state = graph.node("MatMul", ["h_in", recurrent], "from_state")
    gates = graph.node("Add", [from_frame, from_state], "gates")
    names = ("i", "f", "g", "o")
    if slices:
        axis = graph.integers("gate_axis", 1)
        for index, name in enumerate(names):
            ends = [graph.integers(f"{name}.{end}", hidden * (index + end)) for end in (0, 1)]
            graph.node("Slice", [gates, *ends, axis], name)
    else:
        graph.split(gates, *names, axis=1)
    enter, keep, leave = (graph.node("Sigmoid", [name], f"{name}.open") for name in ("i", "f", "o"))
    fresh = graph.node("Mul", [enter, graph.node("Tanh", ["g"], "g.tanh")], "fresh")
    cell = graph.node("Add", [graph.node("Mul", [keep, "c_in"], "kept"), fresh], "c_out")
    state = graph.node("Mul", [leave, graph.node("Tanh", [cell], "c.tanh")], "h_out")
    head = [state, graph.random("head.w", hidden, BINS, fan_in=hidden, gain=3), graph.random("head.b", BINS, fan_in=16)]
    graph.node("Sigmoid", [graph.node("Gemm", head, "head")], "frame_mask")
    graph.over_axes("Unsqueeze", "frame_mask", "mask", 2)
    states = ("batch", hidden)
    one_frame = ("batch", BINS, 1)
    return graph.model(
        (("input", one_frame), ("h_in", states), ("c_in", states)),
        (("mask", one_frame), ("h_out", states), ("c_out", states)),
    )


# -- convolutions -------------------------------------------------------------------------------------


def conv_transpose_encoder_decoder(*, seed=0, opset=17):
    """Down and up the frequency axis on images (batch, channels, bins, frames), with a skip connection."""
    graph = Graph(seed, opset)
    down_up = {"kernel": (3, 3), "strides": [2, 1]}
    image = graph.over_axes("Unsqueeze", "input", "image", 1)
    first = graph.node("Relu", [graph.conv(image, "down1", 1, CHANNELS, gain=8, **down_up)], "relu1")
    second = graph.node("Relu", [graph.conv(first, "down2", CHANNELS, 2 * CHANNELS, gain=2, **down_up)], "relu2")
    up = graph.conv(second, "up2", 2 * CHANNELS, CHANNELS, op_type="ConvTranspose", **down_up)
    both = graph.node("Concat", [graph.node("Relu", [up], "relu3"), first], "both", axis=1)
    up = graph.conv(both, "up1", 2 * CHANNELS, CHANNELS, op_type="ConvTranspose", **down_up)
    last = graph.conv(graph.node("Relu", [up], "relu4"), "last", CHANNELS, 1, kernel=(3, 3), gain=4)
    graph.over_axes("Squeeze", graph.node("Sigmoid", [last], "mask_image"), "mask", 1)
    return graph.model()


def grouped_dilated(*, seed=0, opset=17):
    """Convolutions in two groups, dilated and depthwise, with PReLUs between."""
    graph = Graph(seed, opset)

    def prelu(source):
        slope = graph.weight(f"{source}.slope", graph.rng.uniform(0.05, 0.4, (LATENT, 1)).astype(np.float32))
        return graph.node("PRelu", [source, slope], f"{source}.prelu")

    last = prelu(graph.conv("input", "in", BINS, LATENT, gain=4))
    last = prelu(graph.conv(last, "grouped", LATENT, LATENT, kernel=(3,), dilations=[2], group=2))
    last = prelu(graph.conv(last, "depthwise", LATENT, LATENT, kernel=(3,), dilations=[4], group=LATENT))
    graph.node("Sigmoid", [graph.conv(last, "out", LATENT, BINS, gain=2)], "mask")
    return graph.model()


def log_power_prologue(*, kind="power", seed=0, opset=17):
    """Magnitudes compressed inside the model, to the power of 0.3 or by a logarithm ("log"), then convolutions."""
    graph = Graph(seed, opset)
    if kind == "power":
        compressed = graph.node("Pow", ["input", graph.number("exponent", 0.3)], "compressed")
    else:
        compressed = graph.node("Log", [graph.node("Add", ["input", graph.number("eps", 1e-5)], "positive")], "log")
    gain = 2 if kind == "power" else 0.5
    last = graph.node("Relu", [graph.conv(compressed, "in", BINS, LATENT, kernel=(3,), gain=gain)], "relu")
    last = graph.node("Relu", [graph.conv(last, "mid", LATENT, LATENT, kernel=(3,))], "relu2")
    graph.node("Sigmoid", [graph.conv(last, "out", LATENT, BINS, gain=2)], "mask")
    return graph.model()


def gated(*, blocks=2, seed=0, opset=17):
    """Gated units, each half of a convolution's channels opening the other half, in residual blocks."""
    graph = Graph(seed, opset)
    last = "input"
    for name in (f"b{block}" for block in range(blocks)):
        both = graph.conv(last, f"{name}.in", BINS, 2 * LATENT, kernel=(3,), gain=3)
        value, gate = graph.split(both, f"{name}.value", f"{name}.gate", axis=1)
        opening = graph.node("Sigmoid", [gate], f"{name}.opening")
        product = graph.node("Mul", [opening, graph.node("Tanh", [value], f"{name}.tanh")], f"{name}.product")
        last = graph.node("Add", [last, graph.conv(product, f"{name}.out", LATENT, BINS, gain=2)], f"{name}.sum")
    graph.node("Sigmoid", [last], "mask")
    return graph.model()


def attention_gate(*, seed=0, opset=17):
    """Squeeze and excite: channels of an image weighed, frame by frame, by their means over frequency."""
    graph = Graph(seed, opset)
    image = graph.over_axes("Unsqueeze", "input", "image", 1)
    inner = graph.node("Relu", [graph.conv(image, "in", 1, CHANNELS, kernel=(3, 3), gain=8)], "relu")
    mean = graph.over_axes("ReduceMean", inner, "mean", 2, keepdims=1)
    small = graph.node("Relu", [graph.conv(mean, "squeeze", CHANNELS, CHANNELS, kernel=(1, 1), gain=4)], "squeezed")
    gate = graph.node("Sigmoid", [graph.conv(small, "excite", CHANNELS, CHANNELS, kernel=(1, 1), gain=4)], "gate")
    weighed = graph.node("Mul", [inner, gate], "weighed")
    last = graph.conv(weighed, "out", CHANNELS, 1, kernel=(3, 3), gain=8)
    graph.over_axes("Squeeze", graph.node("Sigmoid", [last], "mask_image"), "mask", 1)
    return graph.model()


def conv_net_of_opset(opset, *, weights_as_inputs=False, seed=0):
    """Pad, convolutions, batch normalization, Clip and the mean over the channels, which each opset spells its way."""
    graph = Graph(seed, opset)
    padded = graph.node("Pad", ["input", graph.integers("pads", 0, 0, 2, 0, 0, 0)], "padded")
    weight = graph.random("in.weight", LATENT, BINS, 3, fan_in=3 * BINS, gain=4)
    last = graph.node("Conv", [padded, weight], "in", kernel_shape=[3])
    last = graph.batch_norm(last, "norm", LATENT)
    last = graph.node("Clip", [last, graph.number("zero", 0), graph.number("six", 6)], "relu6")
    mean = graph.over_axes("ReduceMean", last, "mean", 1, keepdims=1)
    last = graph.conv(graph.node("Sub", [last, mean], "centred"), "out", LATENT, BINS, gain=3)
    graph.node("Sigmoid", [last], "mask")
    return graph.model(weights_as_inputs=weights_as_inputs)


def opset_11(*, seed=0):
    """The same as exporters wrote it in 2019: opset 11, the weights listed among the inputs."""
    return conv_net_of_opset(11, weights_as_inputs=True, seed=seed)


def two_nodes(*, seed=0, opset=17):
    """The smallest mask model: a convolution and its sigmoid."""
    graph = Graph(seed, opset)
    graph.node("Sigmoid", [graph.conv("input", "conv", BINS, BINS, kernel=(3,), gain=4)], "mask")
    return graph.model()


# -- broken on purpose --------------------------------------------------------------------------------


def custom_operator(*, seed=0, opset=17):
    """An operator of a domain that onnxruntime does not know."""
    graph = Graph(seed, opset)
    graph.node("Whiten", [graph.conv("input", "conv", BINS, BINS)], "white", domain="com.example.speech")
    graph.node("Sigmoid", ["white"], "mask")
    return graph.model(domain="com.example.speech")


def nan_weights(*, seed=0, opset=17):
    """One weight that a diverged training left behind; it makes the masks NaN."""
    graph = Graph(seed, opset)
    last = graph.node("Relu", [graph.conv("input", "conv", BINS, LATENT)], "relu")
    graph.node("Sigmoid", [graph.conv(last, "conv2", LATENT, BINS)], "mask")
    model = graph.model()
    weight = next(weight for weight in model.graph.initializer if weight.name == "conv2.weight")
    values = onnx.numpy_helper.to_array(weight).copy()
    values[3, 5] = np.nan
    weight.CopyFrom(onnx.numpy_helper.from_array(values, weight.name))
    return model


PLAIN = {
    "lstm_mask": lstm_mask,
    "gru_with_layer_norm": gru_with_layer_norm,
    "gru_with_layer_norm_op": lambda **how: gru_with_layer_norm(**{"opset": 17, **how}),
    "conv_transpose_encoder_decoder": conv_transpose_encoder_decoder,
    "grouped_dilated": grouped_dilated,
    "power_prologue": log_power_prologue,
    "log_prologue": lambda **how: log_power_prologue(kind="log", **how),
    "gated": gated,
    "attention_gate": attention_gate,
    "opset_11": opset_11,
    "two_nodes": two_nodes,
}
"""The builders of models that fit the contract, with dynamic batch and frames axes, by name."""
