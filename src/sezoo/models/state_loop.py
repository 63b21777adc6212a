"""Running a model call by call, its states fed back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from sezoo.models.spectra import MAGNITUDES, Layout, layout_of
from sezoo.models.states import magnitude_input, mask_output, states_of

if TYPE_CHECKING:
    import onnx
    import onnxruntime

__all__ = ["StateLengthError", "StateLoop", "split_into_steps"]


class StateLengthError(ValueError):
    """A state that has another shape after a call than before."""


class StateLoop:
    """A session that is run call after call of one clip: the states begin with zeros and are fed back.

    Parameters
    ----------
    source : name of the input for the magnitudes.
    states : state outputs by state inputs; with none every call stands alone.
    outputs : names of what a call gives.
    """

    def __init__(
        self, session: onnxruntime.InferenceSession, source: str, states: Mapping[str, str], outputs: Sequence[str]
    ):
        self.session, self.source, self.states, self.outputs = session, source, states, outputs
        self.fetched = list(dict.fromkeys([*outputs, *states.values()]))  # a state may be asked for as well
        self.values: dict[str, np.ndarray] | None = None if states else {}  # by state input, for the next call

    @classmethod
    def of_masks(cls, session: onnxruntime.InferenceSession, model: onnx.ModelProto) -> StateLoop:
        """A loop that gives the mask of each call, in the model's own axes."""
        return cls(session, magnitude_input(model).name, states_of(model), [mask_output(model).name])

    @cached_property
    def layout(self) -> Layout:
        """Layout of the model's spectrum."""
        shapes = {value.name: value.shape for value in self.session.get_inputs()}
        return layout_of(shapes.get(self.source)) or MAGNITUDES

    def __call__(self, magnitude: np.ndarray) -> list[np.ndarray]:
        """Run one call on what the model sees, (batch, bins, frames), and keep its states for the next.

        The outputs are as the model gives them: one that is a spectrum has the model's own axes (`layout`).
        """
        if self.values is None:
            self.values = self._zeros(len(magnitude))
        given = self.session.run(self.fetched, {self.source: self.layout.given(magnitude), **self.values})
        by_name = dict(zip(self.fetched, given, strict=True))
        for name, target in self.states.items():
            if by_name[target].shape != self.values[name].shape:
                raise StateLengthError(
                    f"the state '{name}' has shape {self.values[name].shape}, but {by_name[target].shape} afterwards; "
                    f"let output '{target}' keep its length, by a Slice of its last frames for example"
                )
            self.values[name] = by_name[target]
        return [by_name[name] for name in self.outputs]

    def _zeros(self, batch: int) -> dict[str, np.ndarray]:
        shapes = {value.name: value.shape for value in self.session.get_inputs()}
        return {
            name: np.zeros([axis if isinstance(axis, int) else batch for axis in shapes[name]], np.float32)
            for name in self.states
        }


def split_into_steps(pieces: Iterable[np.ndarray], frames: int | None) -> Iterator[np.ndarray]:
    """A clip's magnitudes as a model of fixed length takes them, call by call, the last filled up with zeros.

    Parameters
    ----------
    pieces : (batch, bins, any number of frames), one after the other.
    frames : of a call; None gives the pieces as they are.
    """
    if frames is None:
        yield from pieces
        return
    rest = None
    for piece in pieces:
        rest = piece if rest is None else np.concatenate([rest, piece], axis=2)
        whole = rest.shape[2] // frames * frames
        yield from (rest[:, :, start : start + frames] for start in range(0, whole, frames))
        rest = rest[:, :, whole:]
    if rest is not None and rest.shape[2]:
        yield np.pad(rest, [(0, 0), (0, 0), (0, frames - rest.shape[2])])
