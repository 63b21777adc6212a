"""Which clips: the folders of a data set, noisy paired with clean, sampled, and read with every clip checked."""

from __future__ import annotations

import hashlib
import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from sezoo.audio.clip import BadClipError, read_clip
from sezoo.base.errors import UserError
from sezoo.base.text import counted, only
from sezoo.config.sections import Dataset
from sezoo.data.pair_names import composed, match_names
from sezoo.data.shards import pairs_in_shards

__all__ = [
    "Pair",
    "clips_in",
    "clips_of",
    "folders_in",
    "pair_clips",
    "read_clips",
    "refused",
    "sample",
    "tell_left_out",
    "test_pairs",
    "training_noisy_clips",
    "training_pairs",
    "validation_pairs",
]

log = logging.getLogger(__name__)

DEMO_RECORDINGS = Path(__file__).parents[1] / "demo" / "recordings"
DEMO_EXTENSION = ".flac"
NAMES_IN_A_MESSAGE = 3
AUDIO_EXTENSIONS = {".wav", ".flac", ".ogg", ".opus", ".mp3", ".aiff", ".aif", ".au", ".caf", ".w64", ".rf64"}

Item = TypeVar("Item")


@dataclass(frozen=True)
class Pair:
    """A noisy recording and the clean speech in it, sample by sample; None where there is none."""

    noisy: Path
    clean: Path | None

    @property
    def name(self) -> str:
        """The noisy file's name, which stands for the pair."""
        return self.noisy.name


@dataclass(frozen=True)
class Folder:
    """A folder of clips and the configuration key that names it."""

    path: Path | None
    key: str


def training_noisy_clips(dataset: Dataset) -> list[Path]:
    """The noisy clips of the training set, sorted by name.

    Where the set has clean clips too, the two folders must match: a training folder that does not is
    not the one that was meant.

    Raises
    ------
    UserError : a folder that is not set, missing or empty; folders that do not match.
    """
    if dataset.name == "shards":
        return [pair.noisy for pair in training_pairs(dataset)]
    noisy, clean = _folders(dataset, "train")
    if clean.path is None:
        return clips_in(noisy.path, noisy.key, _extension(dataset))
    return [pair.noisy for pair in _pairs(noisy, clean, _extension(dataset))]


def training_pairs(dataset: Dataset) -> list[Pair]:
    """The pairs of the training set, sorted by name; each has a clean clip.

    Raises
    ------
    UserError : a folder that is not set, missing or empty; folders that do not match.
    """
    if dataset.name == "shards":
        found = pairs_in_shards(dataset.shards_path, AUDIO_EXTENSIONS, skip_bad=dataset.skip_bad_files)
        return [Pair(*pair) for pair in found]
    noisy, clean = _folders(dataset, "train")
    return _pairs(noisy, clean, _extension(dataset))


def validation_pairs(dataset: Dataset) -> list[Pair] | None:
    """The pairs of the validation folders, sorted by name; None where none are set, and some are split off.

    Raises
    ------
    UserError : a folder that is missing or empty; folders that do not match, or that are those of the training.
    """
    noisy, clean = _folders(dataset, "valid")
    if noisy.path is None or clean.path is None:
        return None
    training = Folder(dataset.shards_path, "") if dataset.name == "shards" else _folders(dataset, "train")[0]
    if training.path is not None and noisy.path.resolve() == training.path.resolve():
        raise UserError(f"{noisy.key}: {noisy.path} is the folder of the training clips too")
    return _pairs(noisy, clean, dataset.file_extension)


def test_pairs(dataset: Dataset) -> list[Pair]:
    """The test set's pairs, of which `num_test_samples` are drawn, sorted by name.

    A custom set without a folder of clean clips has pairs without them.

    Raises
    ------
    UserError : a folder that is not set, missing or empty; folders that do not match.
    """
    noisy, clean = _folders(dataset, "test")
    if clean.path is None:
        pairs = [Pair(path, None) for path in clips_in(noisy.path, noisy.key, _extension(dataset))]
    else:
        pairs = _pairs(noisy, clean, _extension(dataset))
    return sample(pairs, dataset.num_test_samples, dataset.random_seed, "dataset.num_test_samples")


test_pairs.__test__ = False  # not a test, whatever pytest makes of the name


def _folders(dataset: Dataset, half: str) -> tuple[Folder, Folder]:
    """The noisy and the clean folder of the training ("train"), the validation ("valid") or the test half ("test")."""
    if half == "valid" or dataset.name == "custom" or (dataset.name in ("mix", "shards") and half == "test"):
        keys = [f"{kind}_{half}_files_path" for kind in ("noisy", "clean")]
        noisy, clean = (Folder(getattr(dataset, key), f"dataset.{key}") for key in keys)
        return noisy, clean
    if dataset.name == "demo":
        noisy, clean = (DEMO_RECORDINGS / f"{kind}_{half}set" for kind in ("noisy", "clean"))
        return Folder(noisy, "dataset.name"), Folder(clean, "dataset.name")
    key = "dataset.root_folder"
    if dataset.root_folder is None:
        raise UserError(f"{key}: not set; the folder that holds clean_{half}set... and noisy_{half}set... is needed")
    if not dataset.root_folder.is_dir():
        raise UserError(f"{key}: there is no folder {dataset.root_folder}")
    name = f"trainset_{dataset.n_speakers}spk_wav" if half == "train" else "testset_wav"
    return Folder(dataset.root_folder / f"noisy_{name}", key), Folder(dataset.root_folder / f"clean_{name}", key)


