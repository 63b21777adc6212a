"""Small mask models with products of two tensors: attention within a frame, as exporters write it."""

import onnx

from int8_graphs import BINS, HIDDEN
from operator_graphs import C, Operators

HEADS, DEPTH = 2, 4
WIDTH = HEADS * DEPTH


class Attention(Operators):
    """Frames are a batch inside, each with C tokens of BINS numbers or BINS of C."""

    def tokens(self, *shape):
        """(frames, tokens, channels)."""
        turned = self.transposed(self.start(), "frames first", 0, 3, 2, 1)
        return self.reshaped(turned, "tokens", -1, *shape)

    def linear(self, source, name, inward, outward):
        weight = self.random(f"{name}.weight", inward, outward, fan_in=inward)
        made = self.node("MatMul", [source, weight], f"{name}.product")
        return self.node("Add", [made, self.random(f"{name}.bias", outward, fan_in=8)], name)

    def heads(self, source, name, *perm):
        """(frames, tokens, WIDTH) to heads, in an order of (frames, tokens, heads, channels of one)."""
        whole = self.reshaped(self.linear(source, name, C, WIDTH), f"{name}.cut", -1, BINS, HEADS, DEPTH)
        return self.transposed(whole, f"{name}.heads", *perm)

    def from_tokens(self, source, channels):
        """The mask of (frames, BINS, channels)."""
        image = self.transposed(self.reshaped(source, "frames again", 1, -1, BINS, channels), "image again", 0, 3, 2, 1)
        last = self.conv(image, "out", channels, 1, kernel=(1, 1), gain=3)
        self.node("Sigmoid", [self.over_axes("Squeeze", last, "flat", 1)], "mask")
        axes = (1, BINS, "frames")
        return self.model((("input", axes),), (("mask", axes),))


def several_heads():
    """Over bins, as PyTorch's layer writes it."""
    graph = Attention(opset=13)
    tokens = graph.tokens(BINS, C)
    query, value = (graph.heads(tokens, name, 0, 2, 1, 3) for name in ("query", "value"))
    scores = graph.node("MatMul", [query, graph.heads(tokens, "key", 0, 2, 3, 1)], "scores")
    scaled = graph.node("Mul", [scores, graph.number("scale", 0.5)], "scaled")
    shares = graph.node("Softmax", [scaled], "shares", axis=-1)
    mixed = graph.transposed(graph.node("MatMul", [shares, value], "mixed"), "tokens first", 0, 2, 1, 3)
    return graph.from_tokens(graph.reshaped(mixed, "joined", -1, BINS, WIDTH), WIDTH)


def heads_beside_frames():
    """Heads and frames in one axis, as PyTorch's layer writes it where it returns its weights."""
    graph = Attention(opset=13)
    tokens, parts = graph.transposed(graph.tokens(BINS, C), "tokens in front", 1, 0, 2), []
    for name, order in (("query", (1, 0, 2)), ("key", (1, 2, 0)), ("value", (1, 0, 2))):
        cut = graph.reshaped(graph.linear(tokens, name, C, WIDTH), f"{name}.cut", BINS, -1, DEPTH)
        parts.append(graph.transposed(cut, f"{name}.heads", *order))
    query, key, value = parts
    scores = graph.node("MatMul", [query, key], "scores")
    shares = graph.node(
        "Softmax", [graph.node("Mul", [scores, graph.number("scale", 0.5)], "scaled")], "shares", axis=2
    )
    mixed = graph.transposed(graph.node("MatMul", [shares, value], "mixed"), "heads behind", 1, 0, 2)
    made = graph.linear(graph.reshaped(mixed, "rows", -1, WIDTH), "out of heads", WIDTH, WIDTH)
    return graph.from_tokens(
        graph.transposed(graph.reshaped(made, "tokens again", BINS, -1, WIDTH), "back", 1, 0, 2), WIDTH
    )


def einsum():
    """The same in Einstein's notation, and the layers as well."""
    graph = Attention(opset=13)
    tokens, parts = graph.tokens(BINS, C), []
    for name in ("query", "key", "value"):
        weight = graph.random(f"{name}.weight", HEADS * DEPTH, C, fan_in=C)
        made = graph.node("Einsum", [tokens, weight], name, equation="ntc,dc->ntd")
        parts.append(graph.reshaped(made, f"{name}.heads", -1, BINS, HEADS, DEPTH))
    scores = graph.node("Einsum", parts[:2], "scores", equation="nqhd,nkhd->nhqk")
    shares = graph.node("Softmax", [scores], "shares", axis=-1)
    mixed = graph.node("Einsum", [shares, parts[2]], "mixed", equation="nhqk,nkhd->nqhd")
    return graph.from_tokens(graph.reshaped(mixed, "joined", -1, BINS, WIDTH), WIDTH)


