"""Small mask models with tensors some frames late or early, and with zeros of a Pad in front of other operators."""

from int8_graphs import BINS
from operator_graphs import C, Operators


class Shifts(Operators):
    """`operator_graphs.Operators` with Pads and Slices, along any axis."""

    def padded(self, source, name, axis, before=0, after=0, dimensions=4):
        pads = [0] * 2 * dimensions
        pads[axis], pads[dimensions + axis] = before, after
        return self.node("Pad", [source, self.integers(f"{name}.pads", *pads)], name)

    def late(self, source, name, frames):
        """Frames of zeros before, and as many taken off at the end."""
        return self.padded(self.sliced(source, f"{name}.first", 0, -frames, 3), name, 3, frames)


def a_frame_late():
    """The present frame beside the one before it and the one before that, and a sum of both."""
    graph = Shifts()
    inner = graph.relu(graph.start())
    far = graph.late(inner, "far", 2)
    near = graph.sliced(graph.padded(inner, "wide", 3, 1), "near", 0, -1, 3)  # the other order
    both = graph.node("Concat", [inner, near, far], "both", axis=1)
    mixed = graph.relu(graph.conv(both, "mixed", 3 * C, C, kernel=(1, 1)))
    return graph.from_image(graph.node("Add", [mixed, far], "summed"))


def a_frame_early():
    """The next frame."""
    graph = Shifts()
    inner = graph.start()
    early = graph.padded(graph.sliced(inner, "next.first", 1, 1 << 60, 3), "next", 3, 0, 1)
    return graph.from_image(graph.node("Add", [inner, early], "summed"))


def magnitudes_a_frame_late():
    """Magnitudes of the frame before, next to those of this one, before there are integers."""
    graph = Shifts()
    image = graph.image(graph.node("Sqrt", ["input"], "root"))
    both = graph.node("Concat", [image, graph.late(image, "late", 1)], "both", axis=1)
    return graph.from_image(graph.relu(graph.conv(both, "in", 2, C, kernel=(3, 1), gain=4)))


def zeros_within(*functions):
    """Two zeros beside the bins, and what an operator makes of them."""

    def build():
        graph = Shifts()
        made = graph.padded(graph.start(), "padded", 2, 1, 1)
        if functions == ("LayerNormalization",):
            turned = graph.transposed(made, "turned", 0, 3, 2, 1)
            made = graph.node("LayerNormalization", [turned, graph.uniform("factor", 0.5, 1.5, C)], "norm", axis=-1)
            made = graph.transposed(made, "back", 0, 3, 2, 1)
        elif functions == ("MatMul",):
            made = graph.node("MatMul", [graph.random("matrix", BINS + 2, BINS + 2, fan_in=BINS), made], "product")
        elif functions == ("Add",):
            made = graph.node("Add", [made, made], "twice")
        else:
            for function in functions:
                made = graph.node(function, [made], function.lower())
        return graph.from_image(graph.conv(made, "narrow", C, C, kernel=(3, 1), pads=[0] * 4, gain=0.7))

    return build


def function_behind_padding_at_the_input():
    """A root of what is padded."""
    graph = Shifts()
    root = graph.node("Sqrt", [graph.padded(graph.image("input"), "padded", 2, 1, 1)], "root")
    return graph.from_image(graph.relu(graph.conv(root, "in", 1, C, kernel=(3, 1), pads=[0] * 4, gain=4)))


def mask_with_padding_behind_it():
    """Zeros for the last bin, behind the last function."""
    graph = Shifts()
    inner = graph.conv(graph.start(), "out", C, 1, kernel=(2, 1), pads=[0] * 4, gain=1)
    short = graph.node("Tanh", [graph.over_axes("Squeeze", inner, "flat", 1)], "function")
    graph.node("Pad", [short, graph.integers("pads", 0, 0, 0, 0, 1, 0)], "mask")
    axes = ("batch", BINS, "frames")
    return graph.model((("input", axes),), (("mask", axes),))


def power_by_bin(low=0.2, high=0.6):
    """Magnitudes to a power for each bin."""
    graph = Shifts()
    graph.node("Pow", ["input", graph.uniform("exponents", low, high, BINS, 1)], "power")
    return graph.from_image(graph.relu(graph.conv(graph.image("power"), "in", 1, C, kernel=(3, 3), gain=4)))


SHIFTS = {
    "frames late": a_frame_late,
    "a frame early": a_frame_early,
    "magnitudes a frame late": magnitudes_a_frame_late,
    "zeros, then a sigmoid": zeros_within("Sigmoid"),
    "zeros, then two functions": zeros_within("LeakyRelu", "Sigmoid"),
    "zeros, then a norm": zeros_within("LayerNormalization"),
    "zeros, then a product": zeros_within("MatMul"),
    "zeros, then a sum": zeros_within("Add"),
    "root of padded magnitudes": function_behind_padding_at_the_input,
    "padding behind the mask": mask_with_padding_behind_it,
    "power by bin": power_by_bin,
    "negative power by bin": lambda: power_by_bin(-0.05, -0.02),
}
"""The builders by what they show."""
