"""What the operators of ONNX compute, in torch: those that masks are made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from onnx import numpy_helper
from torch import nn
from torch.nn import functional

from sezoo.training.quantization_aware.rounding import whole

__all__ = ["OPERATORS", "Operator"]

Inputs = Sequence[torch.Tensor | None]
"""None for inputs that are left out."""

Attributes = Mapping[str, Any]
Operator = Callable[[Inputs, Attributes], torch.Tensor | Sequence[torch.Tensor]]


# -- layers -----------------------------------------------------------------------------------------------


def _conv(inputs: Inputs, attributes: Attributes) -> torch.Tensor:
    x, weight, bias = (*inputs, None)[:3]
    spatial = weight.ndim - 2
    strides, dilations = (list(attributes.get(key, [1] * spatial)) for key in ("strides", "dilations"))
    x = _padded(x, _pads(attributes, x.shape[2:], weight.shape[2:], strides, dilations))
    convolve = (functional.conv1d, functional.conv2d, functional.conv3d)[spatial - 1]
    return convolve(x, weight, bias, strides, 0, dilations, attributes.get("group", 1))


def _pads(attributes: Attributes, sizes: Sequence[int], kernel: Sequence[int], strides, dilations) -> list[int]:
    """Zeros before each axis, then behind each."""
    kind = attributes.get("auto_pad", b"NOTSET")
    if kind in (b"NOTSET", b"", b"VALID"):
        return list(attributes.get("pads", [0] * 2 * len(sizes)))
    missing = [
        max(0, (-(-size // stride) - 1) * stride + (taps - 1) * dilation + 1 - size)
        for size, taps, stride, dilation in zip(sizes, kernel, strides, dilations, strict=True)
    ]
    less = [each // 2 for each in missing]
    more = [each - half for each, half in zip(missing, less, strict=True)]
    return less + more if kind == b"SAME_UPPER" else more + less


def _padded(x: torch.Tensor, pads: Sequence[int], value: float = 0.0) -> torch.Tensor:
    return functional.pad(x, _torch_order(pads), value=value) if any(pads) else x


def _torch_order(pads: Sequence[int]) -> list[int]:
    """The last axis first, its beginning and its end beside each other."""
    axes = len(pads) // 2
    return [length for axis in reversed(range(axes)) for length in (pads[axis], pads[axis + axes])]


def _conv_transpose(inputs: Inputs, attributes: Attributes) -> torch.Tensor:
    x, weight, bias = (*inputs, None)[:3]
    spatial = weight.ndim - 2
    strides, dilations = (list(attributes.get(key, [1] * spatial)) for key in ("strides", "dilations"))
    if attributes.get("auto_pad", b"NOTSET") not in (b"NOTSET", b"") or "output_shape" in attributes:
        raise NotImplementedError("ConvTranspose with auto_pad or output_shape")
    pads, extra = attributes.get("pads", [0] * 2 * spatial), attributes.get("output_padding", [0] * spatial)
    convolve = (functional.conv_transpose1d, functional.conv_transpose2d, functional.conv_transpose3d)[spatial - 1]
    whole_output = convolve(x, weight, bias, strides, 0, list(extra), attributes.get("group", 1), dilations)
    return _padded(whole_output, [-pad for pad in pads])


def _gemm(inputs: Inputs, attributes: Attributes) -> torch.Tensor:
    left, right, added = (*inputs, None)[:3]
    left = left.T if attributes.get("transA", 0) else left
    right = right.T if attributes.get("transB", 0) else right
    product = attributes.get("alpha", 1.0) * (left @ right)
    return product if added is None else product + attributes.get("beta", 1.0) * added


def _lstm(inputs: Inputs, attributes: Attributes) -> Sequence[torch.Tensor]:
    return _recurrent(nn.LSTM, (0, 2, 3, 1), inputs, attributes)  # i o f c to i f c o


def _gru(inputs: Inputs, attributes: Attributes) -> Sequence[torch.Tensor]:
    if not attributes.get("linear_before_reset", 0):
        raise NotImplementedError("GRU with linear_before_reset 0")
    return _recurrent(nn.GRU, (1, 0, 2), inputs, attributes)  # z r h to r z h


def _recurrent(
    kind: type[nn.RNNBase], gates: Sequence[int], inputs: Inputs, attributes: Attributes
) -> Sequence[torch.Tensor]:
    x, weight, recurrence, bias, lengths, *states = (*inputs, *[None] * 4)[: 6 + (kind is nn.LSTM)]
    if lengths is not None or "activations" in attributes or "clip" in attributes or attributes.get("layout", 0):
        raise NotImplementedError(f"{kind.__name__} with sequence_lens, activations, clip or layout")
    direction = attributes.get("direction", b"forward")
    directions, hidden = weight.shape[0], attributes["hidden_size"]
    x = x.flip(0) if direction == b"reverse" else x

    def in_order(of_gates: torch.Tensor) -> torch.Tensor:
        parts = of_gates.split(hidden)
        return torch.cat([parts[gate] for gate in gates])

    flat = []
    for index in range(directions):
        flat += [in_order(weight[index]), in_order(recurrence[index])]
        if bias is not None:
            flat += [in_order(half) for half in bias[index].split(len(gates) * hidden)]
    first = x.new_zeros(directions, x.shape[1], hidden)
    first_states = [first if state is None else state for state in states]
    run = torch.lstm if kind is nn.LSTM else torch.gru
    state = tuple(first_states) if kind is nn.LSTM else first_states[0]
    output, *last = run(x, state, flat, bias is not None, 1, 0.0, False, directions == 2, False)
    output = output.flip(0) if direction == b"reverse" else output
    frames, batch = output.shape[:2]
    return [output.reshape(frames, batch, directions, hidden).transpose(1, 2), *last]


def _batch_norm(inputs: Inputs, attributes: Attributes) -> torch.Tensor:
    x, scale, bias, mean, variance = inputs
    return functional.batch_norm(x, mean, variance, scale, bias, False, 0.0, attributes.get("epsilon", 1e-5))


def _instance_norm(inputs: Inputs, attributes: Attributes) -> torch.Tensor:
    return functional.instance_norm(inputs[0], None, None, inputs[1], inputs[2], eps=attributes.get("epsilon", 1e-5))


def _layer_norm(inputs: Inputs, attributes: Attributes) -> torch.Tensor:
    x, scale, bias = (*inputs, None)[:3]
    shape = x.shape[attributes.get("axis", -1) :]
    return functional.layer_norm(x, shape, scale.expand(shape), bias, attributes.get("epsilon", 1e-5))


# -- element by element -----------------------------------------------------------------------------------


def _clip(inputs: Inputs, attributes: Attributes) -> torch.Tensor:
    x, low, high = (*inputs, None, None)[:3]
    low = attributes.get("min") if low is None else low
    high = attributes.get("max") if high is None else high
    if low is None and high is None:
        return x
    return torch.clamp(x, low, high)


def _prelu(inputs: Inputs, attributes: Attributes) -> torch.Tensor:
    x, slope = inputs
    return torch.where(x < 0, x * slope, x)


def _leaky_relu(inputs: Inputs, attributes: Attributes) -> torch.Tensor:
    return functional.leaky_relu(inputs[0], attributes.get("alpha", 0.01))


def _hard_sigmoid(inputs: Inputs, attributes: Attributes) -> torch.Tensor:
    return torch.clamp(attributes.get("alpha", 0.2) * inputs[0] + attributes.get("beta", 0.5), 0, 1)


def _gelu(inputs: Inputs, attributes: Attributes) -> torch.Tensor:
    return functional.gelu(inputs[0], approximate=attributes.get("approximate", b"none").decode())


def _cast(inputs: Inputs, attributes: Attributes) -> torch.Tensor:
    types = {1: torch.float32, 6: torch.int32, 7: torch.int64, 9: torch.bool, 11: torch.float64}
    if attributes["to"] not in types:
        raise NotImplementedError(f"Cast to type {attributes['to']}")
    return inputs[0].to(types[attributes["to"]])


def _each(function: Callable[..., torch.Tensor]) -> Operator:
    return lambda inputs, attributes: function(*inputs)


def _folded(function: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]) -> Operator:
    def compute(inputs: Inputs, attributes: Attributes) -> torch.Tensor:
        result = inputs[0]
        for other in inputs[1:]:
            result = function(result, other)
        return result

    return compute


def _divided(inputs: Inputs, attributes: Attributes) -> torch.Tensor:
    left, right = inputs
    return left / right if left.is_floating_point() else torch.div(left, right, rounding_mode="trunc")


# -- over axes --------------------------------------------------------------------------------------------


def _axes(inputs: Inputs, attributes: Attributes, position: int = 1) -> list[int] | None:
    """An input in later opsets, an attribute in earlier ones."""
    if len(inputs) > position and inputs[position] is not None:
        return inputs[position].tolist()
    return attributes.get("axes")


def _reduced(function: Callable[..., torch.Tensor]) -> Operator:
    def compute(inputs: Inputs, attributes: Attributes) -> torch.Tensor:
        axes, keep = _axes(inputs, attributes), bool(attributes.get("keepdims", 1))
        if axes is None and attributes.get("noop_with_empty_axes", 0):
            return inputs[0]
        return function(inputs[0], dim=list(range(inputs[0].ndim)) if axes is None else list(axes), keepdim=keep)

    return compute


def _softmax(inputs: Inputs, attributes: Attributes) -> torch.Tensor:
    return torch.softmax(inputs[0], attributes.get("axis", -1))


def _max_pool(inputs: Inputs, attributes: Attributes) -> torch.Tensor:
    x, kernel = inputs[0], list(attributes["kernel_shape"])
    strides, dilations = (list(attributes.get(key, [1] * len(kernel))) for key in ("strides", "dilations"))
    x = _padded(x, _pads(attributes, x.shape[2:], kernel, strides, dilations), value=-torch.inf)
    pool = (functional.max_pool1d, functional.max_pool2d, functional.max_pool3d)[len(kernel) - 1]
    return pool(x, kernel, strides, 0, dilations, ceil_mode=bool(attributes.get("ceil_mode", 0)))


def _average_pool(inputs: Inputs, attributes: Attributes) -> torch.Tensor:
    x, kernel = inputs[0], list(attributes["kernel_shape"])
    strides = list(attributes.get("strides", [1] * len(kernel)))
    pads = _pads(attributes, x.shape[2:], kernel, strides, [1] * len(kernel))
    if any(pads) and not attributes.get("count_include_pad", 0):
        raise NotImplementedError("AveragePool that leaves its padding out")
    pool = (functional.avg_pool1d, functional.avg_pool2d, functional.avg_pool3d)[len(kernel) - 1]
    return pool(_padded(x, pads), kernel, strides, ceil_mode=bool(attributes.get("ceil_mode", 0)))


def _global_average(inputs: Inputs, attributes: Attributes) -> torch.Tensor:
    return inputs[0].mean(dim=tuple(range(2, inputs[0].ndim)), keepdim=True)


# -- shapes -----------------------------------------------------------------------------------------------


def _reshape(inputs: Inputs, attributes: Attributes) -> torch.Tensor:
    x, shape = inputs[0], inputs[1].tolist()
    if not attributes.get("allowzero", 0):
        shape = [x.shape[axis] if length == 0 else length for axis, length in enumerate(shape)]
    return x.reshape(shape)


def _transpose(inputs: Inputs, attributes: Attributes) -> torch.Tensor:
    x = inputs[0]
    return x.permute(*attributes.get("perm", reversed(range(x.ndim))))


def _flatten(inputs: Inputs, attributes: Attributes) -> torch.Tensor:
    x, axis = inputs[0], attributes.get("axis", 1) % (inputs[0].ndim + 1)
    return x.reshape(int(torch.tensor(x.shape[:axis]).prod()), -1)


def _squeeze(inputs: Inputs, attributes: Attributes) -> torch.Tensor:
    axes = _axes(inputs, attributes)
    return inputs[0].squeeze() if axes is None else inputs[0].squeeze(tuple(axes))


def _unsqueeze(inputs: Inputs, attributes: Attributes) -> torch.Tensor:
    x, axes = inputs[0], _axes(inputs, attributes)
    total = x.ndim + len(axes)
    for axis in sorted(each % total for each in axes):
        x = x.unsqueeze(axis)
    return x


def _slice(inputs: Inputs, attributes: Attributes) -> torch.Tensor:
    x = inputs[0]
    starts, ends, axes, steps = (None if each is None else each.tolist() for each in (*inputs[1:], None, None)[:4])
    for index, (start, end) in enumerate(zip(starts, ends, strict=True)):
        axis, step = (index if axes is None else axes[index]), (1 if steps is None else steps[index])
        length = x.shape[axis]
        if step > 0:
            x = x[(*[slice(None)] * (axis % x.ndim), slice(start, end, step))]
        else:
            end = None if end < -length else end  # backwards to the first one, which is included
            x = x.index_select(axis, torch.arange(*slice(start, end, step).indices(length), device=x.device))
    return x


def _pad(inputs: Inputs, attributes: Attributes) -> torch.Tensor:
    x, pads, value, axes = (*inputs, None, None)[:4]
    given = pads.tolist()
    if axes is not None:
        every = [0] * 2 * x.ndim
        for position, axis in enumerate(axes.tolist()):
            every[axis % x.ndim] = given[position]
            every[axis % x.ndim + x.ndim] = given[position + len(given) // 2]
        given = every
    mode = attributes.get("mode", b"constant").decode()
    if mode == "constant":
        return functional.pad(x, _torch_order(given), value=0.0 if value is None else value.item())
    kinds = {"reflect": "reflect", "edge": "replicate", "wrap": "circular"}
    order = _torch_order(given)
    while order and not any(order[-2:]):
        order = order[:-2]
    return functional.pad(x, order, mode=kinds[mode]) if order else x


def _split(inputs: Inputs, attributes: Attributes) -> Sequence[torch.Tensor]:
    x, axis = inputs[0], attributes.get("axis", 0)
    lengths = inputs[1].tolist() if len(inputs) > 1 and inputs[1] is not None else attributes.get("split")
    if lengths is None:
        parts = attributes["outputs"]
        return x.split(-(-x.shape[axis] // parts), axis)
    return x.split(list(lengths), axis)


def _gather(inputs: Inputs, attributes: Attributes) -> torch.Tensor:
    x, indices = inputs
    axis = attributes.get("axis", 0) % x.ndim
    indices = torch.where(indices < 0, indices + x.shape[axis], indices)
    picked = x.index_select(axis, indices.reshape(-1))
    return picked.reshape((*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :]))


def _shape(inputs: Inputs, attributes: Attributes) -> torch.Tensor:
    shape = torch.tensor(inputs[0].shape, device=inputs[0].device)
    return shape[attributes.get("start", 0) : attributes.get("end")]


def _constant_of_shape(inputs: Inputs, attributes: Attributes) -> torch.Tensor:
    value = attributes.get("value")
    number = torch.zeros(1) if value is None else torch.from_numpy(numpy_helper.to_array(value).copy())
    return number.to(inputs[0].device).expand(inputs[0].tolist())


def _expand(inputs: Inputs, attributes: Attributes) -> torch.Tensor:
    return inputs[0].expand(torch.broadcast_shapes(inputs[0].shape, tuple(inputs[1].tolist())))


OPERATORS: dict[str, Operator] = {
    "Conv": _conv, "ConvTranspose": _conv_transpose, "Gemm": _gemm, "MatMul": _each(torch.matmul),
    "LSTM": _lstm, "GRU": _gru, "BatchNormalization": _batch_norm, "InstanceNormalization": _instance_norm,
    "LayerNormalization": _layer_norm,
    "Add": _each(torch.add), "Sub": _each(torch.sub), "Mul": _each(torch.mul), "Div": _divided,
    "Pow": _each(torch.pow), "Max": _folded(torch.maximum), "Min": _folded(torch.minimum), "Sum": _folded(torch.add),
    "Relu": _each(torch.relu), "LeakyRelu": _leaky_relu, "PRelu": _prelu, "Clip": _clip,
    "Elu": lambda inputs, attributes: functional.elu(inputs[0], attributes.get("alpha", 1.0)),
    "Sigmoid": _each(torch.sigmoid), "Tanh": _each(torch.tanh), "HardSigmoid": _hard_sigmoid,
    "HardSwish": _each(functional.hardswish), "Softplus": _each(functional.softplus), "Gelu": _gelu,
    "Softmax": _softmax, "Abs": _each(torch.abs), "Neg": _each(torch.neg), "Sqrt": _each(torch.sqrt),
    "Exp": _each(torch.exp), "Log": _each(torch.log), "Erf": _each(torch.erf), "Reciprocal": _each(torch.reciprocal),
    "Sin": _each(torch.sin), "Cos": _each(torch.cos), "Round": _each(whole),
    "Equal": _each(torch.eq), "Less": _each(torch.lt), "Greater": _each(torch.gt), "Where": _each(torch.where),
    "ReduceMean": _reduced(torch.mean), "ReduceSum": _reduced(torch.sum), "ReduceMax": _reduced(torch.amax),
    "ReduceMin": _reduced(torch.amin),
    "MaxPool": _max_pool, "AveragePool": _average_pool, "GlobalAveragePool": _global_average,
    "Reshape": _reshape, "Transpose": _transpose, "Flatten": _flatten, "Squeeze": _squeeze, "Unsqueeze": _unsqueeze,
    "Slice": _slice, "Pad": _pad, "Split": _split, "Gather": _gather, "Shape": _shape, "Expand": _expand,
    "ConstantOfShape": _constant_of_shape,
    "Concat": lambda inputs, attributes: torch.cat(list(inputs), attributes["axis"]),
    "Tile": lambda inputs, attributes: inputs[0].repeat(inputs[1].tolist()),
    "Identity": lambda inputs, attributes: inputs[0], "Cast": _cast,
}  # fmt: skip
"""By the type of a node: its outputs from its inputs and its attributes, which have the number of outputs beside them.

Round, which has no gradient, passes it on: what rounds its input in a graph does so to make integers of it.
"""
