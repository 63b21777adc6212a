"""How near the integer operators come to onnxruntime, each fed onnxruntime's own integers.

onnxruntime computes a QDQ graph in float when it is not allowed to merge operators, and rounds where the graph says so.
That is what is compared with, as it gives the integers of every layer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import helper

from sezoo.deployment.engine.integer_graph import IntegerGraph, Site
from sezoo.deployment.engine.interpreter import run_graph, run_operator
from sezoo.models.onnx_graph import copied
from sezoo.models.onnx_session import open_session
from sezoo.results.deployment import OperatorAgreement

__all__ = ["Agreement", "agreement"]


@dataclass(frozen=True)
class Agreement:
    """All operators, and the mask from end to end.

    Attributes
    ----------
    mean_mask_difference : of the whole network's, without a sign.
    """

    operators: tuple[OperatorAgreement, ...]
    mean_mask_difference: float

    @property
    def share(self) -> float:
        """Of all integers, how many differ."""
        return sum(each.differing for each in self.operators) / max(1, sum(each.values for each in self.operators))

    @property
    def largest(self) -> int:
        """The largest difference in steps."""
        return max((each.largest for each in self.operators), default=0)


def agreement(graph: IntegerGraph, model: onnx.ModelProto, patches: Sequence[np.ndarray]) -> Agreement:
    """Compare with onnxruntime on patches of magnitudes, each (bins, frames) float32."""
    whole = copied(model)
    rows = {site.name: site for site in graph.sites}
    (mask,) = (value.name for value in model.graph.output)
    whole.graph.output.extend(helper.make_empty_tensor_value_info(site) for site in rows if site != mask)
    session = open_session(whole, optimization="none")
    (source,) = (value.name for value in session.get_inputs())
    names = [mask, *(site for site in rows if site != mask)]
    counts = {operator.output.name: [0, 0, 0] for operator in graph.operators}
    distances = []
    for patch in patches:
        found = dict(zip(names, session.run(names, {source: patch[np.newaxis]}), strict=True))
        distances.append(np.abs(found[mask][0] - run_graph(graph, patch)).mean())
        theirs: dict[str, np.ndarray] = {}
        for name, site in rows.items():
            row = _rows_of(site, found[name], graph.frames)
            if row is not None:
                theirs.setdefault(site.tensor.name, row)
        for operator in graph.operators:
            if any(tensor.name not in theirs for tensor in operator.inputs):
                continue
            made = run_operator(operator, [theirs[tensor.name] for tensor in operator.inputs])
            expected = theirs.setdefault(operator.output.name, made)  # a rearrangement is no tensor of theirs
            difference = np.abs(made.astype(np.int32) - expected.astype(np.int32))
            count = counts[operator.output.name]
            count[0] += int(np.count_nonzero(difference))
            count[1] += difference.size
            count[2] = max(count[2], int(difference.max()))
    return Agreement(
        tuple(OperatorAgreement(name, *count) for name, count in counts.items()), float(np.mean(distances))
    )


def _rows_of(site: Site, integers: np.ndarray, frames: int) -> np.ndarray | None:
    """onnxruntime's integers as rows: (frames, items) int8 or int16; None where it has a part of them alone."""
    size = frames * site.tensor.items
    items = site.items.ravel()
    there = items < size  # a convolution that is padded for more frames than are kept makes them all
    row, is_known = np.zeros(size, np.int8 if site.tensor.bits == 8 else np.int16), np.zeros(size, bool)
    row[items[there]] = integers.ravel()[there].astype(np.int32) - site.offset
    is_known[items[there]] = True
    return row.reshape(frames, -1) if is_known.all() else None
