"""A written file run by LiteRT itself, which is there with the extra `litert`: do its integers equal numpy's?

LiteRT's reference kernels are those of TensorFlow Lite Micro. Its default kernels (XNNPACK) round once, as onnxruntime.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator

import numpy as np

from sezoo.base.errors import UserError
from sezoo.deployment.tflite.lowering import Lowered, StateTensor
from sezoo.deployment.tflite.vectors import Vectors

__all__ = ["check_with_litert", "has_litert", "litert_outputs"]


def has_litert() -> bool:
    """Whether the package is installed."""
    return importlib.util.find_spec("ai_edge_litert") is not None


def litert_outputs(data: bytes, low: Lowered, vectors: Vectors, *, reference: bool = True) -> Iterator[np.ndarray]:
    """What LiteRT makes of the vectors' inputs: the integers of each call's output.

    Parameters
    ----------
    reference : by the reference kernels, else by the default ones.

    Raises
    ------
    UserError : LiteRT refuses the file.
    """
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    kernels = OpResolverType.BUILTIN_REF if reference else OpResolverType.BUILTIN
    try:
        interpreter = Interpreter(model_content=data, experimental_op_resolver_type=kernels)
        interpreter.allocate_tensors()
    except (RuntimeError, ValueError) as error:
        raise UserError(f"LiteRT refuses the .tflite file: {str(error).splitlines()[0]}") from error
    inputs, outputs = interpreter.get_input_details(), interpreter.get_output_details()
    states = [np.full(state.shape, state.tensor.zero_point, np.int8) for state in low.states]
    for call, (entries, expected) in enumerate(zip(vectors.inputs, vectors.outputs, strict=True)):
        for there, integers in zip(inputs, (*entries, *states), strict=True):
            interpreter.set_tensor(there["index"], integers.reshape(there["shape"]))
        interpreter.invoke()
        made, *kept = (interpreter.get_tensor(each["index"]) for each in outputs)
        states = [_begun(state, rows, call) for state, rows in zip(low.states, kept, strict=True)]
        yield made.reshape(expected.shape)


def _begun(state: StateTensor, rows: np.ndarray, call: int) -> np.ndarray:
    """Rows of a stream after a call of one frame: those of frames before the clip are zero."""
    before = min(state.rows, max(0, state.rows - 1 + state.lag - call))
    rows = rows.copy()
    rows[:, :before] = state.tensor.zero_point
    return rows


def check_with_litert(data: bytes, low: Lowered, vectors: Vectors) -> int:
    """Compare LiteRT's reference kernels with numpy: how many integers were compared.

    Raises
    ------
    UserError : LiteRT refuses the file, or gives other integers.
    """
    compared = 0
    for call, (made, expected) in enumerate(zip(litert_outputs(data, low, vectors), vectors.outputs, strict=True)):
        if call < vectors.first_output:
            continue
        if wrong := int(np.count_nonzero(made != expected)):
            raise UserError(
                f"LiteRT's reference kernels give {wrong} of {made.size} integers that differ from numpy's in call "
                f"{call} of the test vectors: this is a fault of sezoo's, please report it with the model"
            )
        compared += made.size
    return compared
