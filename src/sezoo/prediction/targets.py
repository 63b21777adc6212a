"""The recordings to denoise, and the output file of each."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import soundfile

from sezoo.base.errors import UserError
from sezoo.base.text import closest_match, did_you_mean_path, pluralize
from sezoo.data.folders import AUDIO_EXTENSIONS, folders_in, holders_text

__all__ = ["Target", "container_of", "recordings_in", "targets_for"]

log = logging.getLogger(__name__)

CONTAINERS = {
    "wav": "WAV", "flac": "FLAC", "ogg": "OGG", "opus": "OGG", "mp3": "MP3", "aiff": "AIFF", "aif": "AIFF", "au": "AU",
    "caf": "CAF", "w64": "W64", "rf64": "RF64",
}  # fmt: skip
"""libsndfile's containers by the endings of files."""


@dataclass(frozen=True)
class Target:
    """A recording and the denoised file that it becomes."""

    source: Path
    path: Path


def recordings_in(paths: Sequence[Path], key: str) -> list[Path]:
    """The recordings that files and folders stand for, a folder's sorted by name.

    Parameters
    ----------
    key : of the configuration, or whatever else named them, for messages.

    Raises
    ------
    UserError : something that is not there; a folder without recordings.
    """
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = sorted(file for file in path.iterdir() if file.suffix.lower() in AUDIO_EXTENSIONS)
            inside = [file for file in inside if file.is_file() and not file.name.startswith(".")]
            if inside and (others := sum(1 for _ in path.iterdir()) - len(inside)):
                log.info("%s: %s in it are not recordings and are skipped", path, pluralize(others, "file or folder"))
            if not inside:
                known = ", ".join(sorted(AUDIO_EXTENSIONS))
                folders = folders_in(path)
                which = f"{pluralize(len(folders), 'folder')}, which can be named{holders_text(path)}"
                where = f" itself, but {which}" if folders else ""
                raise UserError(
                    f"{key}: no recordings in {path}{where}; files that end in {known} are taken for recordings"
                )
            found += inside
        elif path.is_file():
            found.append(path)
        else:
            raise UserError(f"{key}: there is no file or folder {path}{did_you_mean_path(path)}")
    return list(dict.fromkeys(found))


def container_of(ending: str, key: str) -> str:
    """libsndfile's container for the ending of a file, with or without its dot.

    Raises
    ------
    UserError : none is written so.
    """
    name = ending.strip().removeprefix(".").lower()
    if name not in CONTAINERS or CONTAINERS[name] not in soundfile.available_formats():
        near = closest_match(name, CONTAINERS)
        raise UserError(
            f"{key}: found {ending!r}; allowed: {', '.join(CONTAINERS)}" + (f" (did you mean {near}?)" if near else "")
        )
    return CONTAINERS[name]


def targets_for(
    sources: Sequence[Path], folder: Path, *, ending: str | None, overwrite: bool, hint: str
) -> list[Target]:
    """The file in `folder` that each recording becomes: its own name, with another ending if one is asked for.

    Parameters
    ----------
    hint : how a user allows files to be replaced.

    Raises
    ------
    UserError : two recordings that would become one file, a file that already exists, a recording that would
        be its own target.
    """
    targets = []
    taken: dict[Path, Path] = {}
    for source in sources:
        name = source.name if ending is None else f"{source.stem}.{ending.strip().removeprefix('.').lower()}"
        path = folder / name
        if (other := taken.setdefault(path, source)) is not source:
            raise UserError(f"{other} and {source} would both become {path}; denoise them one after the other")
        if path.exists() and path.samefile(source):
            raise UserError(f"{source} would be replaced by its own denoised version; choose another folder")
        targets.append(Target(source, path))
    if not overwrite:
        check_free([target.path for target in targets], hint)
    return targets


def check_free(paths: Sequence[Path], hint: str) -> None:
    """Refuse to replace files unless the user allows it.

    Raises
    ------
    UserError : some of the files already exist.
    """
    there = [path for path in paths if path.exists()]
    if there:
        others = f" and {pluralize(len(there) - 1, 'other')}" if len(there) > 1 else ""
        exist = "exist" if others else "exists"
        raise UserError(f"{there[0]}{others} already {exist}; {hint}")