def _extension(dataset: Dataset) -> str:
    return DEMO_EXTENSION if dataset.name == "demo" else dataset.file_extension


def clips_in(folder: Path | None, key: str, extension: str) -> list[Path]:
    """The clips in a folder by their file extension (any case, with or without its dot), sorted by name.

    Parameters
    ----------
    key : of the configuration, for messages.

    Raises
    ------
    UserError : no folder set, no such folder, or no clips of that extension in it.
    """
    if folder is None:
        raise UserError(f"{key}: not set; a folder of clips is needed")
    if folder.is_file():
        raise UserError(f"{key}: {folder} is a file; a folder of clips is needed")
    if not folder.is_dir():
        raise UserError(f"{key}: there is no folder {folder}")
    extension = "." + extension.strip().removeprefix(".").lower()
    # A link that leads nowhere is kept: reading it tells of it.
    files = [path for path in folder.iterdir() if not path.is_dir() and not path.name.startswith(".")]
    clips = sorted((path for path in files if path.suffix.lower() == extension), key=lambda path: path.name)
    if not clips:
        others = Counter(path.suffix or "no extension" for path in files).most_common(3)
        found = ", ".join(f"{count} {suffix}" for suffix, count in others)
        advice = "see dataset.file_extension"
        if not found and (folders := folders_in(folder)):
            found = f"{counted(len(folders), 'folder')}: {_some(folders)}"
            advice = "folders in it are not searched: name the one that holds the clips"
        raise UserError(f"{key}: no {extension} files in {folder} (found: {found or 'nothing'}); {advice}")
    if unused := sorted(path.name for path in files if path.suffix.lower() in AUDIO_EXTENSIONS - {extension}):
        what = counted(len(unused), "other recording")
        log.warning("%s: only %s files are used, not %s (%s)", folder, extension, what, _some(unused))
    return clips


def folders_in(folder: Path) -> list[str]:
    """The names of the folders in a folder, for messages; hidden ones are left out."""
    return sorted(path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def _pairs(noisy: Folder, clean: Folder, extension: str) -> list[Pair]:
    return pair_clips(clips_in(noisy.path, noisy.key, extension), clips_in(clean.path, clean.key, extension))


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
        f"{len(names)} {kind} without {other} ({_some(names)})"
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
        if (other := by_name.setdefault(composed(path.stem), path)) is not path:
            raise UserError(f"{other.name} and {path.name} in {path.parent} have the same name: which is the pair's?")


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:NAMES_IN_A_MESSAGE]) + (", ..." if len(names) > NAMES_IN_A_MESSAGE else "")


def sample(items: Sequence[Item], amount: int | float | None, seed: int | None, key: str) -> list[Item]:
    """Draw some of `items` (paths or pairs), the same ones on every machine.

    The draw depends on the seed and the file names alone, not on the order of a folder's listing nor on
    a library's random generator: items are ranked by a hash of both. A clip that is added to the folder
    changes the draw by that clip at most.

    Parameters
    ----------
    amount : how many (int), which share (float, at least one is drawn), or None for all.
    seed : None counts as 0.
    key : of the configuration, for the warning when there are fewer items than asked for.

    Returns
    -------
    items : in the order in which they were given.
    """
    if amount is None:
        return list(items)
    count = clips_of(amount, len(items))
    if count > len(items):
        log.warning("%s: %d asked for, but %s: all are used", key, count, only(len(items), "clip"))

    def rank(index: int) -> bytes:
        item = items[index]
        name = item.name if isinstance(item, (Pair, Path)) else str(item)
        # Names that are no UTF-8 reach Python as surrogates, which plain encoding refuses.
        return hashlib.sha256(f"{seed or 0}/{composed(name)}".encode("utf-8", "surrogatepass")).digest()

    return [items[index] for index in sorted(sorted(range(len(items)), key=rank)[:count])]


def clips_of(amount: int | float, of: int) -> int:
    """Clips that a number of them (int) or a share of so many (float, at least one) stands for."""
    return max(1, round(amount * of)) if isinstance(amount, float) else amount


def read_clips(
    paths: Sequence[Path], sample_rate: int, *, min_samples: int, skip_bad: bool
) -> Iterator[tuple[Path, np.ndarray]]:
    """Read clips one at a time, each checked.

    Yields
    ------
    path, wave : (samples,) float32 at `sample_rate`

    Raises
    ------
    UserError : a clip that cannot be used, unless `skip_bad`; no clip that can.
    """
    left_out: list[BadClipError] = []
    for path in paths:
        try:
            wave = read_clip(path, sample_rate, min_samples=min_samples)
        except BadClipError as bad:
            left_out.append(bad)
            if not skip_bad:
                raise refused(bad) from bad
            continue
        yield path, wave
    tell_left_out(left_out, len(paths))


def refused(bad: BadClipError) -> UserError:
    """The error for a clip that cannot be used, where such clips are not to be left out."""
    return UserError(f"{bad.path}: {bad.reason}; set dataset.skip_bad_files: true to leave such clips out")


def tell_left_out(left_out: Sequence[BadClipError], of: int) -> None:
    """Name in the log the clips that are left out of so many.

    Raises
    ------
    UserError : that is all of them.
    """
    for bad in left_out:
        log.warning("left out %s: %s", bad.path, bad.reason)
    if left_out:
        names = _some([bad.path.name for bad in left_out])
        log.warning("%d of %s left out: %s", len(left_out), counted(of, "clip"), names)
    if len(left_out) == of:
        raise UserError(f"none of the {of} clips can be used; the first is {left_out[0].path}")
