"""Pairs of clips in WebDataset tar shards: KEY.noisy.flac and KEY.clean.flac form an example."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from sezoo.audio.shard import SHARD, ShardError, members_of
from sezoo.base.errors import UserError
from sezoo.base.text import pluralize

__all__ = ["ShardPair", "pairs_in_shards"]

log = logging.getLogger(__name__)

KEY = "dataset.shards_path"
KINDS = ("noisy", "clean")
NAMES_IN_A_MESSAGE = 3


class ShardPair(NamedTuple):
    """The two members of an example, as paths into the shard."""

    noisy: Path
    clean: Path


def pairs_in_shards(path: Path, extensions: set[str], *, skip_bad: bool) -> list[ShardPair]:
    """All examples of a folder's shards, or of one shard, in the order of the shards' names and of their members.

    Members of other kinds (`KEY.json`, say) are passed over.

    Parameters
    ----------
    extensions : of recordings.
    skip_bad : leave out examples that lack a member, and name them in the log.

    Raises
    ------
    UserError : no such folder, no shards, one that cannot be read, an example that lacks a member, none at all.
    """
    shards = [path] if path.is_file() else _shards_in(path)
    found: list[ShardPair] = []
    incomplete: list[str] = []
    for shard in shards:
        for pair in _examples(shard, extensions):
            if isinstance(pair, ShardPair):
                found.append(pair)
            else:
                incomplete.append(pair)
    if incomplete:
        some = "; ".join(incomplete[:NAMES_IN_A_MESSAGE]) + ("; ..." if len(incomplete) > NAMES_IN_A_MESSAGE else "")
        message = f"{KEY}: {pluralize(len(incomplete), 'example')} with a missing member: {some}"
        if not skip_bad:
            raise UserError(f"{message}; set dataset.skip_bad_files: true to leave such examples out")
        log.warning("%s; left out", message)
    if not found:
        raise UserError(
            f"{KEY}: no examples in {path}; each is two members of a shard, KEY.noisy.EXT and KEY.clean.EXT, with the "
            f"ending of a recording ({', '.join(sorted(extensions))})"
        )
    log.info("%s: %s in %s", KEY, pluralize(len(found), "example"), pluralize(len(shards), "shard"))
    return found


def _shards_in(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise UserError(f"{KEY}: there is no folder or file {folder}")
    shards = sorted(path for path in folder.rglob(f"*{SHARD}") if path.is_file() and not path.name.startswith("."))
    if not shards:
        packed = next(iter(sorted(folder.rglob(f"*{SHARD}.*"))), None)
        hint = "" if packed is None else f"; {packed.name} is compressed, and nothing in it can be sought: unpack it"
        raise UserError(f"{KEY}: no {SHARD} files in {folder}{hint}")
    return shards


def _examples(shard: Path, extensions: set[str]) -> Iterator[ShardPair | str]:
    """Yield the examples of a shard, or a description of what is missing for incomplete ones."""
    try:
        members = members_of(shard)
    except ShardError as error:
        raise UserError(f"{KEY}: {shard}: {error}") from error
    halves: dict[str, dict[str, str]] = {}
    for name in members:
        folder, _, base = name.rpartition("/")
        key, _, ending = base.partition(".")  # as WebDataset takes names apart: at the first dot
        kind, _, extension = ending.partition(".")
        if kind not in KINDS or f".{extension.lower()}" not in extensions:
            continue
        example = halves.setdefault(f"{folder}/{key}" if folder else key, {})
        if kind in example:
            raise UserError(f"{KEY}: {shard}: '{example[kind]}' and '{name}' are both the {kind} member of one example")
        example[kind] = name
    for example in halves.values():
        if missing := next((kind for kind in KINDS if kind not in example), None):
            (there,) = example.values()
            yield f"{shard.name} has '{there}' without a {missing} member"
        else:
            yield ShardPair(*(shard / example[kind] for kind in KINDS))
