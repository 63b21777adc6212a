"""Inputs and outputs of a model on all test clips as .npy files, to replay elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from sezoo.base.files import atomic_folder
from sezoo.data.pairs import Pair, read_pair
from sezoo.denoising import denoise, normalization_peak
from sezoo.evaluation.scoring import ClipScorer
from sezoo.models.mask_model import MaskFunction

__all__ = ["FOLDER", "save_arrays"]

FOLDER = "npy"
"""In the folder of a version's scores."""


@dataclass
class Recorder:
    """A mask model that keeps what it was given and what it gave; everything else of it is the model's own."""

    model: MaskFunction
    call: Callable[[np.ndarray], np.ndarray]
    inputs: list[np.ndarray] = field(default_factory=list)
    outputs: list[np.ndarray] = field(default_factory=list)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.model, name)

    def __call__(self, magnitude: np.ndarray) -> np.ndarray:
        """Magnitudes (batch, bins, frames) float32 to a mask of the same shape."""
        mask = self.call(magnitude)
        self.inputs.append(np.array(magnitude, np.float32))
        self.outputs.append(np.array(mask, np.float32))
        return mask

    def fresh(self) -> Recorder:
        """The model at the beginning of a clip."""
        return Recorder(self.model, self.model.fresh(), self.inputs, self.outputs)


def save_arrays(folder: Path, scorer: ClipScorer, pairs: Iterable[Pair], *, inputs: bool, outputs: bool) -> None:
    """Run every version on every clip once more, and write its calls: CLIP_input.npy and CLIP_output.npy.

    An array is float32: (1, bins, frames) of a clip that is run at once, (calls, bins, frames of a call) of one that
    is cut into patches. A clip that is run in pieces of several lengths has a number behind its name for each.

    Parameters
    ----------
    folder : of the run.

    Raises
    ------
    UserError, BadClipError : as for `ClipScorer.waveforms`; the files cannot be written.
    """
    scoring, pairs = scorer.scoring, list(pairs)
    for version in scoring.versions:
        if version.name not in scorer.players:  # a function, whatever is in it
            continue
        model, play = scorer.players[version.name]
        with atomic_folder(folder / version.folder / FOLDER) as temporary:
            for pair in pairs:
                noisy, _ = read_pair(pair, scoring.sample_rate, scoring.stft)
                recorder = Recorder(model, model)
                peak = normalization_peak(noisy, play, normalize=scoring.peak_normalize)
                denoise(noisy / peak, recorder, scoring.stft, play)
                wanted = {"input": recorder.inputs} if inputs else {}
                for kind, arrays in (wanted | ({"output": recorder.outputs} if outputs else {})).items():
                    _save(temporary, f"{Path(pair.name).stem}_{kind}", arrays)


def _save(folder: Path, name: str, arrays: Sequence[np.ndarray]) -> None:
    """One file of arrays that differ only in their first axis, otherwise one file each."""
    if len({array.shape[1:] for array in arrays}) == 1:
        np.save(folder / f"{name}.npy", np.concatenate(arrays))
        return
    for index, array in enumerate(arrays):
        np.save(folder / f"{name}_{index}.npy", array)
