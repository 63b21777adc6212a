"""Recurrent layers of a float model written out: convolutions over all frames, and a Scan whose body is one frame."""

from __future__ import annotations

import logging
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import helper, numpy_helper

from sezoo.models.onnx_graph import (
    UnusedNames,
    attribute,
    copied,
    described,
    float_weights,
    keep_needed,
    producers,
    set_weights,
)
from sezoo.quantization.graph.preparation import with_known_shapes
from sezoo.quantization.recurrent.cells import GATES, HIDDEN, RESET, Body, Kind, as_rows, step
from sezoo.quantization.recurrent.directions import with_forward_layers

__all__ = [
    "LAYERS",
    "Recurrence",
    "expanded",
    "float_nodes",
    "hidden_states",
    "int16_tensors",
    "not_expandable",
    "recurrences",
]

log = logging.getLogger(__name__)

LAYERS = ("LSTM", "GRU")

FLOAT = onnx.TensorProto.FLOAT


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
    """The Scans of a graph that `expanded` has written, as long as they are in float."""
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
    """Names of the hidden states, those that a reset gate has gone over among them."""
    layers = recurrences(model)
    return frozenset(name for each in layers for name in (each.hidden, each.inner.get(RESET)) if name)


def float_nodes(model: onnx.ModelProto) -> frozenset[str]:
    """Names of the nodes that onnxruntime's quantizer has to leave alone: other Scans, and what only moves states."""
    layers = recurrences(model)
    ours = {each.node.name for each in layers}
    others = {node.name for node in model.graph.node if node.op_type == "Scan"} - ours
    return _movers_of_states(model) | others if layers else frozenset()


def not_expandable(node: onnx.NodeProto, weights: Collection[str]) -> str | None:
    """Why a recurrent layer has no integer form, in words; None where it has one.

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


def expanded(model: onnx.ModelProto, kinds: Collection[str] = LAYERS, kept: Collection[str] = ()) -> onnx.ModelProto:
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
            if (why := not_expandable(node, weights)) is None:
                chosen.add(node.name)
            else:
                log.warning("%s stays in float: %s", described(node), why)
    if not chosen:
        return model
    changed = copied(model)
    del changed.graph.node[:]
    writer = _Writer(changed.graph, weights)
    for node in model.graph.node:
        if node.name in chosen:
            writer.write(node)
        else:
            changed.graph.node.append(node)
    keep_needed(changed.graph)
    return with_known_shapes(changed)


MOVING = {"Slice", "Squeeze", "Unsqueeze", "Concat", "Transpose", "Reshape", "Gather", "Split", "Identity", "Cast"}


def _movers_of_states(model: onnx.ModelProto) -> frozenset[str]:
    """Nodes between the states of Scans and a graph's ends: rounding there is the body's business."""
    made_by, ends = producers(model.graph), {value.name for value in model.graph.input}
    found: set[str] = set()
    for each in recurrences(model):
        waiting = list(each.states.values())
        while waiting:
            node = made_by.get(waiting.pop())
            if node is not None and node.op_type in MOVING and node.name not in found:
                found.add(node.name)
                waiting += [name for name in node.input if name in made_by or name in ends]
    behind = {name for each in recurrences(model) for name in each.last.values()}
    for node in model.graph.node:
        if node.op_type in MOVING and behind & set(node.input):
            found.add(node.name)
            behind.update(node.output)
    return frozenset(found)


class _Writer:
    """Adds what a layer is written out as to a graph."""

    def __init__(self, graph: onnx.GraphProto, weights: dict[str, np.ndarray]):
        self.graph, self.weights, self.names = graph, weights, UnusedNames(graph)
        self.made_by: dict[str, onnx.NodeProto] = {}

    def node(self, op_type: str, inputs: list[str], output: str, **attributes) -> str:
        self.graph.node.append(
            helper.make_node(op_type, inputs, [output], self.names.new(f"{output}/node"), **attributes)
        )
        return output

    def constant(self, name: str, values: np.ndarray) -> str:
        name = self.names.new(name)
        set_weights(self.graph, {name: values})
        return name

    def write(self, node: onnx.NodeProto) -> None:
        """All of a layer."""
        given = [*node.input, *[""] * 8]
        gates, hidden = GATES[node.op_type], attribute(node, "hidden_size", 0)
        inward, recurrent = (self.weights[name][0] for name in given[1:3])
        hidden = hidden or recurrent.shape[1]
        biases = self.weights[given[3]][0] if given[3] else np.zeros(2 * gates * hidden, np.float32)
        of_input, of_state = biases.reshape(2, -1)
        kind = Kind(node.op_type, bool(attribute(node, "linear_before_reset", 0)) and node.op_type == "GRU")
        gate_bias, candidate_bias = as_rows(of_input + of_state, gates)
        if kind.reset_after:
            candidate_bias, inner_bias = as_rows(of_input, gates)[1], as_rows(of_state, gates)[1]
        source = self._channels_first(node)
        products = self._products(node, source, inward, gates, gate_bias, candidate_bias)
        gate_weights, candidate_weights = as_rows(recurrent, gates)
        ends = {
            "gate_weights": self.constant(f"{node.name}/state_gates/weight", gate_weights.T.copy()),
            "candidate_weights": self.constant(f"{node.name}/state_candidate/weight", candidate_weights.T.copy()),
        }
        if node.op_type == "GRU":
            ends["one"] = self.constant(f"{node.name}/one", np.array(1, np.float32))
        if kind.reset_after:
            ends["candidate_bias"] = self.constant(f"{node.name}/state_candidate/bias", inner_bias)
        directions = self.constant(f"{node.name}/direction", np.array([0], np.int64))
        first = {
            role: self.node("Squeeze", [name, directions], self.names.new(f"{node.name}/{role}/first"))
            for role, name in zip(kind.states, given[5:7], strict=False)
            if name
        }
        if len(first) < len(kind.states):
            first = dict.fromkeys(kind.states, self._zeros(node, source, hidden)) | first
        self._scan(node, kind, first, products, ends, hidden)

    def _products(
        self,
        node: onnx.NodeProto,
        source: str,
        weights: np.ndarray,
        gates: int,
        gate_bias: np.ndarray,
        candidate_bias: np.ndarray,
    ) -> list[str]:
        """The products with the input, (batch, rows, steps), of the opening gates and of the candidate."""
        made = []
        for name, rows, bias in zip(
            ("gates", "candidate"), as_rows(weights, gates), (gate_bias, candidate_bias), strict=True
        ):
            weight = self.constant(f"{node.name}/input_{name}/weight", rows[:, :, np.newaxis].copy())
            bias = self.constant(f"{node.name}/input_{name}/bias", bias)
            made.append(
                self.node("Conv", [source, weight, bias], self.names.new(f"{node.name}/input_{name}"), kernel_shape=[1])
            )
        return made

    def _channels_first(self, node: onnx.NodeProto) -> str:
        """The layer's input as (batch, inputs, steps); a Transpose before it is undone rather than done twice."""
        source, order = node.input[0], [1, 2, 0]
        before = next((each for each in self.graph.node if source in each.output), None)
        if before is not None and before.op_type == "Transpose":
            source, order = before.input[0], [attribute(before, "perm", [2, 1, 0])[axis] for axis in order]
        if order == [0, 1, 2]:
            return source
        return self.node("Transpose", [source], self.names.new(f"{node.name}/input"), perm=order)

    def _zeros(self, node: onnx.NodeProto, source: str, hidden: int) -> str:
        """(batch, hidden) of zeros for an input (batch, inputs, steps)."""
        shape = self.node("Shape", [source], self.names.new(f"{node.name}/shape"))
        place = self.constant(f"{node.name}/batch_axis", np.array([0], np.int64))
        batch = self.node("Gather", [shape, place], self.names.new(f"{node.name}/batch"), axis=0)
        size = self.constant(f"{node.name}/hidden_size", np.array([hidden], np.int64))
        both = self.node("Concat", [batch, size], self.names.new(f"{node.name}/state_shape"), axis=0)
        return self.node("ConstantOfShape", [both], self.names.new(f"{node.name}/zeros"))

    def _scan(
        self,
        node: onnx.NodeProto,
        kind: Kind,
        first: dict[str, str],
        products: list[str],
        ends: dict[str, str],
        hidden: int,
    ) -> None:
        outputs = [*node.output, *[""] * 3]
        last = {role: self.names.new(f"{node.name}/{role}/last") for role in kind.states}
        sequence = self.names.new(f"{node.name}/hidden")
        inner = [self.names.new(f"{node.name}/{role}") for role in kind.inner]
        body = float_body(kind, node.name, ends, hidden)
        self.graph.node.append(
            helper.make_node(
                "Scan",
                [*first.values(), *products],
                [*last.values(), sequence, *inner],
                name=node.name,
                body=body,
                num_scan_inputs=2,
                scan_input_axes=[2, 2],
                scan_output_axes=[0] * (1 + len(inner)),
            )
        )
        directions = self.constant(f"{node.name}/direction", np.array([1], np.int64))
        if outputs[0]:
            self.node("Unsqueeze", [sequence, directions], outputs[0])
        of_states = self.constant(f"{node.name}/direction", np.array([0], np.int64))
        for name, role in zip(outputs[1:], kind.states, strict=False):
            if name:
                self.node("Unsqueeze", [last[role], of_states], name)


