"""librosa, which the tests compare transforms and resampling with, without what it has numba compile.

An import compiles loops for peaks and zero crossings, a quarter of a minute where no earlier import has left them in
librosa's own folder. No test needs these; the few loops that tests do need run as they are written in Python.
"""

import sys
from types import ModuleType

import numpy as np
import pytest

__all__ = ["librosa"]

pytest.importorskip("librosa")


def _as_written(*words, **options):
    """A decorator of numba's, used with or without options, that compiles nothing."""
    return words[0] if words and callable(words[0]) else lambda function: function


stand_in = ModuleType("numba")
stand_in.jit = stand_in.stencil = stand_in.guvectorize = _as_written
stand_in.vectorize = lambda *words, **options: np.vectorize
stand_in.uint32 = np.uint32

before = sys.modules.get("numba")
sys.modules["numba"] = stand_in
try:
    import librosa

    # librosa imports a part of itself when it is first asked for.
    _ = librosa.stft, librosa.load, librosa.resample, librosa.util.valid_audio, librosa.filters.window_sumsquare
    _ = librosa.feature.melspectrogram, librosa.power_to_db
finally:
    del sys.modules["numba"]
    if before is not None:
        sys.modules["numba"] = before
