"""The one order in which the versions of a clip stand in tables, figures, players and files."""

from __future__ import annotations

from collections.abc import Sequence

from sezoo.results.scores import NOISY

__all__ = ["CLEAN", "MODES", "version_order"]

CLEAN = "clean"

MODES = ("", "patches", "stream", "board", "tflm")
"""How a version's name ends: a model on whole clips first, then ever closer to what a device does."""


def version_order(name: str, models: Sequence[str] = ("float", "int8")) -> tuple[int, int]:
    """A key to sort versions by: noisy, float, int8, each in the order of `MODES`, others as they come, clean.

    Parameters
    ----------
    name : of a version in files: "noisy", "float", "int8_board", "clean".
    models : names of models in their order.
    """
    if name in (NOISY, CLEAN):
        return (-1 if name == NOISY else len(models) + 1), 0
    model, _, mode = name.partition(".")[0].partition("_")
    if model not in models:
        return len(models), 0
    return models.index(model), MODES.index(mode) if mode in MODES else len(MODES)
