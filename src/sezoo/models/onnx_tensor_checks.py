"""Checks of the tensors that an ONNX file holds: types, sizes, and files beside it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from math import prod
from pathlib import Path, PurePath

import onnx
from onnx import TensorProto

from sezoo.base.errors import UserError
from sezoo.base.inner_path import is_inner
from sezoo.models.nested_graphs import graphs_of
from sezoo.models.onnx_graph import node_label

__all__ = ["MAX_VALUES", "TYPES", "check_tensors", "holds_external_data", "shape_text"]

MAX_VALUES = 2**26
"""Of one tensor: 256 MiB in float32, far beyond any network that enhances speech."""


TYPES = {number: name for name, number in TensorProto.DataType.items() if number != TensorProto.UNDEFINED}


PACKED = {"INT4": 2, "UINT4": 2, "FLOAT4E2M1": 2, "INT2": 4, "UINT2": 4}
"""Values in a byte."""


FIELDS = {
    **dict.fromkeys(("FLOAT", "COMPLEX64"), "float_data"),
    **dict.fromkeys(("DOUBLE", "COMPLEX128"), "double_data"),
    **dict.fromkeys(("UINT32", "UINT64"), "uint64_data"),
    "INT64": "int64_data",
    "STRING": "string_data",
}
"""Where the values of a tensor are that are not in `raw_data`; in `int32_data` those of all other types."""


def check_tensors(model: onnx.ModelProto, path: Path) -> None:
    """Check that every tensor in a model holds what its type and its dims say, and not too much.

    Raises
    ------
    UserError : a tensor that does not; it is named.
    """
    for what, dims, tensor in _tensors(model):
        if dims is not None:
            _size(dims, what, path)
        _check_tensor(tensor, what, path)


def holds_external_data(model: onnx.ModelProto) -> bool:
    """Whether some of a model's tensors lie in files of their own."""
    return any(tensor.data_location == TensorProto.EXTERNAL for _, _, tensor in _tensors(model))


def _tensors(model: onnx.ModelProto) -> Iterator[tuple[str, Sequence[int] | None, TensorProto]]:
    """Yield the display name of each tensor, the dims of its sparse tensor if any, and the tensor."""
    for body in (*graphs_of(model.graph), *model.functions):
        if isinstance(body, onnx.GraphProto):
            for tensor in body.initializer:
                yield f"weight '{tensor.name}'", None, tensor
            for sparse in body.sparse_initializer:
                yield from _parts(sparse, f"sparse weight '{sparse.values.name}'")
        for node in body.node:
            for entry in node.attribute:
                if entry.HasField("t"):
                    yield f"attribute '{entry.name}' of {node_label(node)}", None, entry.t
                for tensor in entry.tensors:
                    yield f"attribute '{entry.name}' of {node_label(node)}", None, tensor
                if entry.HasField("sparse_tensor"):
                    yield from _parts(entry.sparse_tensor, f"attribute '{entry.name}' of {node_label(node)}")


def _parts(sparse: onnx.SparseTensorProto, what: str) -> Iterator[tuple[str, Sequence[int], TensorProto]]:
    yield what, sparse.dims, sparse.values
    yield f"the indices of {what}", sparse.dims, sparse.indices


def _check_tensor(tensor: TensorProto, what: str, path: Path) -> None:
    kind = TYPES.get(tensor.data_type)
    if kind is None:
        raise UserError(f"{path}: {what} has the element type {tensor.data_type}, which ONNX does not have")
    values = _size(tensor.dims, what, path)
    if tensor.data_location == TensorProto.EXTERNAL and not tensor.HasField("raw_data"):
        _check_external(tensor, kind, _bytes(values, kind), what, path)
        return
    if tensor.HasField("raw_data"):
        found, needed, unit = len(tensor.raw_data), _bytes(values, kind), "bytes"
    else:
        found, unit = len(getattr(tensor, FIELDS.get(kind, "int32_data"))), "values"
        needed = -(-values // PACKED[kind]) if kind in PACKED else values * (2 if kind.startswith("COMPLEX") else 1)
    if found != needed:
        raise UserError(
            f"{path}: {what} holds {found} {unit}, its shape {shape_text(tensor.dims)} of {kind.lower()} needs "
            f"{needed}; the file is damaged"
        )


def _check_external(tensor: TensorProto, kind: str, needed: int, what: str, path: Path) -> None:
    """Check that a tensor's external data exists: a file beside the model with enough bytes."""
    entries = {entry.key: entry.value for entry in tensor.external_data}
    location = entries.get("location", "")
    if not location or not is_inner(PurePath(location)):
        found = f"{location!r}, which is outside of the model's folder" if location else "no file"
        raise UserError(f"{path}: {what} has its data in {found}; a file beside the model is needed")
    numbers = {key: entries.get(key) or str(usual) for key, usual in (("offset", 0), ("length", needed))}
    for key, value in numbers.items():
        if not (value.isascii() and value.isdecimal() and len(value) < 20):
            raise UserError(f"{path}: {what} has the {key} {value!r} in {location}; a number of bytes is needed")
    offset, length = map(int, numbers.values())
    if length != needed:
        raise UserError(
            f"{path}: {what} has {length} bytes of external data, its shape {shape_text(tensor.dims)} of "
            f"{kind.lower()} needs {needed}"
        )
    data = path.parent / location
    if not data.is_file():
        raise UserError(f"{path}: its weights are in {data}, which is not there; copy both files together")
    if offset + needed > (size := data.stat().st_size):
        raise UserError(
            f"{path}: {what} is at the bytes {offset} to {offset + needed} of {data}, which has {size}; it is cut off"
        )


def _bytes(values: int, kind: str) -> int:
    return -(-values // PACKED[kind]) if kind in PACKED else values * _item_bytes(kind)


@cache
def _item_bytes(kind: str) -> int:
    return onnx.helper.tensor_dtype_to_np_dtype(TensorProto.DataType.Value(kind)).itemsize


def _size(dims, what: str, path: Path) -> int:
    """Return the number of values of a shape."""
    if any(length < 0 for length in dims):
        raise UserError(f"{path}: {what} has the negative length {min(dims)} in its shape {shape_text(dims)}")
    values = prod(dims)
    if values > MAX_VALUES:
        raise UserError(
            f"{path}: {what} declares {values:,} values, {shape_text(dims)}; at most {MAX_VALUES:,} are read"
        )
    return values


def shape_text(dims: Sequence[int | str]) -> str:
    """`(1, 257, frames)`."""
    return "(" + ", ".join(str(length) for length in dims) + ")"
