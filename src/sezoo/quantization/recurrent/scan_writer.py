"""An LSTM or a GRU node as nodes: convolutions over all frames, and a Scan whose body is one frame."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper, numpy_helper

from sezoo.models.onnx_graph import attribute
from sezoo.quantization.graph.rewriting import Rewriter
from sezoo.quantization.recurrent.cells import GATES, HIDDEN, Body, Kind, as_rows, step

__all__ = ["ScanWriter"]

FLOAT = onnx.TensorProto.FLOAT


class ScanWriter:
    """Adds what a layer is written out as to a graph."""

    def __init__(self, graph: Rewriter):
        self.graph, self.weights, self.constant, self.new_name = graph, graph.weights, graph.constant, graph.tensor

    def node(self, op_type: str, inputs: list[str], output: str, **attributes) -> str:
        """Add a node; the name of its output."""
        return self.graph.put(op_type, inputs, output, self.new_name(f"{output}/node"), **attributes)

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
            role: self.node("Squeeze", [name, directions], self.new_name(f"{node.name}/{role}/first"))
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
                self.node("Conv", [source, weight, bias], self.new_name(f"{node.name}/input_{name}"), kernel_shape=[1])
            )
        return made

    def _channels_first(self, node: onnx.NodeProto) -> str:
        """The layer's input as (batch, inputs, steps); a Transpose before it is undone rather than done twice."""
        source, order = node.input[0], [1, 2, 0]
        before = self.graph.made_by.get(source)
        if before is not None and before.op_type == "Transpose":
            source, order = before.input[0], [attribute(before, "perm", [2, 1, 0])[axis] for axis in order]
        if order == [0, 1, 2]:
            return source
        return self.node("Transpose", [source], self.new_name(f"{node.name}/input"), perm=order)

    def _zeros(self, node: onnx.NodeProto, source: str, hidden: int) -> str:
        """(batch, hidden) of zeros for an input (batch, inputs, steps)."""
        shape = self.node("Shape", [source], self.new_name(f"{node.name}/shape"))
        place = self.constant(f"{node.name}/batch_axis", np.array([0], np.int64))
        batch = self.node("Gather", [shape, place], self.new_name(f"{node.name}/batch"), axis=0)
        size = self.constant(f"{node.name}/hidden_size", np.array([hidden], np.int64))
        both = self.node("Concat", [batch, size], self.new_name(f"{node.name}/state_shape"), axis=0)
        return self.node("ConstantOfShape", [both], self.new_name(f"{node.name}/zeros"))

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
        last = {role: self.new_name(f"{node.name}/{role}/last") for role in kind.states}
        sequence = self.new_name(f"{node.name}/hidden")
        inner = [self.new_name(f"{node.name}/{role}") for role in kind.inner]
        body = float_body(kind, node.name, ends, hidden)
        self.graph.keep(
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
