"""The states that a model without a word about them seems to have."""

from __future__ import annotations

from collections.abc import Sequence

import onnx

from sezoo.models.onnx_file import graph_inputs
from sezoo.models.onnx_graph import axes_of
from sezoo.models.spectra import layout_of
from sezoo.models.states import can_be_of_one_shape, inputs_besides_states, outputs_besides_states, states_of

__all__ = ["guess_states", "unpaired_inputs"]


def guess_states(model: onnx.ModelProto) -> dict[str, str]:
    """Return the likely state pairs of a model: those in its metadata, and the remaining ones of equal shape.

    The spectrum is taken to be the first input of its axes (see `layout_of`), one whose frames are dynamic before
    others; names decide where shapes do not.
    """
    states = states_of(model)
    inputs, outputs = inputs_besides_states(model), outputs_besides_states(model)
    if len(inputs) < 2:
        return states
    magnitudes = _likely_spectrum(inputs)
    mask = max((value for value in outputs if can_be_of_one_shape(magnitudes, value)), key=_says_mask, default=None)
    pairs = [
        (-_have_equal_ends(source.name, target.name), place, source.name, target.name)
        for place, source in enumerate(inputs)
        for target in outputs
        if source is not magnitudes and target is not mask and can_be_of_one_shape(source, target)
    ]
    found: dict[str, str] = {}
    for _, _, source, target in sorted(pairs):
        if source not in found and target not in found.values():
            found[source] = target
    in_order = {value.name: found[value.name] for value in inputs if value.name in found}
    return {**states, **in_order}


def unpaired_inputs(model: onnx.ModelProto) -> list[onnx.ValueInfoProto]:
    """Inputs, besides the one that is likely to be the spectrum, for which no output of their shape is left."""
    likely = guess_states(model)
    left = [value for value in graph_inputs(model) if value.name not in likely]
    return [value for value in left if value is not _likely_spectrum(left)]


def _likely_spectrum(inputs: Sequence[onnx.ValueInfoProto]) -> onnx.ValueInfoProto:
    spectra = [value for value in inputs if layout_of(axes_of(value)) is not None]
    return min(spectra or inputs, key=_likely_place)


def _likely_place(value: onnx.ValueInfoProto) -> tuple[bool, bool]:
    """Return a sort key that puts the likely spectrum first: dynamic frames, then real and imaginary parts."""
    axes = axes_of(value) or [0]
    layout = layout_of(axes)
    return isinstance(axes[-1 if layout is None else layout.frames], int), layout is None or not layout.is_complex


def _says_mask(value: onnx.ValueInfoProto) -> bool:
    return "mask" in value.name.lower()


def _have_equal_ends(one: str, other: str) -> float:
    import difflib  # needed for guesses only

    return difflib.SequenceMatcher(None, one.lower(), other.lower()).ratio()
