"""Clips as a caller has them (a folder, files, arrays) as a folder of recordings, which a configuration can name."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from sezoo.base.errors import UserError
from sezoo.base.files import reason_of
from sezoo.base.shipped import DEMO, DEMO_RECORDINGS, is_demo_word
from sezoo.base.text import did_you_mean_path

if TYPE_CHECKING:
    import numpy as np

__all__ = ["Clips", "extension_of", "folder_of", "folders_of_pairs"]

Clips: TypeAlias = str | Path | Sequence["str | Path | np.ndarray"]
"""A folder, files, or waveforms (samples,) at the model's sample rate; "demo" is the recordings of the demo."""

DEFAULT_EXTENSION = ".wav"
DEMO_FOLDERS = {"clips": "noisy_trainset", "noisy": "noisy_testset", "clean": "clean_testset"}
"""The demo's recordings for each parameter."""


def folder_of(clips: Clips, scratch: Path, what: str, *, sample_rate: int, like: Path | None = None) -> Path:
    """The folder that the clips are in, or a new one in `scratch` with files and arrays in it.

    Parameters
    ----------
    what : the parameter that the clips are given by, for messages and for the name of a new folder.
    sample_rate : of arrays, in Hz.
    like : a folder made by this before, whose files these belong to one by one: they get their names.

    Raises
    ------
    UserError : no clips, files that are not there or of several kinds, arrays that are no waveforms.
    """
    if isinstance(clips, str) and what in DEMO_FOLDERS and is_demo_word(clips):
        return DEMO_RECORDINGS / DEMO_FOLDERS[what]
    if isinstance(clips, str | Path):
        return Path(clips)
    entries = list(clips)
    if not entries:
        raise UserError(f"{what}: no clips; a folder, a list of files, or a list of waveforms is needed")
    names = None if like is None else sorted(path.stem for path in like.iterdir())
    if names is not None and len(names) != len(entries):
        raise UserError(f"{what}: {len(entries)} clips, but {len(names)} noisy ones; a clean clip for each is needed")
    folder = scratch / what
    folder.mkdir(parents=True)
    paths = [Path(entry) for entry in entries if isinstance(entry, str | Path)]
    if len(paths) == len(entries):
        _link(paths, names, folder, what)
    else:
        _write(entries, names, folder, what, sample_rate)
    return folder


def _link(paths: Sequence[Path], names: Sequence[str] | None, folder: Path, what: str) -> None:
    """Files under names that keep their order, linked where the system can and copied elsewhere."""
    kinds = sorted({path.suffix.lower() for path in paths})
    if len(kinds) > 1:
        raise UserError(f"{what}: files of several kinds ({', '.join(kinds)}); those of one kind are needed")
    for index, path in enumerate(paths):
        if not path.is_file():
            raise UserError(f"{what}: there is no file {path}")
        target = folder / f"{names[index] if names else f'{index:05}_{path.stem}'}{path.suffix}"
        try:
            target.symlink_to(path.absolute())
        except OSError:
            try:
                shutil.copyfile(path, target)
            except OSError as error:
                raise UserError(f"{what}: cannot copy {path}: {reason_of(error)}") from error


def _write(waveforms: Sequence[object], names: Sequence[str] | None, folder: Path, what: str, sample_rate: int) -> None:
    import numpy as np
    import soundfile

    for index, entry in enumerate(waveforms):
        waveform = np.asarray(entry)
        if waveform.ndim != 1 or not np.issubdtype(waveform.dtype, np.floating):
            raise UserError(
                f"{what}: clip {index} is {waveform.dtype} {waveform.shape}; waveforms (samples,) of floats within -1 "
                "and 1, or paths of files, are needed"
            )
        name = names[index] if names else f"{index:05}"
        soundfile.write(folder / f"{name}.wav", waveform.astype(np.float32), sample_rate, subtype="FLOAT")


def extension_of(folder: Path, what: str) -> str:
    """Return the most frequent file extension of a folder's recordings, or of those in the folders in it, or `.wav`.

    Raises
    ------
    UserError : there is no such folder.
    """
    from sezoo.data.folders import AUDIO_EXTENSIONS, files_below

    if not folder.is_dir():
        found = "a file" if folder.is_file() else "not there"
        hint = did_you_mean_path(folder, [DEMO]) if found == "not there" else ""
        raise UserError(f"{what}: {folder} is {found}; a folder of recordings is needed{hint}")
    files = [path for path in folder.iterdir() if not path.name.startswith(".")]
    counts = Counter(path.suffix.lower() for path in files if path.suffix.lower() in AUDIO_EXTENSIONS)
    if not counts:
        counts = Counter(path.suffix.lower() for path in files_below(folder) if path.suffix.lower() in AUDIO_EXTENSIONS)
    return max(counts, key=lambda suffix: (counts[suffix], suffix == DEFAULT_EXTENSION), default=DEFAULT_EXTENSION)


def folders_of_pairs(noisy: Clips, clean: Clips | None, scratch: Path, sample_rate: int) -> tuple[Path, Path | None]:
    """The folders of noisy and clean clips; those of lists belong to each other in order."""
    one = folder_of(noisy, scratch, "noisy", sample_rate=sample_rate)
    if clean is None:
        return one, None
    is_made = one.is_relative_to(scratch)
    return one, folder_of(clean, scratch, "clean", sample_rate=sample_rate, like=one if is_made else None)
