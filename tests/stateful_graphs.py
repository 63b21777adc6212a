"""Small mask models with states, as streaming networks are exported, and a loop that runs them step by step."""

import numpy as np
import onnx
from onnx import TensorProto, helper

from mask_graphs import BINS, Graph
from sezoo.models.onnx_session import open_session

HIDDEN = 12
LSTM_STATES = {"h": "h_new", "c": "c_new"}
GRU_STATES = {"hidden": "hidden_new"}
CACHE_STATES = {"cache": "cache_out"}


def lstm_cell(*, batch=1, bins=BINS, seed=0):
    """An LSTM taken apart, a frame at a time: (1, bins, 1) and two states (1, hidden)."""
    graph = Graph(seed)
    one_frame = _frame(graph)
    graph.node("MatMul", [one_frame, graph.random("lstm.w", bins, 4 * HIDDEN, fan_in=bins)], "from_frame")
    graph.node("MatMul", ["h", graph.random("lstm.r", HIDDEN, 4 * HIDDEN, fan_in=HIDDEN)], "from_state")
    graph.node("Add", ["from_frame", "from_state"], "both")
    graph.node("Add", ["both", graph.random("lstm.b", 4 * HIDDEN, fan_in=16)], "gates")
    gates = [_part(graph, "gates", name, index) for index, name in enumerate(("in", "forget", "cell", "out"))]
    opened = [graph.node("Sigmoid", [gates[index]], f"{gates[index]}.open") for index in (0, 1, 3)]
    graph.node("Tanh", [gates[2]], "candidate")
    graph.node("Mul", [opened[1], "c"], "kept")
    graph.node("Mul", [opened[0], "candidate"], "added")
    graph.node("Add", ["kept", "added"], "c_new")
    graph.node("Tanh", ["c_new"], "c_new.tanh")
    graph.node("Mul", [opened[2], "c_new.tanh"], "h_new")
    _head(graph, "h_new", bins)
    state = [(batch, HIDDEN)] * 2
    return _model(graph, {"input": (batch, bins, 1), **dict(zip("hc", state, strict=True))}, LSTM_STATES)


def gru_cell(*, batch="batch", bins=BINS, seed=1):
    """A gated cell a frame at a time, with its state as the first input and the first output."""
    graph = Graph(seed)
    one_frame = _frame(graph)
    graph.node("Concat", [one_frame, "hidden"], "seen", axis=1)
    graph.node("Gemm", ["seen", graph.random("gate.w", bins + HIDDEN, HIDDEN, fan_in=bins), _bias(graph, "gate")], "g")
    graph.node("Gemm", ["seen", graph.random("new.w", bins + HIDDEN, HIDDEN, fan_in=bins), _bias(graph, "new")], "n")
    graph.node("Sigmoid", ["g"], "gate")
    graph.node("Tanh", ["n"], "candidate")
    graph.node("Sub", ["candidate", "hidden"], "change")
    graph.node("Mul", ["gate", "change"], "step")
    graph.node("Add", ["hidden", "step"], "hidden_new")
    _head(graph, "hidden_new", bins)
    ends = {"hidden": (batch, HIDDEN), "input": (batch, bins, 1)}
    return _model(graph, ends, GRU_STATES, state_outputs_first=True)


def cached_convolution(*, frames="seq_len", batch="batch", bins=BINS, seed=2):
    """A causal convolution over time that is handed the last two frames of the call before."""
    graph = Graph(seed)
    graph.node("Concat", ["cache", "input"], "with_past", axis=2)
    ends = [
        graph.weight(name, np.array([value], np.int64)) for name, value in (("start", -2), ("end", 2**31), ("t", 2))
    ]
    graph.node("Slice", ["with_past", *ends], "cache_out")
    graph.node("Conv", ["with_past", graph.random("conv.w", 16, bins, 3, fan_in=3 * bins)], "conv", kernel_shape=[3])
    graph.node("Relu", ["conv"], "relu")
    graph.node("Sigmoid", [graph.conv("relu", "conv2", 16, bins)], "mask")
    return _model(graph, {"input": (batch, bins, frames), "cache": (batch, bins, 2)}, CACHE_STATES)


