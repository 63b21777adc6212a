"""One frame of an LSTM or a GRU as ONNX operators, in float or between quantizers.

The gates are in two groups, by the function that they end in: the opening gates (sigmoid: input, output and forget gate
of an LSTM, update and reset gate of a GRU) and the candidate (tanh).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import onnx
from onnx import helper

__all__ = [
    "CANDIDATE_BIAS",
    "CANDIDATE_WEIGHTS",
    "CELL",
    "GATES",
    "GATE_WEIGHTS",
    "HIDDEN",
    "RESET",
    "SIGMOID_IN",
    "TANH_IN",
    "UNIT",
    "Body",
    "Kind",
    "as_rows",
    "step",
]

GATES = {"LSTM": 4, "GRU": 3}
"""In ONNX's order: input, output, forget, cell; update, reset, candidate. The one that ends in a tanh is the last."""

HIDDEN, CELL, RESET = "hidden", "cell", "reset_state"
STATE_GATES, STATE_CANDIDATE = "gates_from_state", "candidate_from_state"
"""The tensors inside a body whose ranges are found by calibration."""

GATE_WEIGHTS, CANDIDATE_WEIGHTS, CANDIDATE_BIAS = "gate_weights", "candidate_weights", "candidate_bias"
"""The constants that a body reads from outside."""

SIGMOID_IN, TANH_IN, UNIT = "sigmoid_input", "tanh_input", "unit"
"""Those whose ranges are known."""


@dataclass(frozen=True)
class Kind:
    """Type of cell: `op_type` "LSTM" or "GRU", and whether a GRU applies its reset gate before or after the product."""

    op_type: str
    reset_after: bool = False

    @property
    def name(self) -> str:
        """Name of the body's graph, which identifies a Scan as one of these."""
        return f"sezoo/{self.op_type}{'/reset_after' if self.reset_after else ''}"

    @classmethod
    def of(cls, name: str) -> Kind | None:
        """The kind by its name; None for another graph's."""
        kinds = (cls("LSTM"), cls("GRU"), cls("GRU", True))
        return next((kind for kind in kinds if kind.name == name), None)

    @property
    def inner(self) -> tuple[str, ...]:
        """Tensors of a body, besides the hidden state, whose ranges must be calibrated."""
        if self.op_type == "LSTM":
            return (STATE_GATES, STATE_CANDIDATE, CELL)
        return (STATE_GATES, STATE_CANDIDATE) if self.reset_after else (STATE_GATES, STATE_CANDIDATE, RESET)

    @property
    def states(self) -> tuple[str, ...]:
        """States from frame to frame."""
        return (HIDDEN, CELL) if self.op_type == "LSTM" else (HIDDEN,)


def _as_it_is(name: str, _: str) -> str:
    return name


@dataclass
class Body:
    """The nodes of one frame.

    Attributes
    ----------
    prefix : of all names in it.
    rounded : given a tensor's name and its role, the name of what is to be used instead of it.
    made : the tensors by their roles, before rounding.
    """

    prefix: str
    rounded: Callable[[str, str], str] = _as_it_is
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    made: dict[str, str] = field(default_factory=dict)

    def node(self, op_type: str, inputs: list[str], name: str, outputs: list[str] | None = None, **attributes) -> str:
        """Add a node; the name of its first output."""
        made = [f"{self.prefix}/{each}" for each in outputs or [name]]
        self.nodes.append(helper.make_node(op_type, inputs, made, name=f"{self.prefix}/{name}/node", **attributes))
        return made[0]

    def keep(self, name: str, role: str) -> str:
        """Note a tensor by its role, and round it."""
        self.made[role] = name
        return self.rounded(name, role)

    def function(self, op_type: str, name: str, made: str) -> str:
        """A sigmoid or a tanh, its input and its output rounded."""
        name = self.rounded(name, SIGMOID_IN if op_type == "Sigmoid" else TANH_IN)
        return self.rounded(self.node(op_type, [name], made), UNIT)

    def split(self, name: str, sizes: str, parts: list[str]) -> list[str]:
        """Parts of the last axis."""
        self.node("Split", [name, sizes], f"{parts[0]}/split", parts, axis=-1)
        return [f"{self.prefix}/{part}" for part in parts]


