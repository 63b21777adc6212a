"""ONNX operators in torch that move values about without computing: shapes, slices, pads."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from onnx import numpy_helper
from torch.nn import functional

from sezoo.training.quantization_aware.layers import torch_order
from sezoo.training.quantization_aware.operator_types import Attributes, Inputs, Operator

__all__ = ["MOVEMENTS", "axes_of"]


def axes_of(inputs: Inputs, attributes: Attributes, position: int = 1) -> list[int] | None:
    """An input in later opsets, an attribute in earlier ones."""
    if len(inputs) > position and inputs[position] is not None:
        return inputs[position].tolist()
    return attributes.get("axes")


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
    axes = axes_of(inputs, attributes)
    return inputs[0].squeeze() if axes is None else inputs[0].squeeze(tuple(axes))


def _unsqueeze(inputs: Inputs, attributes: Attributes) -> torch.Tensor:
    x, axes = inputs[0], axes_of(inputs, attributes)
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
        return functional.pad(x, torch_order(given), value=0.0 if value is None else value.item())
    kinds = {"reflect": "reflect", "edge": "replicate", "wrap": "circular"}
    order = torch_order(given)
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


MOVEMENTS: dict[str, Operator] = {
    "Reshape": _reshape, "Transpose": _transpose, "Flatten": _flatten, "Squeeze": _squeeze, "Unsqueeze": _unsqueeze,
    "Slice": _slice, "Pad": _pad, "Split": _split, "Gather": _gather, "Shape": _shape, "Expand": _expand,
    "ConstantOfShape": _constant_of_shape,
    "Concat": lambda inputs, attributes: torch.cat(list(inputs), attributes["axis"]),
    "Tile": lambda inputs, attributes: inputs[0].repeat(inputs[1].tolist()),
    "Identity": lambda inputs, attributes: inputs[0],
}  # fmt: skip
