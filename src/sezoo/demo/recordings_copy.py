"""A copy of the demo's recordings in a folder of the user's own."""

from __future__ import annotations

import shutil
from pathlib import Path

from sezoo.base.files import atomic_folder, check_new_folder
from sezoo.base.shipped import DEMO_RECORDINGS

__all__ = ["copy_recordings"]


def copy_recordings(folder: Path) -> list[Path]:
    """Copy the recordings: noisy and clean ones, to train or calibrate with and to test with.

    Parameters
    ----------
    folder : a new or an empty one.

    Returns
    -------
    folders : the copied folders, each of FLAC files; a noisy and a clean recording of the same name belong together.

    Raises
    ------
    UserError : the folder holds something already, or cannot be written.
    """
    check_new_folder(folder, "--copy")
    sources = sorted(path for path in DEMO_RECORDINGS.iterdir() if path.is_dir())
    with atomic_folder(folder) as temporary:
        for source in sources:
            shutil.copytree(source, temporary / source.name)
    return [folder / source.name for source in sources]
