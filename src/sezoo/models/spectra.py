"""Kinds of model inputs and outputs: magnitudes and a mask, or real and imaginary parts.

Everything but the call of the model itself knows one shape, (batch, bins, frames): magnitudes in float32, complex
spectra and masks in complex64. A `Layout` says where the model has these axes, and where the two parts of a number.

What a model is, if its axes do not say it, is carried in the ONNX file, in its metadata under the key "kind".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, get_args

import numpy as np
import onnx

from sezoo.config.name_types import ModelKind
from sezoo.models.onnx_graph import copy_model, metadata_of, set_metadata

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "COMPLEX_MASK",
    "COMPLEX_SPECTRUM",
    "KIND_KEY",
    "LOUDER",
    "MAGNITUDES",
    "MAGNITUDE_MASK",
    "TRIAL_SHAPES",
    "Layout",
    "apply_output",
    "grows_with",
    "kind_by_name",
    "kind_problem",
    "layout_of",
    "parse_kind",
    "random_input",
    "trial_magnitudes",
    "with_kind",
]

MAGNITUDE_MASK, COMPLEX_MASK, COMPLEX_SPECTRUM = KINDS = get_args(ModelKind)

KIND_KEY = "kind"
"""Of the metadata."""

CONFIG_KEY = "model.kind"

LOUDER = 1000.0
"""How much louder a spectrum is made to see whether a model's output grows with it."""


@dataclass(frozen=True)
class Layout:
    """The places of a tensor's axes; `parts`, real and imaginary, is None where it has magnitudes."""

    bins: int
    frames: int
    parts: int | None = None

    @property
    def is_complex(self) -> bool:
        """Whether there are two numbers for each bin."""
        return self.parts is not None

    def given(self, values: np.ndarray) -> np.ndarray:
        """Return the model's input for (batch, bins, frames): float32 unchanged, complex64 as two parts."""
        if self.parts is None:
            return values
        # A view of the two float32 that a complex64 is made of, in the last axis.
        parts = np.ascontiguousarray(values, np.complex64).view(np.float32).reshape(*values.shape, 2)
        return parts if self.parts == 3 else np.ascontiguousarray(np.moveaxis(parts, 3, 1))

    def taken(self, values: np.ndarray) -> np.ndarray:
        """Return a model's output as (batch, bins, frames), the inverse of `given`."""
        if self.parts is None or values.ndim != 4 or values.shape[self.parts] != 2:
            return values
        parts = np.ascontiguousarray(values if self.parts == 3 else np.moveaxis(values, 1, 3), np.float32)
        return parts.view(np.complex64)[..., 0]

    def axes(self, batch: object, bins: object, frames: object) -> list[object]:
        """The axes of a tensor in this layout."""
        placed = {0: batch, self.bins: bins, self.frames: frames}
        if self.parts is not None:
            placed[self.parts] = 2
        return [placed[place] for place in range(len(placed))]


MAGNITUDES = Layout(1, 2)
TRIAL_SHAPES = ((1, 24), (2, 37))
"""Batch and frames of the clips that a network is tried with."""

PARTS_LAST, PARTS_FIRST = Layout(1, 2, 3), Layout(2, 3, 1)


def layout_of(axes: Sequence[object] | None) -> Layout | None:
    """Return the layout of a spectrum with these axes: (batch, bins, frames), with 2 parts last or after the batch.

    None where it holds none. The number of bins has to be known where there are parts.
    """
    if axes is None or len(axes) not in (3, 4):
        return None
    if len(axes) == 3:
        return MAGNITUDES
    for layout in (PARTS_LAST, PARTS_FIRST):
        if axes[layout.parts] == 2 and isinstance(axes[layout.bins], int) and axes[layout.bins] > 2:
            return layout
    return None


def random_input(seed: int, shape: tuple[int, int, int], layout: Layout = MAGNITUDES) -> np.ndarray:
    """Random magnitudes from 0 to 1, or spectra of such magnitudes: (batch, bins, frames)."""
    rng = np.random.default_rng(seed)
    magnitude = rng.random(shape, np.float32)
    if not layout.is_complex:
        return magnitude
    return (magnitude * np.exp(2j * np.pi * rng.random(shape))).astype(np.complex64)


def trial_magnitudes(bins: int) -> Iterator[np.ndarray]:
    """Random magnitudes that any network has to take: one clip, then two, (batch, bins, frames) float32."""
    for batch, frames in TRIAL_SHAPES:
        yield random_input(frames, (batch, bins, frames))


def apply_output(kind: str, spectrum: np.ndarray, output: np.ndarray) -> np.ndarray:
    """The enhanced spectrum, (bins, frames) complex64, from a noisy one and what a model gives for it."""
    return output.astype(np.complex64, copy=False) if kind == COMPLEX_SPECTRUM else spectrum * output


# -- what a model gives ------------------------------------------------------------------------------------


def parse_kind(metadata: Mapping[str, str]) -> str | None:
    """The kind in a model's metadata; None where it has none. Another tool may use the key for something else."""
    kind = metadata.get(KIND_KEY)
    return kind if kind in KINDS else None


def with_kind(model: onnx.ModelProto, kind: str | None) -> onnx.ModelProto:
    """The model carrying its kind; with None it is the argument itself."""
    if kind is None or parse_kind(metadata_of(model)) == kind:
        return model
    carrying = copy_model(model)
    set_metadata(carrying, KIND_KEY, kind)
    return carrying


def kind_problem(kind: str | None, layout: Layout, source: str, path: Path) -> str | None:
    """Why a model whose input has this layout cannot be of this kind, in one line; None if it can."""
    if kind is None or (kind != MAGNITUDE_MASK) == layout.is_complex:
        return None
    if layout.is_complex:
        return (
            f"{CONFIG_KEY}: found {kind}; input '{source}' of {path} takes real and imaginary parts; allowed: "
            f"{COMPLEX_MASK}, {COMPLEX_SPECTRUM}, or nothing"
        )
    return (
        f"{CONFIG_KEY}: found {kind}; input '{source}' of {path} has three axes, which are magnitudes; a complex "
        "spectrum is (batch, bins, frames, 2) or (batch, 2, bins, frames): re-export it so"
    )


def kind_by_name(output: str) -> str | None:
    """Return the kind that the name of a complex output implies, or None."""
    name = output.lower()
    if "mask" in name or "crm" in name or "gain" in name:
        return COMPLEX_MASK
    return COMPLEX_SPECTRUM if any(word in name for word in ("enh", "spec", "clean", "denois")) else None


def grows_with(quiet: np.ndarray, loud: np.ndarray) -> bool:
    """Whether an output follows the level of the input: so does a spectrum, and no mask.

    Parameters
    ----------
    quiet, loud : the outputs for a spectrum, and for one that is `LOUDER`.
    """
    before, after = (float(np.sqrt(np.mean(np.square(np.abs(values))))) for values in (quiet, loud))
    return after > np.sqrt(LOUDER) * before
