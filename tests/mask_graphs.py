"""Small mask models of the kinds that exporters write, as ONNX graphs, and magnitudes to feed them."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

BINS, LATENT = 33, 24
IR_OF_OPSET = {9: 4, 11: 6, 13: 7, 17: 8, 21: 10, 23: 11}


class Graph:
    """Nodes and weights collected one by one, from the tensor "input" to the tensor "mask"."""

    def __init__(self, seed=0, dtype=np.float32):
        self.rng, self.dtype = np.random.default_rng(seed), dtype
        self.nodes, self.weights = [], []

    def weight(self, name, values):
        self.weights.append(numpy_helper.from_array(np.asarray(values), name))
        return name

    def random(self, name, *shape, fan_in=1):
        return self.weight(name, (self.rng.standard_normal(shape) / np.sqrt(fan_in)).astype(self.dtype))

    def node(self, op_type, inputs, output, **attributes):
        self.nodes.append(helper.make_node(op_type, inputs, [output], name=f"node_{output}", **attributes))
        return output

    def conv(self, source, name, inward, outward, *, bias=True):
        inputs = [source, self.random(f"{name}.weight", outward, inward, 1, fan_in=inward)]
        if bias:
            inputs.append(self.random(f"{name}.bias", outward, fan_in=16))
        return self.node("Conv", inputs, name, kernel_shape=[1])

    def depthwise(self, source, name, channels, dilation):
        weight = self.random(f"{name}.weight", channels, 1, 3, fan_in=3)
        settings = {"kernel_shape": [3], "dilations": [dilation], "pads": [dilation, dilation], "group": channels}
        return self.node("Conv", [source, weight], name, **settings)

    def batch_norm(self, source, name, channels):
        positive = {"scale", "var"}
        inputs = [source]
        for part in ("scale", "bias", "mean", "var"):
            values = self.rng.uniform(0.5, 1.5, channels) if part in positive else self.rng.normal(0, 0.1, channels)
            inputs.append(self.weight(f"{name}.{part}", values.astype(self.dtype)))
        return self.node("BatchNormalization", inputs, name)

    def model(
        self,
        *,
        opset=17,
        axes=("batch", BINS, "seq_len"),
        mask_axes=None,
        declare_mask=True,
        elem_type=TensorProto.FLOAT,
        weights_as_inputs=False,
    ):
        """The ONNX model, checked; None stands for an axis without name or length."""
        inputs = [helper.make_tensor_value_info("input", elem_type, axes)]
        if weights_as_inputs:
            inputs += [helper.make_tensor_value_info(w.name, w.data_type, w.dims) for w in self.weights]
        outputs = [helper.make_tensor_value_info("mask", elem_type, (mask_axes or axes) if declare_mask else None)]
        graph = helper.make_graph(self.nodes, "mask_model", inputs, outputs, self.weights)
        imports = [helper.make_opsetid("", opset)]
        model = helper.make_model(graph, opset_imports=imports, ir_version=IR_OF_OPSET[opset])
        if declare_mask:  # some exporters leave the shape out, which the checker does not like
            onnx.checker.check_model(model)
        return model


def tcnn(*, blocks=2, batch_norm=False, relu6=False, seed=0, dtype=np.float32, scale=1.0, **how):
    """Residual blocks of 1x1, dilated depthwise and 1x1 convolutions, then a sigmoid."""
    graph = Graph(seed, dtype)

    def activated(name):
        last = graph.batch_norm(name, f"{name}.norm", LATENT) if batch_norm else name
        if not relu6:
            return graph.node("Relu", [last], f"{name}.relu")
        if how.get("opset", 17) < 11:
            return graph.node("Clip", [last], f"{name}.relu6", min=0.0, max=6.0)
        ends = [graph.weight(f"{name}.{end}", np.array(value, dtype)) for end, value in (("zero", 0), ("six", 6))]
        return graph.node("Clip", [last, *ends], f"{name}.relu6")

    last = "input"
    for block in range(blocks):
        inner = activated(graph.conv(last, f"b{block}.in", BINS, LATENT))
        inner = activated(graph.depthwise(inner, f"b{block}.dw", LATENT, 2**block))
        inner = graph.conv(inner, f"b{block}.out", LATENT, BINS, bias=False)
        last = graph.node("Add", [last, inner], f"b{block}.sum")
    if scale != 1:
        last = graph.node("Mul", [last, graph.weight("scale", np.array(scale, dtype))], "scaled")
    graph.node("Sigmoid", [last], "mask")
    return graph.model(**how)


def _lstm_state(graph, hidden):
    """An LSTM over the frames of the input: "state", (frames, batch, hidden)."""
    graph.node("Transpose", ["input"], "frames_first", perm=[2, 0, 1])
    weights = [
        graph.random("lstm.w", 1, 4 * hidden, BINS, fan_in=BINS),
        graph.random("lstm.r", 1, 4 * hidden, hidden, fan_in=hidden),
        graph.random("lstm.b", 1, 8 * hidden, fan_in=64),
    ]
    graph.node("LSTM", ["frames_first", *weights], "states", hidden_size=hidden)
    graph.node("Squeeze", ["states", graph.weight("one", np.array([1], np.int64))], "state")


def lstm(*, hidden=16, seed=0, **how):
    """Transpose, LSTM, MatMul, Sigmoid."""
    graph = Graph(seed)
    _lstm_state(graph, hidden)
    graph.node("MatMul", ["state", graph.random("head.w", hidden, BINS, fan_in=hidden)], "projected")
    graph.node("Add", ["projected", graph.random("head.b", BINS, fan_in=16)], "shifted")
    graph.node("Sigmoid", ["shifted"], "sigmoid")
    graph.node("Transpose", ["sigmoid"], "mask", perm=[1, 2, 0])
    return graph.model(**how)


def length_noted_inside(*, frames=40, hidden=16, seed=0, **how):
    """A Transpose, an LSTM, a MatMul and an Add, with the length of the exporter's example noted behind the LSTM."""
    graph = Graph(seed)
    _lstm_state(graph, hidden)
    graph.node("Transpose", ["state"], "batch_first", perm=[1, 0, 2])
    graph.node("MatMul", ["batch_first", graph.random("head.w", hidden, BINS, fan_in=hidden)], "projected")
    graph.node("Add", ["projected", graph.random("head.b", BINS, fan_in=16)], "shifted")
    graph.node("Sigmoid", ["shifted"], "sigmoid")
    graph.node("Transpose", ["sigmoid"], "mask", perm=[0, 2, 1])
    model = graph.model(**{"axes": (1, BINS, "frames"), **how})
    model.graph.value_info.append(helper.make_tensor_value_info("batch_first", TensorProto.FLOAT, [1, frames, hidden]))
    return model


