"""List clips in folders, and pair noisy with clean clips."""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from sezoo.base.errors import UserError
from sezoo.base.text import did_you_mean_path, pluralize
from sezoo.data.pair_names import match_names, to_nfc
from sezoo.data.pairs import Pair

__all__ = ["AUDIO_EXTENSIONS", "clips_in", "files_below", "folders_in", "holders_text", "pair_clips", "some_names"]

log = logging.getLogger(__name__)

NAMES_IN_A_MESSAGE = 3
AUDIO_EXTENSIONS = {".wav", ".flac", ".ogg", ".opus", ".mp3", ".aiff", ".aif", ".au", ".caf", ".w64", ".rf64"}


def clips_in(folder: Path | None, key: str, extension: str, *, below: bool = False) -> list[Path]:
    """List the clips in a folder by extension (any case, with or without the dot), sorted by name.

    Parameters
    ----------
    key : of the configuration, for messages.
    below : where the folder itself holds none, list those of the folders in it, at any depth, sorted by path.

    Raises
    ------
    UserError : no folder set, no such folder, or no clips of that extension in it.
    """
    if folder is None:
        raise UserError(f"{key}: not set; a folder of clips is needed")
    if folder.is_file():
        raise UserError(f"{key}: {folder} is a file; a folder of clips is needed")
    if not folder.is_dir():
        raise UserError(f"{key}: there is no folder {folder}{did_you_mean_path(folder)}")
    extension = "." + extension.strip().removeprefix(".").lower()
    # A link that leads nowhere is kept: reading it tells of it.
    files = [path for path in folder.iterdir() if not path.is_dir() and not path.name.startswith(".")]
    clips = sorted((path for path in files if path.suffix.lower() == extension), key=lambda path: path.name)
    if not clips and below:
        clips = sorted(path for path in files_below(folder) if path.suffix.lower() == extension)
        if clips:
            log.info("%s: %s in the folders in it", folder, pluralize(len(clips), "clip"))
            return clips
    if not clips:
        others = Counter(path.suffix or "no extension" for path in files).most_common(3)
        found = ", ".join(f"{count} {suffix}" for suffix, count in others)
        advice = "see dataset.file_extension"
        if not found and (folders := folders_in(folder)):
            found = f"{pluralize(len(folders), 'folder')}: {some_names(folders)}"
            advice = (
                "there are none in its folders either; see dataset.file_extension"
                if below
                else f"folders in it are not searched: name the one that holds the clips{holders_text(folder)}"
            )
        raise UserError(f"{key}: no {extension} files in {folder} (found: {found or 'nothing'}); {advice}")
    if unused := sorted(path.name for path in files if path.suffix.lower() in AUDIO_EXTENSIONS - {extension}):
        what = pluralize(len(unused), "other recording")
        log.warning("%s: only %s files are used, not %s (%s)", folder, extension, what, some_names(unused))
    return clips


def files_below(folder: Path) -> list[Path]:
    """The files in the folders in a folder, at any depth; hidden ones and unreadable folders are left out."""
    found = []
    for inside, folders, names in os.walk(folder):  # passes over what cannot be read, where `rglob` fails
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(inside, name) for name in names if not name.startswith(".")]
    return found


def holders_text(folder: Path) -> str:
    """`, DIR/a (12 recordings)`: the folders in a folder that hold recordings of any kind, the fullest first."""
    holders = Counter(path.parent for path in files_below(folder) if path.suffix.lower() in AUDIO_EXTENSIONS)
    named = sorted(holders.items(), key=lambda item: (-item[1], item[0]))
    found = [f"{path} ({pluralize(count, 'recording')})" for path, count in named]
    return f", {some_names(found)}" if found else ""


def folders_in(folder: Path) -> list[str]:
    """The names of the folders in a folder, for messages; hidden ones are left out."""
    return sorted(path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def pair_clips(noisy: Sequence[Path], clean: Sequence[Path]) -> list[Pair]:
    """Pair noisy with clean clips by file name, without regard to the extension; see `match_names`.

    Raises
    ------
    UserError : the names do not say for every clip of both folders which belongs to which, or two clips of a folder
        have the same name.
    """
    for paths in (noisy, clean):
        _check_names_differ(paths)
    match = match_names([path.stem for path in noisy], [path.stem for path in clean])
    if match.clean is not None:
        pairs = [Pair(path, clean[index]) for path, index in zip(noisy, match.clean, strict=True)]
        pairs.sort(key=lambda pair: pair.noisy.name)
        if match.by:
            first, folders = pairs[0], (noisy[0].parent, clean[0].parent)
            log.info(
                "clips of %s and %s are paired by %s: %s with %s ...", *folders, match.by, first.name, first.clean.name
            )
        return pairs
    unmatched = [
        f"{len(names)} {kind} without {other} ({some_names(names)})"
        for names, kind, other in ((match.only_noisy, "noisy", "clean"), (match.only_clean, "clean", "noisy"))
        if names
    ]
    hint = "; the clips of a pair need the same name, or a number or a part of it that no other clip of a folder has"
    raise UserError(
        f"the clips of {noisy[0].parent} and {clean[0].parent} do not match by name: {' and '.join(unmatched)}"
        + (hint if len(match.only_noisy) == len(noisy) else "")
    )


def _check_names_differ(paths: Sequence[Path]) -> None:
    by_name: dict[str, Path] = {}
    for path in paths:
        if (other := by_name.setdefault(to_nfc(path.stem), path)) is not path:
            raise UserError(f"{other.name} and {path.name} in {path.parent} have the same name: which is the pair's?")


def some_names(names: Sequence[str]) -> str:
    """The first few of many names, for messages."""
    return ", ".join(names[:NAMES_IN_A_MESSAGE]) + (", ..." if len(names) > NAMES_IN_A_MESSAGE else "")
