"""Recurrent layers of a float model written out: convolutions over all frames, and a Scan whose body is one frame."""

from __future__ import annotations

import logging
from collections.abc import Collection
from dataclasses import dataclass

import onnx

from sezoo.models.movements import RESHAPING, SELECTING
from sezoo.models.onnx_graph import attribute, float_weights, node_label, producers
from sezoo.quantization.graph.rewriting import Rewriter, rewrite
from sezoo.quantization.recurrent.cells import RESET, Kind
from sezoo.quantization.recurrent.directions import with_forward_layers
from sezoo.quantization.recurrent.scan_writer import ScanWriter

__all__ = [
    "LAYERS",
    "Recurrence",
    "expand",
    "expansion_problem",
    "float_nodes",
    "hidden_states",
    "int16_tensors",
    "recurrences",
]

log = logging.getLogger(__name__)


LAYERS = ("LSTM", "GRU")


@dataclass(frozen=True)
class Recurrence:
    """A Scan that an LSTM or a GRU was written out as.

    Attributes
    ----------
    states : names of the states it begins with, by their roles; `last`, of those that it ends with.
    gates, candidate : products with the layer's input.
    hidden : name of the sequence of hidden states.
    inner : by their roles, names of the sequences that are there for calibration alone.
    """

    node: onnx.NodeProto
    kind: Kind
    states: dict[str, str]
    last: dict[str, str]
    gates: str
    candidate: str
    hidden: str
    inner: dict[str, str]

    @property
    def body(self) -> onnx.GraphProto:
        """One frame."""
        return attribute(self.node, "body", None)


def recurrences(model: onnx.ModelProto) -> list[Recurrence]:
    """The Scans of a graph that `expand` has written, as long as they are in float."""
    found = []
    for node in model.graph.node:
        kind = Kind.of(attribute(node, "body", None).name) if node.op_type == "Scan" else None
        if kind is None or len(node.output) < len(kind.states) + 1 + len(kind.inner):
            continue
        count = len(kind.states)
        found.append(
            Recurrence(
                node,
                kind,
                states=dict(zip(kind.states, node.input, strict=False)),
                last=dict(zip(kind.states, node.output, strict=False)),
                gates=node.input[count],
                candidate=node.input[count + 1],
                hidden=node.output[count],
                inner=dict(zip(kind.inner, node.output[count + 1 :], strict=True)),
            )
        )
    return found


def int16_tensors(model: onnx.ModelProto) -> frozenset[str]:
    """Names of the tensors that have 16 bits from the start: products, and cells."""
    found = set()
    for each in recurrences(model):
        found |= {each.gates, each.candidate, *(name for role, name in each.inner.items() if role != RESET)}
    return frozenset(found)


def hidden_states(model: onnx.ModelProto) -> frozenset[str]:
    """Return the names of the hidden states, including those after a reset gate."""
    layers = recurrences(model)
    return frozenset(name for each in layers for name in (each.hidden, each.inner.get(RESET)) if name)


def float_nodes(model: onnx.ModelProto) -> frozenset[str]:
    """Names of the nodes that onnxruntime's quantizer must leave in float: other Scans, and moves of states."""
    layers = recurrences(model)
    ours = {each.node.name for each in layers}
    others = {node.name for node in model.graph.node if node.op_type == "Scan"} - ours
    return _movers_of_states(model) | others if layers else frozenset()


def expansion_problem(node: onnx.NodeProto, weights: Collection[str]) -> str | None:
    """Return why a recurrent layer has no integer form, or None if it has one.

    Parameters
    ----------
    weights : names of the float constants.
    """
    if node.op_type not in LAYERS:
        return f"{node.op_type} has none"
    given = [*node.input, *[""] * 8]
    if (direction := attribute(node, "direction", b"forward")) != b"forward":
        return f"its direction is {direction.decode()}; forward is needed"
    if given[7]:
        return "it has peepholes (its input P); it is needed without them"
    if given[4]:
        return "it has sequence_lens"
    if any(name not in weights for name in given[1:4] if name):
        return "its weights are no constants"
    usual = [b"Sigmoid", b"Tanh", b"Tanh"][: 3 if node.op_type == "LSTM" else 2]
    activations = [name.decode().lower() for name in attribute(node, "activations", usual)]
    if activations != [name.decode().lower() for name in usual]:
        return f"its activations are {', '.join(activations)}; sigmoid and tanh are needed"
    for name, plain in (
        ("clip", 0.0),
        ("input_forget", 0),
        ("layout", 0),
        ("activation_alpha", None),
        ("activation_beta", None),
    ):
        if attribute(node, name, plain) != plain:
            return f"it has the attribute {name}"
    return None


def expand(model: onnx.ModelProto, kinds: Collection[str] = LAYERS, kept: Collection[str] = ()) -> onnx.ModelProto:
    """The model with its recurrent layers written out, computing the same.

    Layers without an integer form are left, which the log says.

    Parameters
    ----------
    model : float, with known shapes and node names.
    kinds : operators to write out.
    kept : names of nodes to leave as they are.
    """
    layers = {node.name for node in model.graph.node if node.op_type in kinds and node.name not in kept}
    model = with_forward_layers(model, layers)
    weights = float_weights(model.graph)
    chosen = set()
    for node in model.graph.node:
        if node.op_type in kinds and node.name not in kept:
            if (why := expansion_problem(node, weights)) is None:
                chosen.add(node.name)
            else:
                log.warning("%s stays in float: %s", node_label(node), why)

    def form(graph: Rewriter, node: onnx.NodeProto) -> bool:
        if node.name not in chosen:
            return False
        ScanWriter(graph).write(node)
        return True

    return rewrite(model, [form])


CARRIERS = RESHAPING | SELECTING | {"Cast", "Concat"}
"""Operators that hand states on without computing."""


def _movers_of_states(model: onnx.ModelProto) -> frozenset[str]:
    """Nodes between the states of Scans and a graph's ends: rounding there is the body's business."""
    made_by, ends = producers(model.graph), {value.name for value in model.graph.input}
    found: set[str] = set()
    for each in recurrences(model):
        waiting = list(each.states.values())
        while waiting:
            node = made_by.get(waiting.pop())
            if node is not None and node.op_type in CARRIERS and node.name not in found:
                found.add(node.name)
                waiting += [name for name in node.input if name in made_by or name in ends]
    behind = {name for each in recurrences(model) for name in each.last.values()}
    for node in model.graph.node:
        if node.op_type in CARRIERS and behind & set(node.input):
            found.add(node.name)
            behind.update(node.output)
    return frozenset(found)
