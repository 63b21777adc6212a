"""The recordings under a folder, or in a tar file, that can be used."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from sezoo.audio.clip import BadClipError
from sezoo.base.errors import UserError
from sezoo.base.text import did_you_mean_path
from sezoo.data.dataset import bad_clip_error, log_skipped_clips
from sezoo.data.folders import AUDIO_EXTENSIONS

__all__ = ["recordings_under", "usable_indices"]


def recordings_under(folder: Path, key: str) -> list[Path]:
    """All recordings in a folder and its subfolders, by their endings, sorted by their paths.

    Folders that are links are followed; hidden files and folders are left out.

    Parameters
    ----------
    key : of the configuration, for messages.

    Raises
    ------
    UserError : no such folder, or no recordings in it.
    """
    if not folder.is_dir():
        what = (
            f"{folder} is a file; a folder of recordings is needed"
            if folder.is_file()
            else f"there is no folder {folder}{did_you_mean_path(folder)}"
        )
        raise UserError(f"{key}: {what}")
    found, entered = [], set()
    for inside, folders, names in os.walk(folder, followlinks=True):
        if (real := os.path.realpath(inside)) in entered:  # a link to a folder further up
            folders.clear()
            continue
        entered.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        paths = [Path(inside, name) for name in names if not name.startswith(".")]
        found += [path for path in paths if path.suffix.lower() in AUDIO_EXTENSIONS]
    if not found:
        known = ", ".join(sorted(AUDIO_EXTENSIONS))
        raise UserError(f"{key}: no recordings in {folder}; files that end in {known} are taken for recordings")
    return sorted(found)


def usable_indices(checked: Sequence[int | BadClipError], skip_bad: bool) -> list[int]:
    """Indices of the usable recordings, by the result of `Recordings.check`; the others are logged.

    Raises
    ------
    UserError : one that cannot, unless `skip_bad`; none that can.
    """
    bad = [found for found in checked if isinstance(found, BadClipError)]
    if bad and not skip_bad:
        raise bad_clip_error(bad[0]) from bad[0]
    log_skipped_clips(bad, len(checked))
    return [index for index, found in enumerate(checked) if not isinstance(found, BadClipError)]
