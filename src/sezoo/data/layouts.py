"""Layouts of data sets: which noisy and clean recordings each part holds.

A layout is a class that is built with the section `dataset` and has one method,

    pairs(part) -> the pairs of the part "train", "valid" or "test"; None for a part that it does not have

as `dataset.name` names it: one of these here, one of a package, or one in a user's file.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from sezoo.base.errors import UserError
from sezoo.base.shipped import DEMO_RECORDINGS
from sezoo.base.text import pluralize
from sezoo.base.user_code import exception_line, failing_line
from sezoo.config.registries import LAYOUTS
from sezoo.config.sections import Dataset
from sezoo.data.folders import AUDIO_EXTENSIONS, clips_in, pair_clips
from sezoo.data.pairs import Pair
from sezoo.data.shards import pairs_in_shards

__all__ = ["Demo", "Folders", "Layout", "Mix", "Shards", "Valentini", "layout_of", "validation_folders"]


class Layout(Protocol):
    """Locations of the recordings of a data set."""

    def pairs(self, part: str) -> Sequence[Pair] | None:
        """The pairs of the part "train", "valid" or "test", sorted by name; None where the set has no such part."""


@dataclass(frozen=True)
class Folders:
    """`custom`: a folder of noisy and one of clean clips for each part, as the configuration names them."""

    dataset: Dataset

    def pairs(self, part: str) -> Sequence[Pair] | None:
        """Pairs of the part's two folders; without clean clips if that folder is not set."""
        keys = [f"{kind}_{part}_files_path" for kind in ("noisy", "clean")]
        noisy, clean = (getattr(self.dataset, key) for key in keys)
        if part == "valid" and (noisy is None or clean is None):
            return None
        recordings = clips_in(noisy, f"dataset.{keys[0]}", self.dataset.file_extension)
        if clean is None:
            return [Pair(path, None) for path in recordings]
        return pair_clips(recordings, clips_in(clean, f"dataset.{keys[1]}", self.dataset.file_extension))


@dataclass(frozen=True)
class Mix:
    """`mix`: training and calibration clips are mixed from speech and noise; test clips are as in `custom`."""

    dataset: Dataset

    def pairs(self, part: str) -> Sequence[Pair] | None:
        """Pairs of the test set; the other parts are mixed, not recorded."""
        return Folders(self.dataset).pairs(part) if part == "test" else None


@dataclass(frozen=True)
class Shards:
    """`shards`: training and calibration clips are in tar files; test clips are as in `custom`."""

    dataset: Dataset

    def pairs(self, part: str) -> Sequence[Pair] | None:
        """The examples of `dataset.shards_path`, in the order of the tar files, or those of the test set's folders."""
        if part == "valid":
            return None
        if part == "test":
            return Folders(self.dataset).pairs(part)
        found = pairs_in_shards(self.dataset.shards_path, AUDIO_EXTENSIONS, skip_bad=self.dataset.skip_bad_files)
        return [Pair(*pair) for pair in found]


@dataclass(frozen=True)
class Demo:
    """`demo`: the small set that comes with sezoo."""

    dataset: Dataset

    def pairs(self, part: str) -> Sequence[Pair] | None:
        """Pairs of the package's own folders."""
        if part == "valid":
            return None
        noisy, clean = (
            clips_in(DEMO_RECORDINGS / f"{kind}_{part}set", "dataset.name", ".flac") for kind in ("noisy", "clean")
        )
        return pair_clips(noisy, clean)


@dataclass(frozen=True)
class Valentini:
    """`valentini`: the folders of VoiceBank+DEMAND as its archives have them, under one folder."""

    dataset: Dataset

    def pairs(self, part: str) -> Sequence[Pair] | None:
        """Pairs of the part's two folders under `dataset.root_folder`."""
        if part == "valid":
            return None
        root, key = self.dataset.root_folder, "dataset.root_folder"
        if root is None:
            raise UserError(
                f"{key}: not set; the folder that holds clean_{part}set... and noisy_{part}set... is needed"
            )
        if not root.is_dir():
            raise UserError(f"{key}: there is no folder {root}")
        name = f"trainset_{self.dataset.n_speakers}spk_wav" if part == "train" else "testset_wav"
        noisy, clean = (
            clips_in(root / f"{kind}_{name}", key, self.dataset.file_extension) for kind in ("noisy", "clean")
        )
        return pair_clips(noisy, clean)


