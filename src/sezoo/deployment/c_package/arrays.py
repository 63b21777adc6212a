"""Arrays and numbers as C source."""

from __future__ import annotations

import numpy as np

from sezoo.base.foreign_text import escape
from sezoo.deployment.engine.tensor import ROW, padded

__all__ = [
    "TOGETHER",
    "c_array",
    "c_comment",
    "c_float",
    "depthwise_weights",
    "matrix_array",
    "matrix_weights",
    "padded_outputs",
]

COLUMNS = 120

TOGETHER = 4
"""Number of a matrix's outputs whose weights are interleaved."""

LAYER_SUFFIXES = ("_weights", "_bias", "_multiplier")
"""Suffixes of the names of arrays that belong to a single layer."""


def c_comment(text: str) -> str:
    """Return a C comment, with the model's names escaped."""
    return f"/* {escape(text, 'c')} */"


def c_float(value: float) -> str:
    """Return a float32 as an exact (hexadecimal) C literal."""
    value = float(np.float32(value))
    if not np.isfinite(value):
        raise ValueError(f"{value} has no C literal")
    return f"{value.hex()}f"


def c_array(name: str, values: np.ndarray, *, comment: str = "") -> str:
    """Return the definition of a constant array.

    int8 values are written as 32-bit words, which compile eight times as fast: the array is NAME_words, and NAME a
    macro that points to the bytes. Arrays of layers and shared arrays can be placed in different sections, see
    sezoo_model.h.
    """
    section = "SEZOO_WEIGHTS" if name.endswith(LAYER_SUFFIXES) else "SEZOO_TABLES"
    values = np.ascontiguousarray(values).ravel()
    note = f"{c_comment(comment)}\n" if comment else ""
    if values.dtype == np.int8:
        words = np.pad(values, (0, -len(values) % 4)).view("<u4")
        texts = [f"0x{word:08X}" for word in words]
        head = f"static const uint32_t {name}_words[{len(words)}] {section} = {{\n"
        return f"{note}{head}{_wrap(texts)}}};\n#define {name} ((const int8_t *)(const void *){name}_words)\n"
    if values.dtype == np.float32:
        kind, texts = "float", [c_float(value) for value in values]
    else:
        kind, texts = (
            {"int32": "int32_t", "uint16": "uint16_t", "int16": "int16_t"}[values.dtype.name],
            [str(value) for value in values],
        )
    return f"{note}static const {kind} {name}[{len(values)}] {section} = {{\n{_wrap(texts)}}};\n"


def _wrap(texts: list[str]) -> str:
    a_line = max(1, COLUMNS // (max(len(text) for text in texts) + 2))
    lines = (texts[first : first + a_line] for first in range(0, len(texts), a_line))
    return "".join(f"    {', '.join(line)},\n" for line in lines)


def matrix_array(name: str, weights: np.ndarray) -> str:
    """Return the definition of matrix weights; a macro of sezoo_weights.h puts them in the order of the kernels.

    Parameters
    ----------
    weights : weights in the order of `matrix_weights`.
    """
    blocks = np.ascontiguousarray(weights).view("<u4").reshape(-1, TOGETHER * ROW // 4)
    lines = [f"    SEZOO_BLOCK({', '.join(f'0x{word:08X}' for word in block)}),\n" for block in blocks]
    return (
        f"static const uint32_t {name}_words[{blocks.size}] SEZOO_WEIGHTS = {{\n{''.join(lines)}}};\n"
        f"#define {name} ((const int8_t *)(const void *){name}_words)\n"
    )


def padded_outputs(values: np.ndarray) -> np.ndarray:
    """Return (groups, outputs) padded with zeros to a multiple of four outputs, which are computed four at a time."""
    return np.pad(values, ((0, 0), (0, -values.shape[1] % TOGETHER)))


def matrix_weights(weights: np.ndarray) -> np.ndarray:
    """Return the weights in the order in which a matrix product reads them.

    Parameters
    ----------
    weights : (groups, outputs, pieces, size of a piece) int8

    Returns
    -------
    ordered : (groups, outputs / 4, depth / 16, 4, 16) int8, padded with zeros; `depth` is that of all pieces.
    """
    groups, outputs, pieces, size = weights.shape
    whole = np.zeros((groups, outputs + -outputs % TOGETHER, pieces, padded(size)), np.int8)
    whole[:, :outputs, :, :size] = weights
    steps = pieces * padded(size) // ROW
    return whole.reshape(groups, -1, TOGETHER, steps, ROW).transpose(0, 1, 3, 2, 4)


def depthwise_weights(weights: np.ndarray) -> np.ndarray:
    """Return weights (channels, 1, taps, kernel, 1) int8 as (taps, kernel, channels padded to 16)."""
    ordered = weights[:, 0, :, :, 0].transpose(1, 2, 0)
    return np.pad(ordered, ((0, 0), (0, 0), (0, padded(len(weights)) - len(weights))))
