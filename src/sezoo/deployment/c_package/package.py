"""Writer of the package: static and generated C sources, and the test vectors that verify a build."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from importlib.resources import as_file, files
from pathlib import Path

import numpy as np

from sezoo.deployment.c_package.header import denoiser_header
from sezoo.deployment.c_package.layers import add_layers, summary_of
from sezoo.deployment.c_package.model_header import model_header
from sezoo.deployment.c_package.model_source import model_source
from sezoo.deployment.c_package.program import Program
from sezoo.deployment.c_package.settings import PackageSettings
from sezoo.deployment.c_package.vectors import masks_that_check, vector_masks, write_vectors

__all__ = ["PackageSettings", "write_package", "write_sources"]


def write_package(program: Program, settings: PackageSettings, calls: Sequence[np.ndarray], folder: Path) -> int:
    """Write the whole package except its README into an empty folder.

    Parameters
    ----------
    calls : magnitudes of consecutive process() calls, (bins, frames that a call computes) float32 each, from which the
        test vectors are computed.

    Returns
    -------
    masks : number of masks in the test vectors that can reveal a wrong build.
    """
    write_sources(program, settings, folder)
    vectors = folder / "test_vectors"
    vectors.mkdir()
    masks = vector_masks(program, calls)
    write_vectors(calls, masks, vectors)
    return masks_that_check(program, masks)


def write_sources(program: Program, settings: PackageSettings, folder: Path) -> None:
    """Write the sources, that is, everything except the README and the test vectors, into an empty folder."""
    with as_file(files("sezoo.deployment.c_package") / "sources") as sources:
        shutil.copytree(sources, folder, dirs_exist_ok=True)
    (folder / "include").mkdir()
    generated = {
        folder / "include" / "sezoo_denoiser.h": denoiser_header(program, settings),
        folder / "src" / "sezoo_model.h": model_header(program),
        folder / "src" / "sezoo_model.c": model_source(program),
    }
    for path, text in generated.items():
        path.write_text(text, encoding="utf-8", newline="\n")
    add_layers(folder, settings.layers, settings.model_hash, summary_of(program, settings))
