"""A denoiser that is a Python function, from a noisy waveform to the denoised one, called with every result checked."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from sezoo.base.errors import UserError
from sezoo.base.user_code import absolute_reference, exception_line, failing_line, load_object, name_of

__all__ = ["DenoisingFunction", "FunctionSource"]

Waveform = Callable[[np.ndarray], np.ndarray]

KEY = "model.function"


@dataclass(frozen=True)
class FunctionSource:
    """Reference to a mask function that can be passed to a worker process if the function can.

    Attributes
    ----------
    reference : `path/to/file.py:name` or `package.module:name`.
    function : the function itself, where a caller has it; None is what the reference names.
    place : the reference as other processes find it.
    """

    reference: str
    function: Waveform | None = field(default=None, compare=False)
    place: str = field(init=False)

    def __post_init__(self):
        object.__setattr__(self, "place", absolute_reference(self.reference))

    @property
    def name(self) -> str:
        """Display name."""
        return name_of(self.reference).rpartition(".")[2]

    @property
    def can_be_sent(self) -> bool:
        """Whether a worker process can be given it: not one of a notebook or of the script that is running."""
        if self.function is None:
            return True
        if getattr(self.function, "__module__", "__main__") == "__main__":
            return False
        try:
            return bool(pickle.dumps(self.function))
        except Exception:  # whatever its own __reduce__ raises
            return False


class DenoisingFunction:
    """The function of a source, called clip by clip.

    Raises
    ------
    UserError : there is none, or it cannot be called.
    """

    def __init__(self, source: FunctionSource):
        self.named = f"{KEY}: {source.reference}"
        self.function = source.function or load_object(source.place, KEY, "function")
        if not callable(self.function):
            raise UserError(f"{self.named} is no function")

    def __call__(self, noisy: np.ndarray, path: Path) -> np.ndarray:
        """Denoise a clip.

        Parameters
        ----------
        noisy : (samples,) float32; the function gets a copy.
        path : of the clip, for messages.

        Returns
        -------
        denoised : (samples,) float32

        Raises
        ------
        UserError : it raises, or gives something else than as many finite floats.
        """
        try:
            made = self.function(noisy.copy())
            denoised = np.asarray(made)
        except UserError:
            raise
        except Exception as error:
            where = failing_line(error, self._folder())
            raise UserError(f"{self.named}: {exception_line(error)}{where} (on {path})") from error
        if denoised.shape != noisy.shape or not np.issubdtype(denoised.dtype, np.floating):
            found = "None" if made is None else f"{denoised.dtype} {denoised.shape}"
            raise UserError(
                f"{self.named} gives {found} for {path}; {len(noisy)} samples of floats, as many as it gets, are needed"
            )
        if not np.isfinite(denoised).all():
            raise UserError(f"{self.named} gives samples that are not finite for {path}")
        return denoised.astype(np.float32, copy=False)

    def _folder(self) -> Path:
        code = getattr(self.function, "__code__", None)
        return Path(code.co_filename).parent if code is not None else Path.cwd()