def shapes_of_one_clip(*, seed=0, **how):
    """Frames become a batch and frames again, by shapes that the graph computes; of one clip they are constants."""
    graph = Graph(seed)
    graph.node("Shape", ["input"], "shape")
    for axis, name in ((0, "b"), (2, "t")):
        graph.node("Gather", ["shape", graph.weight(f"index_{name}", np.array([axis], np.int64))], name)
    graph.node("Mul", ["b", "t"], "clips_and_frames")
    graph.weight("one", np.array([1], np.int64))
    graph.weight("bins", np.array([BINS], np.int64))
    graph.node("Transpose", ["input"], "bins_last", perm=[0, 2, 1])
    graph.node("Concat", ["clips_and_frames", "one", "bins"], "frame_shape", axis=0)
    graph.node("Concat", ["b", "t", "bins"], "clip_shape", axis=0)
    graph.node("Reshape", ["bins_last", "frame_shape"], "frames_as_batch")
    weight = graph.random("conv.w", 1, 1, 3, fan_in=3)
    graph.node("Conv", ["frames_as_batch", weight], "convolved", kernel_shape=[3], pads=[1, 1])
    graph.node("Reshape", ["convolved", "clip_shape"], "clip")
    graph.node("Sigmoid", ["clip"], "sigmoid")
    graph.node("Transpose", ["sigmoid"], "mask", perm=[0, 2, 1])
    return graph.model(**{"axes": (1, BINS, "seq_len"), **how})


def viewed(*, seed=0, **how):
    """A 2-D convolution between reshapes whose shapes the graph computes, as torch's `view(b, 1, f, t)` is exported."""
    graph = Graph(seed)
    graph.node("Shape", ["input"], "shape")
    for axis, name in ((0, "b"), (2, "t")):
        graph.node("Gather", ["shape", graph.weight(f"index_{name}", np.array(axis, np.int64))], f"length_{name}")
        graph.node("Unsqueeze", [f"length_{name}", graph.weight(f"axis_{name}", np.array([0], np.int64))], name)
    graph.weight("one", np.array([1], np.int64))
    graph.weight("bins", np.array([BINS], np.int64))
    graph.node("Concat", ["b", "one", "bins", "t"], "image_shape", axis=0)
    graph.node("Concat", ["b", "bins", "t"], "mask_shape", axis=0)
    _image_convolutions(graph)
    return graph.model(**how)


def batch_hard_coded(*, seed=0, **how):
    """The same with a Reshape to a batch of 1."""
    graph = Graph(seed)
    graph.weight("image_shape", np.array([1, 1, BINS, -1], np.int64))
    graph.weight("mask_shape", np.array([1, BINS, -1], np.int64))
    _image_convolutions(graph)
    return graph.model(**how)