def one_operator(**how):
    """The operator of opset 23."""
    graph = Attention(opset=23)
    tokens = graph.tokens(BINS, C)
    heads = [graph.heads(tokens, name, 0, 2, 1, 3) for name in ("query", "key", "value")]
    mixed = graph.transposed(graph.node("Attention", heads, "mixed", scale=0.5, **how), "tokens first", 0, 2, 1, 3)
    return graph.from_tokens(graph.reshaped(mixed, "joined", -1, BINS, WIDTH), WIDTH)


def heads_joined():
    """The operator on (frames, tokens, heads * channels), with one head of keys and values for two of queries."""
    graph = Attention(6, opset=23)
    tokens = graph.tokens(BINS, C)
    parts = [
        graph.linear(tokens, name, C, width) for name, width in (("query", WIDTH), ("key", DEPTH), ("value", DEPTH))
    ]
    heads = {"q_num_heads": HEADS, "kv_num_heads": 1, "scale": 1.0}
    return graph.from_tokens(graph.node("Attention", parts, "mixed", **heads), WIDTH)


def several_of_several():
    """Four heads of queries, which share two of keys and values."""
    graph = Attention(opset=23)
    tokens = graph.tokens(BINS, C)
    parts = []
    for name, heads in (("query", 4), ("key", 2), ("value", 2)):
        cut = graph.reshaped(graph.linear(tokens, name, C, heads * 2), f"{name}.cut", -1, BINS, heads, 2)
        parts.append(graph.transposed(cut, f"{name}.heads", 0, 2, 1, 3))
    mixed = graph.transposed(graph.node("Attention", parts, "mixed"), "tokens first", 0, 2, 1, 3)
    return graph.from_tokens(graph.reshaped(mixed, "joined", -1, BINS, 8), 8)


def over_channels():
    """One head with bins as what is summed, and no layer in between; one matrix for all products of a frame."""
    graph = Attention(opset=13)
    frames = graph.transposed(graph.start(), "frames", 0, 3, 1, 2)  # (1, frames, C, BINS)
    scores = graph.node("MatMul", [frames, graph.transposed(frames, "turned", 0, 1, 3, 2)], "scores")
    shares = graph.node("Softmax", [graph.node("Mul", [scores, graph.number("scale", 0.1)], "scaled")], "shares")
    mixed = graph.node("MatMul", [shares, frames], "mixed")
    return graph.from_image(graph.transposed(mixed, "image again", 0, 2, 3, 1))


def linear_attention():
    """Keys with values first: no softmax, and sums that a frame has one of."""
    graph = Attention(opset=13)
    tokens = graph.tokens(BINS, C)
    query, value = (graph.heads(tokens, name, 0, 2, 1, 3) for name in ("query", "value"))
    key = graph.heads(tokens, "key", 0, 2, 3, 1)
    query, key = (graph.node("Sigmoid", [each], f"{each}.open") for each in (query, key))
    whole = graph.node("MatMul", [key, value], "whole memory")
    memory = graph.node("Mul", [whole, graph.number("scale", 0.05)], "memory")
    mixed = graph.transposed(graph.node("MatMul", [query, memory], "mixed"), "tokens first", 0, 2, 1, 3)
    return graph.from_tokens(graph.reshaped(mixed, "joined", -1, BINS, WIDTH), WIDTH)


def over_time():
    """Each frame with all others, which no stream can do."""
    graph = Attention(opset=13)
    inner = graph.conv("input", "in", BINS, HIDDEN, kernel=(3,))
    scores = graph.node("MatMul", [graph.transposed(inner, "turned", 0, 2, 1), inner], "scores")
    shares = graph.node("Softmax", [scores], "shares", axis=1)
    return graph.finished(graph.conv(graph.node("MatMul", [inner, shares], "mixed"), "out", HIDDEN, BINS))


ATTENTION = {
    "attention over bins": several_heads,
    "attention, heads beside frames": heads_beside_frames,
    "attention, einsum": einsum,
    "attention over channels": over_channels,
    "linear attention": linear_attention,
}
"""The builders by what they show."""

if onnx.defs.onnx_opset_version() >= 23:
    ATTENTION["attention, one operator"] = one_operator
    ATTENTION["attention, heads joined"] = heads_joined
    ATTENTION["attention, shared keys"] = several_of_several
