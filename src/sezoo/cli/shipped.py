"""Models and recordings that come with sezoo, named by a word where a path could stand.

`utcn_small` is the float model of that name, `utcn_small_int8`, `utcn_small_int8_static` and `utcn_small_stm32n6` its
int8 ones (where only a static int8 one can be used, `utcn_small` is that), and `demo` the recordings of the demo. What
is on the disk under that name comes first, except folders with the results of a run.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from sezoo.base.errors import UserError
from sezoo.base.shipped import DEMO, DEMO_RECORDINGS, is_demo_word, model_file

__all__ = ["DEMO", "demo_folder", "is_demo", "model_path", "static_model_path"]


def model_path(word: str) -> Path:
    """The path that a word stands for, which is its own where no shipped model has that name."""
    return _model(word, static=False)


def static_model_path(word: str) -> Path:
    """Return the path as `model_path`, but the static int8 file, which runs on a device, for a shipped model's name."""
    return _model(word, static=True)


def _model(word: str, *, static: bool) -> Path:
    try:
        return model_file(word, static=static)
    except UserError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


class demo_folder:  # noqa: N801 - used as a function: type=demo_folder("noisy_testset")
    """Reads the path of a folder; `demo` is the demo's of that name, where no folder of recordings is called so."""

    def __init__(self, name: str):
        self.name = name

    def __call__(self, word: str) -> Path:
        """The folder."""
        return DEMO_RECORDINGS / self.name if is_demo_word(word) else Path(word)


def is_demo(folder: Path | None) -> bool:
    """Whether it is one of the demo's own folders."""
    return folder is not None and folder.parent == DEMO_RECORDINGS
