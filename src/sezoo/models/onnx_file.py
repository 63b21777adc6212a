"""An ONNX file: reading it, and what its graph declares."""

from __future__ import annotations

from pathlib import Path

import onnx
from google.protobuf.message import DecodeError

from sezoo.base.errors import UserError
from sezoo.base.git_lfs import LFS_POINTER, is_lfs_pointer
from sezoo.base.shipped import did_you_mean_model
from sezoo.models.frames_last import with_frames_last
from sezoo.models.onnx_checks import check_declarations
from sezoo.models.onnx_graph import drop_inner_shapes
from sezoo.models.onnx_tensor_checks import check_tensors, holds_external_data
from sezoo.models.onnx_valid_graph import with_valid_graph

__all__ = ["bytes_of", "graph_inputs", "load_configured", "load_onnx", "quantized_nodes"]

QUANTIZED_OPERATORS = {
    *("QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear"),
    *("ConvInteger", "MatMulInteger", "QLinearConv", "QLinearMatMul", "QLinearAdd", "QGemm"),
}

MAX_BYTES = 2**31
"""Of a file: protobuf reads no more. Larger weights are in files of their own."""


def load_onnx(path: Path) -> onnx.ModelProto:
    """Read an ONNX file, and check it; all models come in by this door.

    Raises
    ------
    UserError : there is no such file, it is not an ONNX model, or it is broken, too large, or never ends.
    """
    if path.is_dir():
        raise UserError(f"{path} is a folder; an ONNX file is needed")
    if not path.is_file():
        raise UserError(f"there is no model {path}{did_you_mean_model(path)}")
    if path.stat().st_size > MAX_BYTES:
        raise UserError(f"{path} has {path.stat().st_size / 2**30:.1f} GiB; ONNX files end at 2 GiB")
    try:
        if is_lfs_pointer(path):
            raise UserError(f"{path}: {LFS_POINTER}")
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror or error}") from error
    try:
        model = onnx.load_from_string(content, format="protobuf")
        check_declarations(model, path)
        if holds_external_data(model):
            onnx.load_external_data_for_model(model, str(path.parent))
            check_tensors(model, path)
        if not quantized_nodes(model):  # of an int8 model they are our own
            drop_inner_shapes(model)
        return with_frames_last(with_valid_graph(model, path))
    except (DecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is not an ONNX model (or is damaged): it cannot be parsed") from error
    except RecursionError as error:
        raise UserError(f"{path}: its graphs are nested too deeply") from error
    except MemoryError as error:
        raise UserError(f"{path}: there is not enough memory to read it") from error
    except (OSError, ValueError, onnx.checker.ValidationError) as error:
        raise UserError(f"{path}: its external data cannot be read: {str(error).splitlines()[0]}") from error


def bytes_of(path: Path) -> int:
    """The size of a model, with the weights that lie in files of their own."""
    model = onnx.load(path, format="protobuf", load_external_data=False)
    names = {
        entry.value
        for tensor in model.graph.initializer if tensor.data_location == onnx.TensorProto.EXTERNAL
        for entry in tensor.external_data if entry.key == "location"
    }  # fmt: skip
    return path.stat().st_size + sum((path.parent / name).stat().st_size for name in names)


def load_configured(path: Path) -> onnx.ModelProto:
    """Read the file of `model.onnx_path`; errors as for `load_onnx`, and the key with a file that is not there."""
    if path.is_dir():
        raise UserError(f"model.onnx_path: {path} is a folder; an ONNX file is needed")
    if not path.is_file():
        where = f"the working directory is {Path.cwd()}"
        raise UserError(f"model.onnx_path: there is no file {path} ({where}){did_you_mean_model(path)}")
    return load_onnx(path)


def quantized_nodes(model: onnx.ModelProto) -> int:
    """Return the number of the graph's nodes that quantize or compute in integers."""
    return sum(node.op_type in QUANTIZED_OPERATORS for node in model.graph.node)


def graph_inputs(model: onnx.ModelProto) -> list[onnx.ValueInfoProto]:
    """The graph's inputs without the weights, which old exporters list among them."""
    weights = {weight.name for weight in model.graph.initializer}
    return [value for value in model.graph.input if value.name not in weights]
