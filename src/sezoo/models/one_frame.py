"""A model of whole clips written as one of a piece: what it remembers of a clip become inputs and outputs.

A recurrent layer remembers its states, a convolution over past frames the frames that its kernel reaches back to. All
begin a clip with zeros, as the padding of the whole clip does, so that piece by piece the model computes the same. A
piece is one frame, or has any number of them.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import onnx
from onnx import helper, numpy_helper

from sezoo.base.errors import UserError
from sezoo.base.text import pluralize
from sezoo.models.frame_axes import FrameTrace
from sezoo.models.onnx_graph import (
    UnusedNames,
    attribute,
    copy_model,
    keep_needed,
    node_label,
    producers,
    readers,
    reads_of,
    set_weights,
)
from sezoo.models.states import batch_of_one, fix_lengths, with_states

__all__ = ["one_frame"]

LAYERS = {"GRU": ("h",), "LSTM": ("h", "c"), "RNN": ("h",)}
"""Recurrent layers, and the states that they have."""

BY_FRAME = {
    *("Abs", "Add", "And", "BatchNormalization", "Cast", "Ceil", "Clip", "Cos"),
    *("DepthToSpace", "Div", "Dropout", "Elu", "Equal", "Erf", "Exp", "Expand"),
    *("Floor", "Gelu", "Greater", "GreaterOrEqual", "HardSigmoid", "HardSwish", "Identity", "LeakyRelu"),
    *("Less", "LessOrEqual", "Log", "Max", "Min", "Mish", "Mul", "Neg"),
    *("Not", "Or", "PRelu", "Pow", "Reciprocal", "Relu", "Resize", "Round"),
    *("Selu", "Sigmoid", "Sign", "Sin", "Softplus", "Softsign", "SpaceToDepth", "Sqrt"),
    *("Sub", "Sum", "Tanh", "ThresholdedRelu", "Upsample", "Where"),
}
"""Operators that work on every frame for itself, if only their output has as many of them."""

MOVERS = {"Identity", "Transpose", "Reshape", "Squeeze", "Unsqueeze", "Flatten"}
"""Operators that move values about; where the frames are afterwards, their shapes have shown."""

ALONG = {
    **dict.fromkeys(("Concat", "Split", "Gather", "Softmax", "LogSoftmax", "CumSum", "TopK", "ArgMax"), "axis"),
    "LayerNormalization": "axis",
}
"""Operators that work along an axis, and the attribute with it."""

POOLS = {"AveragePool", "MaxPool"}

QUANTIZERS = {"QuantizeLinear", "DequantizeLinear"}
"""Of an int8 model; zeros stay zeros."""

END = np.iinfo(np.int64).max


def one_frame(model: onnx.ModelProto, traced: FrameTrace, frames: int | None = 1) -> onnx.ModelProto:
    """The form of a model, opset 11 or later, that takes a clip in pieces, and carries the names of its states.

    Parameters
    ----------
    model : float, or int8 in QDQ form.
    frames : of a piece; None is any number.

    Raises
    ------
    UserError : the node for which there is none, and what would help.
    """
    return _Writer(model, traced, frames).written()


@dataclass
class _Writer:
    """Writes the form, node by node.

    Attributes
    ----------
    padding : by the name of a tensor, how many frames of zeros have been put before its first one.
    states : state outputs by state inputs.
    """

    model: onnx.ModelProto
    traced: FrameTrace
    frames: int | None
    padding: dict[str, int] = field(default_factory=dict)
    states: dict[str, str] = field(default_factory=dict)

    def __post_init__(self):
        self.made = copy_model(self.model)
        self.graph, self.names = self.made.graph, UnusedNames(self.made.graph)
        self.nodes: list[onnx.NodeProto] = []
        self.behind: list[onnx.NodeProto] = []

    def written(self) -> onnx.ModelProto:
        """The model of a piece.

        Raises
        ------
        UserError : the node for which there is none.
        """
        self.read_by, self.made_by = readers(self.model.graph), producers(self.model.graph)
        self.outputs = {value.name for value in self.model.graph.output}
        del self.graph.node[:], self.graph.value_info[:]
        for node in self.model.graph.node:
            copy = onnx.NodeProto()
            copy.CopyFrom(node)
            self._write(copy)
            self.nodes += [copy, *self.behind]
            self.behind.clear()
        self.graph.node.extend(self.nodes)
        fix_lengths(self.made, self.graph.input[0], 1, self.frames)
        fix_lengths(self.made, self.graph.output[0], 1, self.frames)
        made = with_states(self.made, self.states)
        batch_of_one(made)
        keep_needed(made.graph)
        return made

    def _axis(self, name: str) -> int | None:
        return self.traced.axes.get(name)

    def _write(self, node: onnx.NodeProto) -> None:
        """Change the copy of a node to what it does on a piece."""
        over = [name for name in reads_of(node) if self._axis(name) is not None]
        if node.op_type in QUANTIZERS and over:
            self.padding[node.output[0]] = self.padding.get(over[0], 0)
            return
        if not over or self.traced.values[next(filter(None, node.output))].dtype.kind in "iu":
            return
        if node.op_type in ("Conv", "ConvTranspose", *POOLS):
            return self._kernel(node)
        if node.op_type in LAYERS:
            return self._recurrent(node)
        if node.op_type == "Scan":
            return self._scan(node)
        if node.op_type == "Pad":
            return self._pad(node)
        if node.op_type == "Slice":
            return self._slice(node)
        if node.op_type == "Concat" and self._joins_zeros(node):
            return None
        padded = {self.padding.get(name, 0) for name in over}
        if node.op_type in MOVERS:
            self.padding[node.output[0]] = padded.pop()
        elif padded != {0}:
            raise UserError(
                f"{node_label(node)} works on frames of zeros that were put before the first one; put them right "
                "before "
                "the convolution that needs them"
            )
        elif (why := self._mixes(node, over[0])) is not None:
            raise UserError(f"{node_label(node)} {why}")
        return None

    def _mixes(self, node: onnx.NodeProto, source: str) -> str | None:
        """Why a node cannot work on a frame of this input for itself, with a remedy; None where it can."""
        kind = node.op_type
        axis, rank = self._axis(source), self.traced.values[source].ndim
        later = "works over all frames of a clip, later ones too; take a running mean, or one over bins or channels"
        if kind.startswith("Reduce"):
            found = attribute(node, "axes", None)
            if found is None and len(node.input) > 1 and node.input[1]:
                found = self.traced.values[node.input[1]].tolist()
            axes = range(rank) if not found else [each % rank for each in found]
            return later if axis in axes else None
        if kind in ("GlobalAveragePool", "GlobalMaxPool", "InstanceNormalization", "GroupNormalization"):
            return later if axis >= (1 if kind == "GroupNormalization" else 2) else None
        if kind in ALONG:
            defaults = {"Gather": 0, "Split": 0, "TopK": -1, "ArgMax": 0}
            along = attribute(node, ALONG[kind], defaults.get(kind, -1))
            if kind == "CumSum":
                along = int(self.traced.values[node.input[1]])
            along %= rank
            return later if along == axis or (kind == "LayerNormalization" and along <= axis) else None
        if kind in ("MatMul", "Gemm"):
            return None if self._axis(node.output[0]) is not None and not self._is_contracted(node) else later
        if kind in BY_FRAME:
            return None
        return "is an operator of which it is not known what it does with frames; write it in others"

    def _is_contracted(self, node: onnx.NodeProto) -> bool:
        """Whether a product adds up over frames."""
        for place, name in enumerate(node.input[:2]):
            axis = self._axis(name)
            if axis is None:
                continue
            rank = self.traced.values[name].ndim
            summed = rank - 1 if place == 0 else max(0, rank - 2)
            if node.op_type == "Gemm" and attribute(node, ("transA", "transB")[place], 0):
                summed = rank - 1 - summed
            if axis == summed:
                return True
        return False

    # -- what has a memory ---------------------------------------------------------------------------------

    def _new_state(self, node: onnx.NodeProto, what: str, shape: tuple[int, ...]) -> tuple[str, str]:
        """The names of a state's input and output, which are added to the graph."""
        stem = (node.name or node.output[0]).strip("/").replace("/", ".")
        source = self.names.new(f"{stem}.{what}")
        target = self.names.new(f"{source}_out")
        self.graph.input.append(helper.make_tensor_value_info(source, onnx.TensorProto.FLOAT, shape))
        self.graph.output.append(helper.make_tensor_value_info(target, onnx.TensorProto.FLOAT, shape))
        self.states[source] = target
        return source, target

    def _recurrent(self, node: onnx.NodeProto) -> None:
        axis = self._axis(node.input[0])
        if attribute(node, "layout", 0):
            raise UserError(f"{node_label(node)} has the attribute layout; export it with frames first")
        if axis == 1:  # its steps are those within a frame
            return
        if self.padding.get(node.input[0]):
            raise UserError(f"{node_label(node)} begins with frames of zeros that were put before the first one")
        direction = attribute(node, "direction", b"forward")
        if direction != b"forward":
            raise UserError(
                f"{node_label(node)} is {direction.decode()} over frames, and a stream has no later ones; train it "
                "with "
                "one direction, or run whole clips"
            )
        given, states = [*node.input, *[""] * 8][:8], LAYERS[node.op_type]
        if given[4]:
            raise UserError(f"{node_label(node)} has sequence_lens; export it without")
        batch, hidden = self.traced.values[node.input[0]].shape[1], attribute(node, "hidden_size", 0)
        outputs = [*node.output, "", "", ""][: 1 + len(states)]
        for place, what in enumerate(states):
            last = outputs[1 + place]
            if last and (self.read_by[last] or last in self.outputs):
                raise UserError(f"{node_label(node)}: its state after the last frame is used, which a stream never has")
            start = given[5 + place]
            if start and np.any(self.traced.values[start]):
                raise UserError(f"{node_label(node)} begins with a state that is not zero; states begin with zeros")
            given[5 + place], outputs[1 + place] = self._new_state(node, what, (1, batch, hidden))
        while not given[-1]:
            given.pop()
        node.input[:], node.output[:] = given, outputs

    def _scan(self, node: onnx.NodeProto) -> None:
        """A layer of an int8 model, which is written out as a loop over frames."""
        sequences = attribute(node, "num_scan_inputs", 0)
        count = len(node.input) - sequences
        along = attribute(node, "scan_input_axes", [0] * sequences)
        pairs = list(zip(node.input[count:], along, strict=True))
        over = [name for name, axis in pairs if self._axis(name) == axis % self.traced.values[name].ndim]
        if not over:  # its steps are those within a frame
            return
        if any(attribute(node, "scan_input_directions", [])) or any(self.padding.get(name) for name in over):
            raise UserError(f"{node_label(node)} does not begin with the first frame; a stream has no later ones")
        for place in range(count):
            start, last = node.input[place], node.output[place]
            if self.read_by[last] or last in self.outputs:
                raise UserError(f"{node_label(node)}: its state after the last frame is used, which a stream never has")
            if np.any(self.traced.values[start]):
                raise UserError(f"{node_label(node)} begins with a state that is not zero; states begin with zeros")
            shape = self.traced.values[start].shape
            node.input[place], node.output[place] = self._new_state(node, f"state{place + 1}", shape)

    def _kernel(self, node: onnx.NodeProto) -> None:
        """A convolution or a pooling: what its kernel reaches back to becomes a state."""
        source, axis, is_pool = node.input[0], self._axis(node.input[0]), node.op_type in POOLS
        kernel = attribute(node, "kernel_shape", None) if is_pool else self.traced.values[node.input[1]].shape[2:]
        count, place = len(kernel), axis - 2
        if axis < 1 or (axis == 1 and is_pool):  # frames stand beside each other, as a batch does
            return
        if axis == 1 or (not is_pool and self._axis(node.input[1]) is not None):
            raise UserError(f"{node_label(node)} has frames as its channels; a stream has one at a time")
        if attribute(node, "auto_pad", b"NOTSET") not in (b"NOTSET", b"VALID"):
            raise UserError(f"{node_label(node)} has auto_pad; export it with pads")
        pads = list(attribute(node, "pads", [0] * 2 * count))
        reach = (kernel[place] - 1) * list(attribute(node, "dilations", [1] * count))[place]
        before = pads[place] + self.padding.get(source, 0)
        if is_pool and pads[place] and not attribute(node, "count_include_pad", 0):
            raise UserError(f"{node_label(node)} passes over what is before the first frame; put zeros there by a Pad")
        transposed = node.op_type == "ConvTranspose"
        if transposed:
            before, ahead = 0, pads[place]  # of its whole output the first frames are those of the first inputs
            if self.padding.get(source):
                raise UserError(f"{node_label(node)} works on frames of zeros that were put before the first one")
        else:
            ahead = reach - before
        if ahead > 0:
            raise UserError(
                f"{node_label(node)} looks {pluralize(ahead, 'frame')} ahead; put all of its zeros over time before "
                "the "
                "first frame (as a causal convolution has them)"
            )
        if ahead < 0:
            raise UserError(
                f"{node_label(node)} has {pluralize(before, 'frame')} of zeros before the first frame, and its kernel "
                f"reaches {reach} back; they have to be as many"
            )
        pads[place] = pads[place + count] = 0
        if reach == 0:
            return
        _set_attribute(node, "pads", pads)
        shape = list(self.traced.values[source].shape)
        shape[axis] = reach
        cache, kept = self._new_state(node, "past", tuple(shape))
        both = self.names.new(f"{cache}.frames")
        join = self.names.new(f"{both}.join")
        self.nodes.append(helper.make_node("Concat", [cache, source], [both], join, axis=axis))
        self.nodes.append(self._part(both, kept, axis, -reach, END))
        node.input[0] = self._rounded_again(source, both)
        output = node.output[0]
        if transposed:  # of the frames that it makes of those, the ones that all of them add to
            node.output[0] = self.names.new(f"{output}.frames")
            self.behind.append(self._part(node.output[0], output, axis, reach, -reach))

    def _rounded_again(self, source: str, both: str) -> str:
        """In an int8 model past and new frames are integers for the kernel; those that come from there are exact."""
        chain = []
        for kind in reversed(("QuantizeLinear", "DequantizeLinear")):
            node = self.made_by.get(chain[-1].input[0] if chain else source)
            if node is None or node.op_type != kind:
                return both
            chain.append(node)
        for node in reversed(chain):
            copy = onnx.NodeProto.FromString(node.SerializeToString())
            copy.input[0], copy.output[0] = both, self.names.new(f"{both}.{node.op_type}")
            copy.name = self.names.new(f"{copy.output[0]}.node")
            self.nodes.append(copy)
            both = copy.output[0]
        return both

    def _part(self, source: str, target: str, axis: int, start: int, end: int) -> onnx.NodeProto:
        """A node that cuts frames out of a tensor."""
        constants = {"start": start, "end": end, "axis": axis}
        names = {key: self.names.new(f"{target}.{key}") for key in constants}
        set_weights(self.graph, {names[key]: np.array([value], np.int64) for key, value in constants.items()})
        name = self.names.new(f"{target}.slice")
        return helper.make_node("Slice", [source, *names.values()], [target], name)

    # -- zeros before the first frame, and the end that is cut off ---------------------------------------------

    def _pad(self, node: onnx.NodeProto) -> None:
        axis, rank = self._axis(node.input[0]), self.traced.values[node.input[0]].ndim
        given = [*node.input, *[""] * 4]
        axes = [each % rank for each in self.traced.values[given[3]].tolist()] if given[3] else list(range(rank))
        pads = list(attribute(node, "pads", None) or self.traced.values[given[1]].tolist())
        if axis in axes and (pads[axes.index(axis)] or pads[axes.index(axis) + len(axes)]):
            place = axes.index(axis)
            value = float(self.traced.values[given[2]]) if given[2] else attribute(node, "value", 0.0)
            if attribute(node, "mode", b"constant") != b"constant" or value != 0:
                raise UserError(f"{node_label(node)} does not fill up with zeros; a stream begins with zeros")
            self.padding[node.output[0]] = self.padding.get(node.input[0], 0) + pads[place]
            pads[place] = pads[place + len(axes)] = 0
            if any(entry.name == "pads" for entry in node.attribute):
                _set_attribute(node, "pads", pads)
            else:
                node.input[1] = self._constant(f"{node.output[0]}.pads", np.array(pads, np.int64))
        else:
            self.padding[node.output[0]] = self.padding.get(node.input[0], 0)

    def _joins_zeros(self, node: onnx.NodeProto) -> bool:
        """Whether a Concat puts frames of zeros before the first one; it is then passed by."""
        axis = self._axis(node.output[0])
        if len(node.input) != 2 or axis is None:
            return False
        first, second = node.input
        rank = self.traced.values[second].ndim
        if self._axis(first) is not None or attribute(node, "axis", 0) % rank != axis:
            return False
        zeros = self.traced.values[first]
        if np.any(zeros):
            return False
        self.padding[node.output[0]] = self.padding.get(second, 0) + zeros.shape[axis]
        node.op_type = "Identity"
        node.input[:] = [second]
        del node.attribute[:]
        return True

    def _slice(self, node: onnx.NodeProto) -> None:
        source, axis = node.input[0], self._axis(node.input[0])
        shape = self.traced.values[source].shape
        given = [*node.input, *[""] * 4]
        starts = self.traced.values[given[1]].tolist()
        axes = self.traced.values[given[3]].tolist() if given[3] else range(len(starts))
        axes = [each % len(shape) for each in axes]
        steps = self.traced.values[given[4]].tolist() if given[4] else [1] * len(starts)
        padding = self.padding.get(source, 0)
        if axis in axes:
            place = axes.index(axis)
            if steps[place] != 1:
                raise UserError(f"{node_label(node)} takes frames apart; a stream has one at a time")
            start = starts[place] + shape[axis] if starts[place] < 0 else starts[place]
            padding -= min(start, shape[axis])
            if padding < 0:
                raise UserError(
                    f"{node_label(node)} drops {pluralize(-padding, 'frame')} from the beginning, so that what is "
                    "behind it looks ahead; cut off the end, behind padding at the beginning (a causal convolution)"
                )
            ends = self.traced.values[given[2]].tolist()
            starts[place], ends[place] = 0, END
            node.input[1] = self._constant(f"{node.output[0]}.starts", np.array(starts, np.int64))
            node.input[2] = self._constant(f"{node.output[0]}.ends", np.array(ends, np.int64))
        self.padding[node.output[0]] = padding

    def _constant(self, name: str, values: np.ndarray) -> str:
        name = self.names.new(name)
        self.graph.initializer.append(numpy_helper.from_array(values, name))
        return name


def _set_attribute(node: onnx.NodeProto, name: str, value: object) -> None:
    kept = [entry for entry in node.attribute if entry.name != name]
    del node.attribute[:]
    node.attribute.extend([*kept, helper.make_attribute(name, value)])
