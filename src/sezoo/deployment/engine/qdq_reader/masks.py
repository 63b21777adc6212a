"""The mask of a graph: a tensor, the item of each bin, and the function that makes numbers of its integers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sezoo.deployment.engine.qdq_reader.layouts import laid_out
from sezoo.deployment.engine.qdq_reader.nodes import UnsupportedError
from sezoo.deployment.engine.qdq_reader.tables import changes_zero, mask_points, mask_table
from sezoo.deployment.engine.qdq_reader.values import QuantizedView
from sezoo.deployment.engine.tensor import Tensor
from sezoo.models.spectra import Layout as Spectrum

if TYPE_CHECKING:
    from sezoo.deployment.engine.qdq_reader.reader import Reader

__all__ = ["mask_of"]


def mask_of(reader: Reader, output: str, spectrum: Spectrum) -> tuple[Tensor, np.ndarray, np.ndarray | None]:
    """Return the tensor of the mask, the item of each value, and the mask's table, if any.

    Raises
    ------
    UnsupportedError : what the network gives is no int8 tensor, or no one function of one.
    """
    value = reader.values.get(output)
    if not isinstance(value, QuantizedView):
        raise UnsupportedError(f"the mask '{output}' is neither an int8 tensor nor a function of one")
    result, index = _tensor(reader, value, output, spectrum)
    functions = value.sources[0].functions
    if result.bits != 8:
        return result, index, mask_points(functions, result, reader.opset) if functions else None
    return result, index, mask_table(functions, value.sources[0].tensor, reader.opset)


def _tensor(reader: Reader, value: QuantizedView, name: str, spectrum: Spectrum) -> tuple[Tensor, np.ndarray]:
    """Return a tensor with all items of the mask, and the item of each bin, or of each real then imaginary part."""
    layout = laid_out(value, reader.frames, f"the mask '{name}'")
    zeros = (layout.row < 0).any()  # of bins that the network leaves out
    functions = value.sources[0].functions
    if layout.before or layout.after or (zeros and changes_zero(functions, reader.opset)):
        raise UnsupportedError(
            f"the mask '{name}' reads zeros that a Pad put there; put the Pad before the last function"
        )
    order = layout.row[0] if spectrum.parts == 1 else layout.row[0].T
    order = order.ravel()
    if len(value.sources) == 1 and not zeros:
        return value.sources[0].tensor, order
    if len({tuple(map(id, source.functions)) for source in value.sources}) > 1:
        raise UnsupportedError(
            f"the mask '{name}' is put together of different functions of int8 tensors; apply one function behind "
            "the Concat"
        )
    row = reader.row(value, order, f"{name}/row")
    return row, np.arange(row.items)
