"""An ONNX file: reading it, and what its graph declares."""

from __future__ import annotations

from pathlib import Path

import onnx
from google.protobuf.message import DecodeError

from sezoo.errors import UserError

__all__ = ["axes_of", "graph_inputs", "load_configured", "load_onnx", "quantized_nodes"]

QUANTIZED_OPERATORS = {
    *("QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear"),
    *("ConvInteger", "MatMulInteger", "QLinearConv", "QLinearMatMul", "QLinearAdd", "QGemm"),
}


def load_onnx(path: Path) -> onnx.ModelProto:
    """Read an ONNX file.

    Raises
    ------
    UserError : there is no such file, or it is not an ONNX model.
    """
    if path.is_dir():
        raise UserError(f"{path} is a folder; an ONNX file is needed")
    if not path.is_file():
        raise UserError(f"there is no model {path}")
    try:
        model = onnx.load(path, format="protobuf")
    except (DecodeError, UnicodeDecodeError, ValueError) as error:
        raise UserError(f"{path} is not an ONNX model (or is damaged): it cannot be parsed") from error
    except (OSError, onnx.checker.ValidationError) as error:
        raise UserError(f"{path}: cannot be read: {str(error).splitlines()[0]}") from error
    if not model.graph.node or not model.opset_import:
        raise UserError(f"{path} is not an ONNX model: it has no operators")
    return model


def load_configured(path: Path) -> onnx.ModelProto:
    """Read the file of `model.onnx_path`; errors as for `load_onnx`, and the key with a file that is not there."""
    if path.is_dir():
        raise UserError(f"model.onnx_path: {path} is a folder; an ONNX file is needed")
    if not path.is_file():
        raise UserError(f"model.onnx_path: there is no file {path} (the working directory is {Path.cwd()})")
    return load_onnx(path)


def quantized_nodes(model: onnx.ModelProto) -> int:
    """How many of the graph's nodes quantize or work on integers."""
    return sum(node.op_type in QUANTIZED_OPERATORS for node in model.graph.node)


def graph_inputs(model: onnx.ModelProto) -> list[onnx.ValueInfoProto]:
    """The graph's inputs without the weights, which old exporters list among them."""
    weights = {weight.name for weight in model.graph.initializer}
    return [value for value in model.graph.input if value.name not in weights]


def axes_of(value: onnx.ValueInfoProto) -> list[str | int] | None:
    """The axes of a tensor: a length, or the name of a dynamic axis ("" if it has none); None if unknown."""
    tensor = value.type.tensor_type
    if not tensor.HasField("shape"):
        return None
    return [dim.dim_value if dim.HasField("dim_value") else dim.dim_param for dim in tensor.shape.dim]