def float_body(kind: Kind, prefix: str, ends: dict[str, str], hidden: int) -> onnx.GraphProto:
    """One frame in float, which gives what is inside as further outputs."""
    body = Body(f"{prefix}/frame")
    return graph_of(body, kind, ends, hidden, with_inner=True)


def graph_of(body: Body, kind: Kind, ends: dict[str, str], hidden: int, *, with_inner: bool) -> onnx.GraphProto:
    """The body of a Scan.

    Parameters
    ----------
    ends : names of tensors outside, see `cells.step`; states and products are added here.
    """
    states = {role: f"{body.prefix}/{role}/before" for role in kind.states}
    products = {"gates": f"{body.prefix}/input_gates", "candidate": f"{body.prefix}/input_candidate"}
    # Not outside, where the inference of shapes would not see what it is.
    sizes = numpy_helper.from_array(np.full(GATES[kind.op_type] - 1, hidden, np.int64), f"{body.prefix}/sizes")
    new = step(body, kind, {**ends, **states, **products, "sizes": sizes.name})

    def shown(name: str, made: str) -> str:
        return body.node("Identity", [name], made)

    outputs = [*(new[role] for role in kind.states), shown(new[HIDDEN], "hidden/shown")]
    if with_inner:
        outputs += [shown(body.made[role], f"{role}/shown") for role in kind.inner]
    rows = {"gates": (GATES[kind.op_type] - 1) * hidden, "candidate": hidden}
    inputs = [helper.make_tensor_value_info(name, FLOAT, [None, hidden]) for name in states.values()]
    inputs += [helper.make_tensor_value_info(products[name], FLOAT, [None, rows[name]]) for name in products]
    values = [helper.make_tensor_value_info(name, FLOAT, None) for name in outputs]
    return helper.make_graph(body.nodes, kind.name, inputs, values, [sizes])
