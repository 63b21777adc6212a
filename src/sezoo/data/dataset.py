"""Parts of a data set: select, sample and read clips, checking each."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from sezoo.audio.clip import BadClipError
from sezoo.base.errors import UserError
from sezoo.base.text import pluralize, there_are_only
from sezoo.config.sections import Dataset
from sezoo.data.folders import some_names
from sezoo.data.layouts import layout_of, validation_folders
from sezoo.data.pair_names import to_nfc
from sezoo.data.pairs import Pair

__all__ = [
    "bad_clip_error",
    "clip_count",
    "log_skipped_clips",
    "sample",
    "test_pairs",
    "training_noisy_clips",
    "training_pairs",
    "usable_ones",
    "validation_pairs",
]

log = logging.getLogger(__name__)

Item = TypeVar("Item")


def training_noisy_clips(dataset: Dataset) -> list[Path]:
    """The noisy clips of the training set, sorted by name.

    Where the set has clean clips too, the two folders must match: a training folder that does not is
    not the one that was meant.

    Raises
    ------
    UserError : a folder that is not set, missing or empty; folders that do not match.
    """
    return [pair.noisy for pair in _part(dataset, "train")]


def training_pairs(dataset: Dataset) -> list[Pair]:
    """The pairs of the training set, sorted by name; each has a clean clip.

    Raises
    ------
    UserError : a folder that is not set, missing or empty; folders that do not match.
    """
    return _with_clean(_part(dataset, "train"), "train", dataset)


def validation_pairs(dataset: Dataset) -> list[Pair] | None:
    """The pairs of the validation part, sorted by name; None where there is none, and some are split off.

    Raises
    ------
    UserError : a folder that is missing or empty; folders that do not match, or that are those of the training.
    """
    pairs = validation_folders(dataset) or layout_of(dataset).pairs("valid")
    return None if pairs is None else _with_clean(pairs, "valid", dataset)


def test_pairs(dataset: Dataset) -> list[Pair]:
    """The test set's pairs, of which `num_test_samples` are drawn, sorted by name.

    A set without clean clips has pairs without them.

    Raises
    ------
    UserError : a folder that is not set, missing or empty; folders that do not match.
    """
    pairs = _part(dataset, "test")
    return sample(pairs, dataset.num_test_samples, dataset.random_seed, "dataset.num_test_samples")


test_pairs.__test__ = False  # not a test, whatever pytest makes of the name


def _part(dataset: Dataset, part: str) -> Sequence[Pair]:
    pairs = layout_of(dataset).pairs(part)
    if pairs is None:
        raise UserError(f"dataset.name: {dataset.name} has no {part} part")
    return pairs


def _with_clean(pairs: Sequence[Pair], part: str, dataset: Dataset) -> list[Pair]:
    if without := next((pair for pair in pairs if pair.clean is None), None):
        if dataset.name == "custom":
            raise UserError(f"dataset.clean_{part}_files_path: not set; a folder of clips is needed")
        raise UserError(f"dataset.name: {dataset.name}: {without.name} has no clean clip, which training needs")
    return list(pairs)


def sample(items: Sequence[Item], amount: int | float | None, seed: int | None, key: str) -> list[Item]:
    """Draw a sample of `items` (paths or pairs) that is the same on every machine.

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
    count = clip_count(amount, len(items))
    if count > len(items):
        log.warning("%s: %d asked for, but %s: all are used", key, count, there_are_only(len(items), "clip"))

    def rank(index: int) -> bytes:
        item = items[index]
        name = item.name if isinstance(item, (Pair, Path)) else str(item)
        # Names that are no UTF-8 reach Python as surrogates, which plain encoding refuses.
        return hashlib.sha256(f"{seed or 0}/{to_nfc(name)}".encode("utf-8", "surrogatepass")).digest()

    return [items[index] for index in sorted(sorted(range(len(items)), key=rank)[:count])]


def clip_count(amount: int | float, of: int) -> int:
    """Number of clips for an absolute number (int) or a share (float, at least one clip)."""
    return max(1, round(amount * of)) if isinstance(amount, float) else amount


def usable_ones(outcomes: Iterable[Item | BadClipError], of: int, *, skip_bad: bool) -> Iterator[Item]:
    """Yield the results for all usable clips; unusable ones are logged at the end.

    Parameters
    ----------
    outcomes : result of each of `of` clips, or the error of an unusable one.

    Raises
    ------
    UserError : a clip that cannot be used, unless `skip_bad`; no clip that can.
    """
    left_out: list[BadClipError] = []
    for outcome in outcomes:
        if not isinstance(outcome, BadClipError):
            yield outcome
        elif skip_bad:
            left_out.append(outcome)
        else:
            raise bad_clip_error(outcome) from outcome
    log_skipped_clips(left_out, of)


def bad_clip_error(bad: BadClipError) -> UserError:
    """Error for an unusable clip when bad clips are not skipped."""
    return UserError(f"{bad.path}: {bad.reason}; set dataset.skip_bad_files: true to leave such clips out")


def log_skipped_clips(left_out: Sequence[BadClipError], of: int) -> None:
    """Log the clips that are skipped.

    Raises
    ------
    UserError : that is all of them.
    """
    for bad in left_out:
        log.warning("left out %s: %s", bad.path, bad.reason)
    if left_out:
        names = some_names([bad.path.name for bad in left_out])
        log.warning("%d of %s left out: %s", len(left_out), pluralize(of, "clip"), names)
    if len(left_out) == of:
        raise UserError(f"none of the {of} clips can be used; the first is {left_out[0].path}")