def step(body: Body, kind: Kind, ends: Mapping[str, str]) -> dict[str, str]:
    """One frame: the names of the new states by their roles.

    Parameters
    ----------
    ends : names of what goes in: "gates" and "candidate", the products with the frame, (batch, N times hidden);
        the states, (batch, hidden); "gate_weights" and "candidate_weights", (hidden, N times hidden); where a GRU
        has one, "candidate_bias"; "one", the number 1; "sizes", of the opening gates (integers).
    """
    hidden = body.rounded(ends[HIDDEN], HIDDEN)
    from_state = body.keep(body.node("MatMul", [hidden, ends[GATE_WEIGHTS]], STATE_GATES), STATE_GATES)
    both = body.node("Add", [ends["gates"], from_state], "gates")
    opened = body.function("Sigmoid", both, "gates/open")
    if kind.op_type == "LSTM":
        return _lstm(body, ends, hidden, opened)
    return _gru(body, kind, ends, hidden, opened)


def _lstm(body: Body, ends: Mapping[str, str], hidden: str, opened: str) -> dict[str, str]:
    cell = body.rounded(ends[CELL], CELL)
    product = body.node("MatMul", [hidden, ends[CANDIDATE_WEIGHTS]], STATE_CANDIDATE)
    both = body.node("Add", [ends["candidate"], body.keep(product, STATE_CANDIDATE)], "candidate")
    candidate = body.function("Tanh", both, "candidate/tanh")
    let_in, let_out, kept = body.split(opened, ends["sizes"], ["input_gate", "output_gate", "forget_gate"])
    old = body.node("Mul", [kept, cell], "cell/kept")
    new = body.node("Mul", [let_in, candidate], "cell/added")
    cell = body.keep(body.node("Add", [old, new], "cell/new"), CELL)
    shown = body.function("Tanh", cell, "cell/tanh")
    hidden = body.keep(body.node("Mul", [let_out, shown], "hidden/new"), HIDDEN)
    return {HIDDEN: hidden, CELL: cell}


def _gru(body: Body, kind: Kind, ends: Mapping[str, str], hidden: str, opened: str) -> dict[str, str]:
    update, reset = body.split(opened, ends["sizes"], ["update_gate", "reset_gate"])
    if kind.reset_after:
        product = body.node("MatMul", [hidden, ends[CANDIDATE_WEIGHTS]], f"{STATE_CANDIDATE}/product")
        biased = body.node("Add", [product, ends[CANDIDATE_BIAS]], STATE_CANDIDATE)
        from_state = body.node("Mul", [reset, body.keep(biased, STATE_CANDIDATE)], "candidate/reset")
    else:
        reset_state = body.keep(body.node("Mul", [reset, hidden], RESET), RESET)
        product = body.node("MatMul", [reset_state, ends[CANDIDATE_WEIGHTS]], STATE_CANDIDATE)
        from_state = body.keep(product, STATE_CANDIDATE)
    both = body.node("Add", [ends["candidate"], from_state], "candidate")
    candidate = body.function("Tanh", both, "candidate/tanh")
    change = body.node("Sub", [ends["one"], update], "update_gate/rest")
    new = body.node("Mul", [change, candidate], "hidden/added")
    old = body.node("Mul", [update, hidden], "hidden/kept")
    return {HIDDEN: body.keep(body.node("Add", [new, old], "hidden/new"), HIDDEN)}


def as_rows(weights: np.ndarray, gates: int) -> tuple[np.ndarray, np.ndarray]:
    """ONNX's (gates x hidden, ...) as the rows of the opening gates, and those of the candidate, which come last."""
    hidden = len(weights) // gates
    return weights[: (gates - 1) * hidden], weights[(gates - 1) * hidden :]
