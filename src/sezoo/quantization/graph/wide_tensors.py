"""Activations that need more than 8 bits wherever a model has them, and those for which kernels have 8 bits only."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

import onnx

from sezoo.models.movements import RESHAPING
from sezoo.models.onnx_graph import producers
from sezoo.models.states import input_layout, states_of
from sezoo.quantization.graph.linear_layers import behind_layers

__all__ = ["MOVERS", "inputs_of_norms", "int8_only", "with_sources_of_moves"]

NORMS = ("LayerNormalization", "InstanceNormalization")

MOVERS = RESHAPING | {"Slice"}
"""What comes out of them has the integers of what goes in."""


SCALED = {*MOVERS, "Mul", "Div"}
"""What stands between the products of attention and their softmax."""


def inputs_of_norms(model: onnx.ModelProto) -> frozenset[str]:
    """Names of the tensors that normalizations and softmaxes behind layers read, and of those they were moved from.

    A normalization makes quiet frames as loud as others, and with them the steps that they were rounded in; a softmax
    makes factors of steps.
    """
    behind, made_by = behind_layers(model.graph), producers(model.graph)
    inputs = [node.input[0] for node in model.graph.node if node.op_type in NORMS]
    inputs += [part for name in inputs for part in _mirrored_pair(made_by.get(name), made_by)]
    scores = [node.input[0] for node in model.graph.node if node.op_type == "Softmax"]
    wide = with_sources_of_moves(model, inputs) | with_sources_of_moves(model, scores, SCALED)
    return frozenset(name for name in wide if name in behind)


def _mirrored_pair(node: onnx.NodeProto | None, made_by: Mapping[str, onnx.NodeProto]) -> list[str]:
    """A tensor and its negative, where a node puts those together for a normalization; else nothing."""
    if node is None or node.op_type != "Concat" or len(node.input) != 2:
        return []
    negative = made_by.get(node.input[1])
    is_mirrored = negative is not None and negative.op_type == "Mul" and negative.input[0] == node.input[0]
    return list(node.input) if is_mirrored else []


def int8_only(model: onnx.ModelProto) -> frozenset[str]:
    """Names of the tensors that are kept in 8 bits: masks of magnitudes.

    A mask is looked up in a table. Logits may have 16 bits, their sigmoid has 8. Complex masks, and spectra above all,
    need 16.
    """
    states = {name for pair in states_of(model).items() for name in pair}
    masks = [value.name for value in model.graph.output if value.name not in states]
    masks = [] if input_layout(model).is_complex else masks
    return frozenset(with_sources_of_moves(model, masks))


def with_sources_of_moves(model: onnx.ModelProto, names: Iterable[str], through: Collection[str] = MOVERS) -> set[str]:
    """Return the tensors and those that share their integers, the inputs of operators that only move values."""
    made_by, found, waiting = producers(model.graph), set(), list(names)
    while waiting:
        name = waiting.pop()
        found.add(name)
        if name in made_by and made_by[name].op_type in through:
            waiting.append(made_by[name].input[0])
    return found
