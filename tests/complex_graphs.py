"""A small network of complex spectra, of one frame a call, with the operators that GTCRN has, and its int8 form."""

import numpy as np
from onnx import helper

from operator_graphs import Operators, plan_of
from sezoo.models.spectra import COMPLEX_MASK, random_input, with_kind
from sezoo.models.states import with_states
from sezoo.quantization.graph.qdq import write_qdq

BINS, C, H = 17, 4, 3


class Complex(Operators):
    """Images are (1, channels, 1, bins): what a frame has."""

    def gru(self, source, inputs, name, *, initial="", directions=1):
        """Outputs and last states."""
        sizes = ((3 * H, inputs), (3 * H, H), (6 * H,))
        weights = [self.random(f"{name}.{number}", directions, *size, fan_in=H) for number, size in enumerate(sizes)]
        made = [name, f"{name}.last"]
        how = {"direction": "bidirectional"} if directions == 2 else {}
        given = [source, *weights, *(["", initial] if initial else [])]
        self.nodes.append(helper.make_node("GRU", given, made, name=name, hidden_size=H, linear_before_reset=1, **how))
        return made

    def with_cache(self, source, number, cache):
        """A depthwise convolution over this frame and two before, which are one of two parts of a state."""
        part = self.node("Gather", [cache, self.weight(f"place{number}", np.array(number))], f"part{number}", axis=0)
        seen = self.node("Concat", [part, source], f"seen{number}", axis=2)
        kept = self.reshaped(self.sliced(seen, f"kept{number}", 1, 3, 2), f"of_{number}", 1, 1, C, 2, BINS)
        after = "cache_out" if number else "cache after the first"
        self.node("ScatterND", [cache, self.weight(f"at{number}", np.array([[number]])), kept], after)
        return self.conv(seen, f"far{number}", C, C, kernel=(3, 3), pads=[0, 1, 0, 1], group=C), after

    def unfolded(self, source):
        """Each bin with its two neighbours."""
        padded = self.node("Pad", [source, self.integers("edges", 0, 0, 0, 1, 0, 0, 0, 1)], "padded")
        places = np.arange(3)[:, np.newaxis] + np.arange(BINS)
        each = self.node("Gather", [padded, self.weight("neighbours", places)], "each", axis=3)
        turned = self.transposed(each, "taps second", 0, 1, 3, 2, 4)
        return self.conv(self.reshaped(turned, "unfolded", 1, 3 * C, 1, BINS), "near", 3 * C, C, kernel=(1, 1))

    def over_bins(self, source):
        """A bidirectional GRU from bin to bin."""
        rows = self.reshaped(self.transposed(source, "bins first", 3, 0, 2, 1), "steps", BINS, 1, C)
        made, _ = self.gru(rows, C, "both_ways", directions=2)
        flat = self.reshaped(self.transposed(made, "ways last", 0, 2, 1, 3), "flat", BINS, 2 * H)
        product = self.node("MatMul", [flat, self.random("mixed.w", 2 * H, C, fan_in=1)], "mixed")
        return self.transposed(self.reshaped(product, "rows again", 1, 1, BINS, C), "of all bins", 0, 3, 1, 2)

    def over_frames(self, source):
        """A GRU over frames, which each bin has for itself: its states are (1, bins, H)."""
        rows = self.reshaped(self.transposed(source, "channels last", 0, 2, 3, 1), "bins as a batch", 1, BINS, C)
        made, last = self.gru(rows, C, "of_time", initial="hidden")
        self.node("Identity", [last], "hidden_out")
        flat = self.reshaped(made, "of time, flat", BINS, H)
        product = self.node("MatMul", [flat, self.random("timed.w", H, C, fan_in=1)], "timed")
        return self.transposed(self.reshaped(product, "timed rows", 1, 1, BINS, C), "of time again", 0, 3, 1, 2)

    def loudness(self, source):
        """A gate for each channel by the mean of its squares."""
        square = self.node("Pow", [source, self.number("squared", 2)], "squares")
        mean = self.over_axes("ReduceMean", square, "power", 3, keepdims=1)
        opened = self.node("Sigmoid", [self.conv(mean, "gate", C, C, kernel=(1, 1))], "opened")
        return self.node("Mul", [source, opened], "gated")


def network(layout, kind):
    """The float model: it gives a mask, or by the kind the spectrum that it makes of one."""
    graph = Complex(opset=17)
    order = [0, 3, 2, 1] if layout.parts == 3 else [0, 1, 3, 2]
    image = graph.transposed("input", "image", *order)
    last = graph.node(
        "PRelu", [graph.conv(image, "in", 2, C, kernel=(1, 3), gain=3), graph.number("slope", 0.2)], "in.on"
    )
    last = graph.unfolded(last)
    last, cache = graph.with_cache(last, 0, "cache")
    last = graph.node("Add", [last, graph.over_bins(last)], "sum of bins")
    last, _ = graph.with_cache(last, 1, cache)
    last = graph.loudness(graph.node("Add", [last, graph.over_frames(last)], "sum of time"))
    last = graph.node("Tanh", [graph.conv(last, "out", C, 2, kernel=(1, 3), gain=1)], "parts")
    if kind == COMPLEX_MASK:
        output = graph.node("Transpose", [last], "mask", perm=np.argsort(order).tolist())
    else:
        parts = [
            [graph.sliced(of, f"{name}{part}", part, part + 1, 1) for part in range(2)]
            for of, name in ((image, "x"), (last, "m"))
        ]
        (xr, xi), (mr, mi) = parts
        products = {
            name: graph.node("Mul", pair, name)
            for name, pair in {"rr": [xr, mr], "ii": [xi, mi], "ri": [xr, mi], "ir": [xi, mr]}.items()
        }
        both = [graph.node("Sub", [products["rr"], products["ii"]], "real")]
        both.append(graph.node("Add", [products["ri"], products["ir"]], "imaginary"))
        joined = graph.node("Concat", both, "joined", axis=1)
        output = graph.node("Transpose", [joined], "enhanced", perm=np.argsort(order).tolist())
    shapes = {"cache": (2, 1, C, 2, BINS), "hidden": (1, BINS, H)}
    axes = layout.axes(1, BINS, 1)
    model = graph.model(
        (("input", axes), *shapes.items()),
        ((output, axes), *((f"{name}_out", shape) for name, shape in shapes.items())),
    )
    return with_kind(with_states(model, {name: f"{name}_out" for name in shapes}), kind)


def spectra(layout, frames=60, seed=0):
    """(1, bins, frames) complex64"""
    return 3 * random_input(seed, (1, BINS, frames), layout)


def int8_of(model, layout):
    """The int8 model of a float one, with activations of 16 bits."""
    return write_qdq(*plan_of(model, given=[spectra(layout, seed=seed) for seed in range(2)], bits=16))
