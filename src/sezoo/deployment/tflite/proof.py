"""Verification of a .tflite file in LiteRT (extra `litert`) against numpy's integers.

LiteRT's reference kernels are those of TensorFlow Lite Micro. Its default kernels (XNNPACK) round once, like
onnxruntime.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable, Iterator

import numpy as np

from sezoo.base.errors import UserError
from sezoo.deployment.tflite.lowering import LoweredGraph
from sezoo.deployment.tflite.vectors import Vectors, run_calls

__all__ = ["check_integers", "has_litert", "litert_outputs"]


def has_litert() -> bool:
    """Return whether LiteRT is installed."""
    return importlib.util.find_spec("ai_edge_litert") is not None


def litert_outputs(data: bytes, low: LoweredGraph, vectors: Vectors, *, reference: bool = True) -> Iterator[np.ndarray]:
    """Yield the integers of LiteRT's output for each call of the vectors.

    Parameters
    ----------
    reference : whether to use the reference kernels instead of the default ones.

    Raises
    ------
    UserError : LiteRT rejects the file.
    """
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    kernels = OpResolverType.BUILTIN_REF if reference else OpResolverType.BUILTIN
    try:
        interpreter = Interpreter(model_content=data, experimental_op_resolver_type=kernels)
        interpreter.allocate_tensors()
    except (RuntimeError, ValueError) as error:
        raise UserError(f"LiteRT refuses the .tflite file: {str(error).splitlines()[0]}") from error
    inputs, outputs = interpreter.get_input_details(), interpreter.get_output_details()

    def run(given: list[np.ndarray]) -> list[np.ndarray]:
        for there, integers in zip(inputs, given, strict=True):
            interpreter.set_tensor(there["index"], integers)
        interpreter.invoke()
        return [interpreter.get_tensor(each["index"]) for each in outputs]

    return run_calls(run, low, vectors)


def check_integers(name: str, outputs: Iterable[np.ndarray], vectors: Vectors) -> int:
    """Compare an interpreter's integers with numpy's; return the number of integers compared.

    Parameters
    ----------
    name : name of the interpreter, for the message.
    outputs : output of each call.

    Raises
    ------
    UserError : some integers differ.
    """
    compared = 0
    for call, (made, expected) in enumerate(zip(outputs, vectors.outputs, strict=True)):
        if call < vectors.first_output:
            continue
        if wrong := int(np.count_nonzero(made != expected)):
            raise UserError(
                f"{name}: {wrong} of {made.size} integers differ from numpy's in call {call} of the test vectors: "
                "this is a fault of sezoo's, please report it with the model"
            )
        compared += made.size
    return compared