def layout_of(dataset: Dataset) -> Layout:
    """The layout that `dataset.name` names.

    Raises
    ------
    UserError : one that is not ours and cannot be imported or built.
    """
    cls = LAYOUTS.load(dataset.name)
    return cls(dataset) if dataset.name in LAYOUTS.own else _UserLayout(cls, dataset)


class _UserLayout:
    """User-defined layout, whose pairs are checked."""

    def __init__(self, cls: type, dataset: Dataset):
        self.named = f"{LAYOUTS.key}: {dataset.name}"
        self.cls = cls
        try:
            self.layout = cls(dataset, **dataset.layout_arguments)
        except UserError:
            raise
        except Exception as error:
            raise UserError(f"{self.named} cannot be built: {self._reason(error)}") from error
        if not callable(getattr(self.layout, "pairs", None)):
            raise UserError(f"{self.named} is no layout: it has no method pairs")

    def pairs(self, part: str) -> Sequence[Pair] | None:
        """Pairs of the layout, with unique names."""
        try:
            found = self.layout.pairs(part)
            entries = None if found is None else list(found)
        except UserError:
            raise
        except Exception as error:
            raise UserError(f"{self.named}: pairs({part!r}): {self._reason(error)}") from error
        if entries is None:
            return None
        pairs = [self._pair(entry, part) for entry in entries]
        if not pairs and part != "valid":
            raise UserError(f"{self.named}: pairs({part!r}) gives none")
        if missing := [path for pair in pairs for path in (pair.noisy, pair.clean) if path and not path.is_file()]:
            more = f" (and {pluralize(len(missing) - 1, 'other')})" if len(missing) > 1 else ""
            raise UserError(f"{self.named}: pairs({part!r}): there is no file {missing[0]}{more}")
        return sorted(self._with_unique_names(pairs, part), key=lambda pair: pair.name) or None

    def _pair(self, entry: object, part: str) -> Pair:
        if isinstance(entry, Pair):
            return entry
        match entry:
            case (str() | Path() as noisy, str() | Path() | None as clean):
                return Pair(Path(noisy), None if clean is None else Path(clean))
        raise UserError(f"{self.named}: pairs({part!r}) gives {entry!r}; a noisy and a clean path, or None, are needed")

    def _with_unique_names(self, pairs: Sequence[Pair], part: str) -> Iterable[Pair]:
        """Pairs under their files' names; where two have the same, under those of the folders above them as well."""
        if len({pair.name for pair in pairs}) == len(pairs):
            return pairs
        top = os.path.commonpath([pair.noisy.resolve().parent for pair in pairs])
        named = [Pair(pair.noisy, pair.clean, "_".join(pair.noisy.resolve().relative_to(top).parts)) for pair in pairs]
        (name, count), *_ = Counter(pair.name for pair in named).most_common(1)
        if count > 1:
            raise UserError(f"{self.named}: pairs({part!r}) gives {name} {count} times")
        return named

    def _reason(self, error: Exception) -> str:
        import inspect

        try:
            return exception_line(error) + failing_line(error, Path(inspect.getfile(self.cls)).parent)
        except (TypeError, OSError):
            return exception_line(error)


def validation_folders(dataset: Dataset) -> Sequence[Pair] | None:
    """The pairs of the two validation folders that any layout can have; None where they are not set.

    Raises
    ------
    UserError : a folder that is missing or empty, or that is that of the training clips too.
    """
    noisy, training = dataset.noisy_valid_files_path, (dataset.noisy_train_files_path, dataset.shards_path)
    if noisy is not None and noisy.resolve() in [path.resolve() for path in training if path is not None]:
        raise UserError(f"dataset.noisy_valid_files_path: {noisy} is the folder of the training clips too")
    return Folders(dataset).pairs("valid")
