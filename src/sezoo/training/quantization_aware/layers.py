"""ONNX layers in torch: convolutions, products, recurrent layers, normalizations, pools."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional

from sezoo.training.quantization_aware.operator_types import Attributes, Inputs, Operator

__all__ = ["LAYERS", "torch_order"]


def _conv(inputs: Inputs, attributes: Attributes) -> torch.Tensor:
    x, weight, bias = (*inputs, None)[:3]
    spatial = weight.ndim - 2
    strides, dilations = (list(attributes.get(key, [1] * spatial)) for key in ("strides", "dilations"))
    x = _pad(x, _pads(attributes, x.shape[2:], weight.shape[2:], strides, dilations))
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


def _pad(x: torch.Tensor, pads: Sequence[int], value: float = 0.0) -> torch.Tensor:
    return functional.pad(x, torch_order(pads), value=value) if any(pads) else x


def torch_order(pads: Sequence[int]) -> list[int]:
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
    return _pad(whole_output, [-pad for pad in pads])


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


def _max_pool(inputs: Inputs, attributes: Attributes) -> torch.Tensor:
    x, kernel = inputs[0], list(attributes["kernel_shape"])
    strides, dilations = (list(attributes.get(key, [1] * len(kernel))) for key in ("strides", "dilations"))
    x = _pad(x, _pads(attributes, x.shape[2:], kernel, strides, dilations), value=-torch.inf)
    pool = (functional.max_pool1d, functional.max_pool2d, functional.max_pool3d)[len(kernel) - 1]
    return pool(x, kernel, strides, 0, dilations, ceil_mode=bool(attributes.get("ceil_mode", 0)))


def _average_pool(inputs: Inputs, attributes: Attributes) -> torch.Tensor:
    x, kernel = inputs[0], list(attributes["kernel_shape"])
    strides = list(attributes.get("strides", [1] * len(kernel)))
    pads = _pads(attributes, x.shape[2:], kernel, strides, [1] * len(kernel))
    if any(pads) and not attributes.get("count_include_pad", 0):
        raise NotImplementedError("AveragePool that leaves its padding out")
    pool = (functional.avg_pool1d, functional.avg_pool2d, functional.avg_pool3d)[len(kernel) - 1]
    return pool(_pad(x, pads), kernel, strides, ceil_mode=bool(attributes.get("ceil_mode", 0)))


def _global_average(inputs: Inputs, attributes: Attributes) -> torch.Tensor:
    return inputs[0].mean(dim=tuple(range(2, inputs[0].ndim)), keepdim=True)


LAYERS: dict[str, Operator] = {
    "Conv": _conv, "ConvTranspose": _conv_transpose, "Gemm": _gemm, "LSTM": _lstm, "GRU": _gru,
    "BatchNormalization": _batch_norm, "InstanceNormalization": _instance_norm, "LayerNormalization": _layer_norm,
    "MaxPool": _max_pool, "AveragePool": _average_pool, "GlobalAveragePool": _global_average,
}  # fmt: skip
