"""Models and recordings that come with sezoo, named by a word where a path could stand.

`utcn_small` is the float model of that name, `utcn_small_int8`, `utcn_small_int8_static` and `utcn_small_stm32n6` its
int8 ones (where only a static int8 one can be used, `utcn_small` is that), and `demo` the recordings of the demo. What
is on the disk under that name comes first.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from sezoo.base.shipped import DEMO_RECORDINGS, is_plain_name, shipped_model, shipped_models
from sezoo.base.text import closest_match

__all__ = ["DEMO", "demo_folder", "is_demo", "model_path", "static_model_path"]

DEMO = "demo"


def model_path(word: str) -> Path:
    """The path that a word stands for, which is its own where no shipped model has that name."""
    if not is_plain_name(word) or Path(word).exists():
        return Path(word)
    if (shipped := shipped_model(word)) is not None:
        return shipped
    near = closest_match(word, shipped_models(), cutoff=0.8)
    hint = (
        f"; did you mean {near}, which comes with sezoo?"
        if near
        else "; sezoo zoo list shows those that come with sezoo"
    )
    raise argparse.ArgumentTypeError(f"there is no model {word}{hint}")


def static_model_path(word: str) -> Path:
    """As `model_path`; the name of a shipped model alone is its static int8 one, which is what runs on a device."""
    from sezoo.zoo import names_of_models

    is_name = is_plain_name(word) and not Path(word).exists() and word in names_of_models()
    return model_path(f"{word}_int8_static" if is_name else word)


class demo_folder:  # noqa: N801 - used as a function: type=demo_folder("noisy_testset")
    """Reads the path of a folder; `demo` is the demo's of that name, where no folder is called so."""

    def __init__(self, name: str):
        self.name = name

    def __call__(self, word: str) -> Path:
        """The folder."""
        if word != DEMO or Path(word).exists():
            return Path(word)
        return DEMO_RECORDINGS / self.name


def is_demo(folder: Path | None) -> bool:
    """Whether it is one of the demo's own folders."""
    return folder is not None and folder.parent == DEMO_RECORDINGS
