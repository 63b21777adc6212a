"""A float graph with other operators in the place of those that have no integer form of their own."""

from __future__ import annotations

from collections.abc import Collection

import onnx

from sezoo.models.onnx_graph import copy_model, opset_of
from sezoo.quantization.graph import (
    as_convolutions,
    as_other_operators,
    attention,
    einsum,
    grouped_products,
    norms,
    products,
    reductions,
    rows_apart,
    selections,
)
from sezoo.quantization.graph.linear_layers import behind_layers
from sezoo.quantization.graph.preparation import with_known_shapes
from sezoo.quantization.graph.rewriting import rewrite

__all__ = ["ACTIVATIONS_ALONE", "nodes_before_layers", "with_integer_forms", "with_scales_of_channels"]

ACTIVATIONS_ALONE = frozenset({"PRelu", "Sub", "Max", "Min", "LayerNormalization", "InstanceNormalization"})
"""Operators behind layers whose activations are rounded; constants of theirs stay in float, as kernels have them."""


FIRST = attention.FORMS + einsum.FORMS + grouped_products.FORMS + rows_apart.FORMS + reductions.FORMS + selections.FORMS
"""What they write other forms are for."""


def with_integer_forms(
    model: onnx.ModelProto, kept: Collection[str] = (), *, opset_is_fixed: bool = False
) -> onnx.ModelProto:
    """A model that computes the same masks, of operators that integer kernels have.

    Parameters
    ----------
    model : float, with known shapes and node names.
    kept : names of nodes to leave as they are.
    opset_is_fixed : whether an older opset than that of LayerNormalization has to stay.
    """
    opset = opset_of(model)
    forms = as_convolutions.FORMS + as_other_operators.FORMS
    if opset >= norms.OPSET or not opset_is_fixed:
        forms = norms.FORMS + forms
    written = rewrite(rewrite(model, FIRST, kept), forms, kept)
    if opset < norms.OPSET and any(node.op_type == "LayerNormalization" for node in written.graph.node):
        written = copy_model(written)
        for entry in written.opset_import:
            if entry.domain in ("", "ai.onnx"):
                entry.version = norms.OPSET
        written = with_known_shapes(written)
    return rewrite(written, products.FORMS, kept)


def with_scales_of_channels(model: onnx.ModelProto, kept: Collection[str] = ()) -> onnx.ModelProto:
    """A model that computes the same masks, whose layers can have a scale for each channel of their weights.

    Those that cannot are transposed convolutions in groups: the axis of their weights is that of the channels of one
    group. As convolutions they can.

    Parameters
    ----------
    model, kept : as for `with_integer_forms`.
    """
    return rewrite(model, as_convolutions.FORMS_IN_GROUPS, kept)


def nodes_before_layers(model: onnx.ModelProto, op_types: Collection[str]) -> frozenset[str]:
    """Names of the nodes of these types that no layer with weights comes before; those can be left in float."""
    behind = behind_layers(model.graph)
    return frozenset(
        node.name for node in model.graph.node if node.op_type in op_types and not behind & set(node.output)
    )