def gru_layer(*, frames="seq_len", bins=BINS, seed=3):
    """ONNX's own GRU over any number of frames: its state has the batch as the second axis."""
    graph = Graph(seed)
    graph.node("Transpose", ["input"], "frames_first", perm=[2, 0, 1])
    weights = [
        graph.random("gru.w", 1, 3 * HIDDEN, bins, fan_in=bins),
        graph.random("gru.r", 1, 3 * HIDDEN, HIDDEN, fan_in=HIDDEN),
        graph.random("gru.b", 1, 6 * HIDDEN, fan_in=64),
    ]
    outputs = ["all", "hidden_new"]
    graph.nodes.append(
        helper.make_node("GRU", ["frames_first", *weights, "", "hidden"], outputs, name="gru", hidden_size=HIDDEN)
    )
    graph.node("Squeeze", ["all", graph.weight("one", np.array([1], np.int64))], "states")
    graph.node("MatMul", ["states", graph.random("head.w", HIDDEN, bins, fan_in=HIDDEN)], "projected")
    graph.node("Sigmoid", ["projected"], "opened")
    graph.node("Transpose", ["opened"], "mask", perm=[1, 2, 0])
    return _model(graph, {"input": ("batch", bins, frames), "hidden": (1, "batch", HIDDEN)}, GRU_STATES)


def looped(model, states, magnitude, frames, outputs=("mask",), start=None):
    """What a loop over calls of so many frames gives, the last call filled up with zeros.

    Parameters
    ----------
    magnitude : (1, bins, n) float32.

    Returns
    -------
    calls : per call the outputs of these names, and what was fed into it.
    """
    session = open_session(model)  # by itself, onnxruntime multiplies bytes exactly on some processors only
    shapes = {value.name: value.shape for value in session.get_inputs()}
    fed = {name: np.zeros([n if isinstance(n, int) else 1 for n in shapes[name]], np.float32) for name in states}
    calls = []
    for first in range(0, magnitude.shape[2], frames):
        call = np.zeros((1, magnitude.shape[1], frames), np.float32)
        piece = magnitude[:, :, first : first + frames]
        call[:, :, : piece.shape[2]] = piece
        feeds = {"input": call, **fed}
        given = session.run([*outputs, *states.values()], feeds)
        fed = dict(zip(states, given[len(outputs) :], strict=True))
        calls.append((given[: len(outputs)], feeds))
    return calls


def looped_mask(model, states, magnitude, frames):
    """The mask of `looped`, as long as the magnitudes."""
    masks = [mask for (mask,), _ in looped(model, states, magnitude, frames)]
    return np.concatenate(masks, axis=2)[:, :, : magnitude.shape[2]]


# -- parts --------------------------------------------------------------------------------------------


def _frame(graph):
    return graph.node("Squeeze", ["input", graph.weight("axis", np.array([2], np.int64))], "frame")


def _part(graph, source, name, index):
    ends = [index * HIDDEN, (index + 1) * HIDDEN, 1]
    constants = [
        graph.weight(f"{name}.{end}", np.array([value], np.int64))
        for end, value in zip(("start", "end", "axis"), ends, strict=True)
    ]
    return graph.node("Slice", [source, *constants], f"gate.{name}")


def _bias(graph, name):
    return graph.random(f"{name}.b", HIDDEN, fan_in=16)


def _head(graph, source, bins):
    weights = [graph.random("head.w", HIDDEN, bins, fan_in=HIDDEN / 4), graph.random("head.b", bins, fan_in=16)]
    graph.node("Gemm", [source, *weights], "projected")
    graph.node("Sigmoid", ["projected"], "opened")
    graph.node("Unsqueeze", ["opened", "axis"], "mask")


def _model(graph, inputs, states, *, state_outputs_first=False):
    outputs = {"mask": inputs["input"]}
    after = {target: inputs[source] for source, target in states.items()}
    outputs = {**after, **outputs} if state_outputs_first else {**outputs, **after}
    ends = [
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in values.items()]
        for values in (inputs, outputs)
    ]
    onnx_graph = helper.make_graph(graph.nodes, "stateful_mask_model", *ends, graph.weights)
    model = helper.make_model(onnx_graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    return model


ALL = {
    "lstm cell": (lstm_cell(), LSTM_STATES),
    "gru cell": (gru_cell(), GRU_STATES),
    "cached convolution": (cached_convolution(), CACHE_STATES),
    "cached convolution of 5 frames": (cached_convolution(frames=5, batch=1), CACHE_STATES),
    "gru layer": (gru_layer(), GRU_STATES),
}
