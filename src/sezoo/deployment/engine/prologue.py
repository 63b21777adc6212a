"""The float front end in numpy: from the magnitudes of a frame to the integer inputs of the network.

Its steps need no mathematics library on the chip: arithmetic, square roots, and powers and logarithms by polynomials.
The C package computes them with the same float32 operations in the same order.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping, Sequence

import numpy as np

from sezoo.deployment.engine.integer_graph import FloatStep
from sezoo.deployment.engine.tensor import Tensor

__all__ = [
    "BINARY",
    "INPUT_ROWS",
    "KINDS",
    "UNARY",
    "exp2_of",
    "log2_of",
    "quantize_magnitudes",
    "rows_of",
    "run_prologue",
]

F = np.float32

LOG2_COEFFICIENTS = tuple(
    F(value)
    for value in (
        *(2.8853900817779268, 0.9617966939259756, 0.5770780163555854, 0.4121985831111324),
        *(0.3205988979753252, 0.2623081892525388),
    )
)
"""Coefficients of z, z^3, z^5 ... with z = (m - 1) / (m + 1): 2 atanh(z) / ln 2 (Abramowitz and Stegun, 4.1.27)."""

EXP2_COEFFICIENTS = tuple(
    F(value)
    for value in (
        *(1.0, 0.6931471805599453, 0.2402265069591007, 0.05550410866482158, 0.009618129107628477),
        *(0.0013333558146428443, 0.0001540353039338161, 1.525273380405984e-05),
    )
)
"""Coefficients of 1, f, f^2 ...: ln(2)^k / k!, for f between -1/2 and 1/2."""

SMALLEST = F(1.1754944e-38)
"""Smallest normal float32; logarithms of smaller values are its logarithm."""


def log2_of(x: np.ndarray) -> np.ndarray:
    """Return log2 of positive float32 values, with an error of about 1e-7 * (1 + |log2 x|); x is at least 2^-126."""
    bits = np.maximum(x, SMALLEST).astype(F).view(np.int32)
    # The offset carries into the exponent, so that the mantissa is in sqrt(1/2)..sqrt(2), and z is small.
    exponent = (bits - np.int32(0x3F3504F3)) >> 23
    mantissa = (bits - (exponent << 23)).view(F)
    z = ((mantissa - F(1)) / (mantissa + F(1))).astype(F)
    square = z * z
    total = np.full_like(z, LOG2_COEFFICIENTS[-1])
    for coefficient in LOG2_COEFFICIENTS[-2::-1]:
        total = total * square + coefficient
    return total * z + exponent.astype(F)


def exp2_of(x: np.ndarray) -> np.ndarray:
    """Return 2 to the power of float32 values, clipped to -126..127, with a relative error of about 1e-7."""
    x = np.clip(x, F(-126), F(127))
    whole = np.rint(x)
    fraction = x - whole
    total = np.full_like(fraction, EXP2_COEFFICIENTS[-1])
    for coefficient in EXP2_COEFFICIENTS[-2::-1]:
        total = total * fraction + coefficient
    return total * ((whole.astype(np.int32) + np.int32(127)) << 23).view(F)


def _pow(x: np.ndarray, exponent: np.ndarray) -> np.ndarray:
    """Return x to a positive power; 0 for x <= 0."""
    return np.where(x > 0, exp2_of(log2_of(x) * exponent), F(0))


def _log(x: np.ndarray) -> np.ndarray:
    return log2_of(x) * F(0.6931471805599453)


UNARY = {
    "sqrt": np.sqrt,
    "log": _log,
    "exp": lambda x: exp2_of(x * F(1.4426950408889634)),
    "abs": np.abs,
    "neg": np.negative,
    "round": np.rint,
    "relu": lambda x: np.maximum(x, F(0)),
}
BINARY = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "div": np.divide,
    "max": np.maximum,
    "min": np.minimum,
    "pow": _pow,
}
KINDS = (*UNARY, *BINARY, "mean", "peak", "gather", "quantize", "dequantize")
"""Kinds of steps; the second operand of `pow` is a constant, and only `peak` reads more than one frame."""


INPUT_ROWS = ("magnitude", "spectrum")
"""Names of the input row of a frame."""


def quantize_magnitudes(values: np.ndarray, tensor: Tensor) -> np.ndarray:
    """Quantize as ONNX's QuantizeLinear: divide by the scale, round half to even, saturate."""
    steps = np.rint(values / tensor.scale) + F(tensor.zero_point)
    return np.clip(steps, tensor.low, tensor.high).astype(np.int8 if tensor.bits == 8 else np.int16)


def rows_of(spectrum: np.ndarray) -> np.ndarray:
    """Return (bins, frames) float32 as (frames, bins), or complex64 as (frames, 2 bins) float32, real parts first."""
    parts = [spectrum.real, spectrum.imag] if np.iscomplexobj(spectrum) else [spectrum]
    return np.ascontiguousarray(np.concatenate(parts).T, F)


def _mean(rows: np.ndarray) -> np.ndarray:
    """Return the mean over items, (frames, items) to (frames, 1), summed in order as in C."""
    total = np.zeros((len(rows), 1), F)
    for item in range(rows.shape[1]):
        total += rows[:, item : item + 1]
    return total * (F(1) / F(rows.shape[1]))


def _peak(step: FloatStep, rows: np.ndarray, float_history: MutableMapping[str, np.ndarray]) -> np.ndarray:
    """Return the running maximum of each item over the window that ends at each frame: (frames, items)."""
    before = float_history.get(step.output, np.zeros((step.window - 1, step.items), F))
    there = np.concatenate([before, rows])
    float_history[step.output] = there[len(rows) :]
    return np.lib.stride_tricks.sliding_window_view(there, step.window, axis=0).max(axis=-1)


def run_prologue(
    steps: Sequence[FloatStep], magnitude: np.ndarray, float_history: MutableMapping[str, np.ndarray] | None = None
) -> Mapping[str, np.ndarray]:
    """Compute the integer inputs of the network.

    Parameters
    ----------
    magnitude : (frames, bins) float32, or real and imaginary parts in the layout of `rows_of`.
    float_history : a stream's floats of earlier frames, initially empty, which the call updates; None for a patch.

    Returns
    -------
    entries : (frames, items) int8 or int16, by the tensors' names
    """
    rows: dict[str, np.ndarray] = dict.fromkeys(INPUT_ROWS, magnitude)
    integers: dict[str, np.ndarray] = {}
    for step in steps:
        if step.kind == "quantize":
            integers[step.output] = quantize_magnitudes(rows[step.inputs[0]], step.tensor)
        elif step.kind == "dequantize":
            whole = integers[step.inputs[0]].astype(F) - F(step.tensor.zero_point)
            rows[step.output] = whole * step.tensor.scale
        elif step.kind == "gather":
            rows[step.output] = np.concatenate([rows[name] for name in step.inputs], axis=1)[:, step.index]
        elif step.kind == "mean":
            rows[step.output] = _mean(rows[step.inputs[0]])
        elif step.kind == "peak":
            rows[step.output] = _peak(step, rows[step.inputs[0]], {} if float_history is None else float_history)
        elif step.kind in UNARY:
            rows[step.output] = UNARY[step.kind](rows[step.inputs[0]]).astype(F, copy=False)
        else:
            operands = [rows[name] for name in step.inputs]
            if step.constant is not None:
                operands.insert(0 if step.first else 1, step.constant[np.newaxis])
            with np.errstate(divide="ignore"):  # a negative power of silence is infinite, as in C
                rows[step.output] = BINARY[step.kind](*operands).astype(F, copy=False)
    return integers