def frames_hard_coded(*, frames=40, seed=0, **how):
    """The same with a Reshape to a fixed number of frames."""
    graph = Graph(seed)
    graph.weight("image_shape", np.array([-1, 1, BINS, frames], np.int64))
    graph.weight("mask_shape", np.array([-1, BINS, frames], np.int64))
    _image_convolutions(graph)
    return graph.model(**{"axes": ("batch", BINS, frames), **how})


def _image_convolutions(graph):
    graph.node("Reshape", ["input", "image_shape"], "image")
    conv = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}
    graph.node("Conv", ["image", graph.random("c1.w", 4, 1, 3, 3, fan_in=9)], "c1", **conv)
    graph.node("Relu", ["c1"], "r1")
    graph.node("Conv", ["r1", graph.random("c2.w", 1, 4, 3, 3, fan_in=36)], "c2", **conv)
    graph.node("Sigmoid", ["c2"], "mask_image")
    graph.node("Reshape", ["mask_image", "mask_shape"], "mask")


def read_twice(*, seed=0, **how):
    """A convolution whose output goes into a Relu and, as it is, into an Add."""
    graph = Graph(seed)
    graph.conv("input", "conv", BINS, BINS)
    graph.node("Relu", ["conv"], "relu")
    graph.node("Add", ["conv", "relu"], "sum")
    graph.node("Sigmoid", ["sum"], "mask")
    return graph.model(**how)


def clip_then_relu(*, seed=0, **how):
    """Two activations in a row: the range of one comes from the other."""
    graph = Graph(seed)
    graph.conv("input", "conv", BINS, LATENT)
    ends = [graph.weight("low", np.float32(-1)), graph.weight("high", np.float32(2))]
    graph.node("Clip", ["conv", *ends], "clip")
    graph.node("Relu", ["clip"], "relu")
    graph.conv("relu", "conv2", LATENT, BINS)
    graph.node("Sigmoid", ["conv2"], "mask")
    return graph.model(**how)


def float16_inside(*, seed=0, **how):
    """float32 at the ends and float16 between two casts."""
    graph = Graph(seed, np.float16)
    graph.node("Cast", ["input"], "half", to=TensorProto.FLOAT16)
    graph.node("Relu", [graph.conv("half", "conv", BINS, LATENT)], "relu")
    graph.conv("relu", "conv2", LATENT, BINS)
    graph.node("Sigmoid", ["conv2"], "half_mask")
    graph.node("Cast", ["half_mask"], "mask", to=TensorProto.FLOAT)
    return graph.model(**how)


def becoming_nan(**how):
    """The logarithm of a convolution: NaN wherever that is negative, and a mask that hides it."""
    graph = Graph(1)
    graph.conv("input", "conv", BINS, BINS)
    graph.node("Log", ["conv"], "log")
    graph.node("Conv", ["log", graph.random("w2", BINS, BINS, 1, fan_in=BINS)], "conv2", kernel_shape=[1])
    graph.node("IsNaN", ["conv2"], "is_nan")
    graph.node("Where", ["is_nan", graph.weight("zero", np.float32(0)), "conv2"], "no_nan")
    graph.node("Sigmoid", ["no_nan"], "mask")
    return graph.model(**how)


def logarithm(*, floor, seed=0, **how):
    """The logarithm of magnitudes, of a number added to them or not, and a convolution."""
    graph = Graph(seed)
    last = "input"
    if floor:
        last = graph.node("Add", ["input", graph.weight("floor", np.float32(floor))], "above zero")
    graph.conv(graph.node("Log", [last], "log"), "conv", BINS, BINS)
    graph.node("Sigmoid", ["conv"], "mask")
    return graph.model(**how)


def without_weights(**how):
    """A mask of elementary functions that have no int8 form."""
    graph = Graph()
    graph.node("Neg", ["input"], "negative")
    graph.node("Exp", ["negative"], "mask")
    return graph.model(**how)


def magnitudes(*lengths, seed=0, bins=BINS, loudest=5.0):
    """Clips of speech-like magnitudes: list of (1, bins, frames) float32, non-negative, most of them small."""
    rng = np.random.default_rng(seed)
    clips = []
    for length in lengths:
        envelope = rng.gamma(0.7, 1.0, (1, 1, length)) * np.exp(-np.arange(bins) / bins * 4)[:, np.newaxis]
        clip = (envelope * rng.gamma(0.8, 1.0, (1, bins, length))).astype(np.float32)
        clips.append(clip * np.float32(loudest * rng.uniform(0.3, 1) / clip.max()))
    return clips
