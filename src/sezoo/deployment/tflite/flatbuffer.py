"""Writer of .tflite files: the tables of TensorFlow Lite's schema, version 3, written with `flatbuffers`.

The slots of a table are numbered in the order of its fields in the schema
(tensorflow/compiler/mlir/lite/schema/schema.fbs); omitted fields have their defaults.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from sezoo.deployment.tflite.graph import FileOperator, FileTensor, TfliteGraph
from sezoo.deployment.tflite.operators import Kind

__all__ = ["flatbuffer_of"]

SCHEMA_VERSION, IDENTIFIER = 3, b"TFL3"
TYPES = {np.dtype(np.int32): 2, np.dtype(np.int8): 9}
"""Codes of `TensorType`."""

ALIGNMENT = 16
"""Alignment of constants in bytes, as the schema requires."""

MAX_BYTE_CODE = 127
"""Largest operator code that also fits the field for older readers."""


def flatbuffer_of(graph: TfliteGraph, description: str) -> bytes:
    """Return a model as the content of a .tflite file."""
    import flatbuffers

    builder = flatbuffers.Builder(1 << 16)
    kinds = list(dict.fromkeys(operator.kind for operator in graph.operators))
    constants = [index for index, tensor in enumerate(graph.tensors) if tensor.data is not None]
    places = {index: number for number, index in enumerate(constants, start=1)}  # buffer 0 is empty, by convention
    buffers = [_buffer(builder, None), *(_buffer(builder, graph.tensors[index].data) for index in constants)]
    tensors = [_tensor(builder, tensor, places.get(index, 0)) for index, tensor in enumerate(graph.tensors)]
    operators = [_operator(builder, operator, kinds.index(operator.kind)) for operator in graph.operators]
    name, note = builder.CreateString("main"), builder.CreateString(description)
    tensors_vector, operators_vector = _offsets(builder, tensors), _offsets(builder, operators)
    inputs, outputs = _integers(builder, graph.inputs), _integers(builder, graph.outputs)
    subgraph = _table(
        builder, 5,
        [_offset(0, tensors_vector), _offset(1, inputs), _offset(2, outputs), _offset(3, operators_vector),
         _offset(4, name)],
    )  # fmt: skip
    codes = _offsets(builder, [_code(builder, kind) for kind in kinds])
    subgraphs, buffers_vector = _offsets(builder, [subgraph]), _offsets(builder, buffers)
    model = _table(
        builder, 5,
        [_number(0, "Uint32", SCHEMA_VERSION), _offset(1, codes), _offset(2, subgraphs), _offset(3, note),
         _offset(4, buffers_vector)],
    )  # fmt: skip
    builder.Finish(model, IDENTIFIER)
    return bytes(builder.Output())


def _buffer(builder, data: np.ndarray | None) -> int:
    if data is None:
        return _table(builder, 1, [])
    raw = data.astype(data.dtype.newbyteorder("<")).tobytes()
    builder.StartVector(1, len(raw), ALIGNMENT)
    builder.head -= len(raw)  # like CreateByteVector, which has a smaller alignment
    builder.Bytes[builder.head : builder.head + len(raw)] = raw
    return _table(builder, 1, [_offset(0, builder.EndVector())])


def _tensor(builder, tensor: FileTensor, buffer: int) -> int:
    name, shape = builder.CreateString(tensor.name), _integers(builder, tensor.shape)
    fields = [_offset(0, shape), _number(1, "Int8", TYPES[tensor.dtype]), _number(2, "Uint32", buffer)]
    fields.append(_offset(3, name))
    if tensor.scales is not None:
        fields.append(_offset(4, _quantization(builder, tensor)))
    return _table(builder, 5, fields)


def _quantization(builder, tensor: FileTensor) -> int:
    scales = builder.CreateNumpyVector(np.ascontiguousarray(tensor.scales, np.float32))
    zeros = builder.CreateNumpyVector(np.full(len(tensor.scales), tensor.zero_point, np.int64))
    return _table(builder, 7, [_offset(2, scales), _offset(3, zeros), _number(6, "Int32", tensor.axis)])


def _operator(builder, operator: FileOperator, code: int) -> int:
    kind = operator.kind
    inputs, outputs = _integers(builder, operator.inputs), _integers(builder, operator.outputs)
    fields = [_number(0, "Uint32", code), _offset(1, inputs), _offset(2, outputs)]
    if kind.options_type:
        known = dict(kind.options)
        values = [
            _number(known[name].slot, known[name].type, value, known[name].default)
            for name, value in operator.options.items()
        ]
        options = _table(builder, 1 + max((option.slot for option in known.values()), default=0), values)
        fields += [_number(3, "Uint8", kind.options_type), _offset(4, options)]
    return _table(builder, 5, fields)


def _code(builder, kind: Kind) -> int:
    older = _number(0, "Int8", min(kind.code, MAX_BYTE_CODE))
    return _table(builder, 4, [older, _number(2, "Int32", kind.version, 1), _number(3, "Int32", kind.code)])


# -- flatbuffers -----------------------------------------------------------------------------------------------------

Field = Callable[[object], None]


def _number(slot: int, kind: str, value: int, default: int = 0) -> Field:
    return lambda builder: getattr(builder, f"Prepend{kind}Slot")(slot, value, default)


def _offset(slot: int, offset: int) -> Field:
    return lambda builder: builder.PrependUOffsetTRelativeSlot(slot, offset, 0)


def _table(builder, slots: int, fields: Sequence[Field]) -> int:
    builder.StartObject(slots)
    for put in fields:
        put(builder)
    return builder.EndObject()


def _offsets(builder, offsets: Sequence[int]) -> int:
    builder.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        builder.PrependUOffsetTRelative(offset)
    return builder.EndVector()


def _integers(builder, values: Sequence[int]) -> int:
    return builder.CreateNumpyVector(np.asarray(values, np.int32))
