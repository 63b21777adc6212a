"""Match clean to noisy recordings by name; ambiguous names are not matched."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

__all__ = ["Match", "match_names", "to_nfc"]

TOKEN = re.compile(r"\d+|[^\W\d_]+")

ROLES = frozenset(
    (
        *("noisy", "noise", "clean", "mix", "mixed", "mixture", "speech", "dry", "wet", "input", "source", "src"),
        *("target", "reference", "ref", "degraded", "deg", "original", "orig"),
    )
)
"""Words of a name that say what is in a file, not which one of many it is."""

Token = str | int
Key = Callable[[str], Hashable | None]


@dataclass(frozen=True)
class Match:
    """Result of matching names.

    Attributes
    ----------
    clean : for each noisy name the index of its clean one; None where there is no sure match for all of them.
    by : what they have in common; empty for the whole name.
    only_noisy, only_clean : names without a partner, by what most names have one; empty where all have.
    """

    clean: list[int] | None
    by: str = ""
    only_noisy: Sequence[str] = ()
    only_clean: Sequence[str] = ()


def to_nfc(name: str) -> str:
    """A name with composed characters (NFC): macOS and some archives hold an accent as a character of its own."""
    return unicodedata.normalize("NFC", name)


def match_names(noisy: Sequence[str], clean: Sequence[str]) -> Match:
    """Match names without their extensions, all of them one to one.

    The first of these that holds for all names: the names are the same; but for upper and lower case; but for words
    as "noisy" and "clean", separators, and zeros before numbers; the words and numbers of one name are a part of
    the other one, and of no further; a number is common to them, which has the same word before it in all names, or
    is the only one. Where numbers with different words before them would make different pairs, none is taken.
    """
    keys: list[tuple[str, Key]] = [
        ("", to_nfc),
        ("name, but for upper and lower case", lambda name: to_nfc(name).casefold()),
        ("name, but for words as noisy and clean", _identity),
    ]
    attempts = [_by_key(noisy, clean, key, key, by) for by, key in keys]
    for found in attempts:
        if found.clean is not None:
            return found
    if (order := _by_part(noisy, clean)) is not None:
        return Match(order, "a part of the name")
    numbered = [_by_key(noisy, clean, *keys, by) for by, *keys in _number_keys(noisy, clean)]
    orders = {tuple(found.clean): found for found in numbered if found.clean is not None}
    if len(orders) == 1:
        return next(iter(orders.values()))
    if orders:  # several, and nothing says which
        return Match(None, "", noisy, clean)
    return min([*attempts, *numbered], key=lambda found: len(found.only_noisy) + len(found.only_clean))


def _by_key(noisy: Sequence[str], clean: Sequence[str], noisy_key: Key, clean_key: Key, by: str) -> Match:
    """Names that have the same key, which no other name has."""
    noisy_at, clean_at = _indices(noisy, noisy_key), _indices(clean, clean_key)
    common = {key for key in noisy_at.keys() & clean_at.keys() if len(noisy_at[key]) == len(clean_at[key]) == 1}
    if len(common) == len(noisy) == len(clean):
        return Match([clean_at[noisy_key(name)][0] for name in noisy], by)
    matched = [{at[key][0] for key in common} for at in (noisy_at, clean_at)]
    left = [
        sorted(name for index, name in enumerate(names) if index not in these)
        for names, these in zip((noisy, clean), matched, strict=True)
    ]
    return Match(None, by, *left)


def _indices(names: Sequence[str], key: Key) -> Mapping[Hashable, list[int]]:
    at = defaultdict(list)
    for index, name in enumerate(names):
        if (value := key(name)) is not None:
            at[value].append(index)
    return at


def _tokens(name: str) -> tuple[Token, ...]:
    """The words and numbers of a name, in order."""
    found = TOKEN.findall(to_nfc(name).casefold())
    return tuple(int(token) if token[0].isdecimal() else token for token in found)


def _identity(name: str) -> tuple[Token, ...]:
    """Return the parts of a name that identify the recording."""
    return tuple(token for token in _tokens(name) if token not in ROLES)


# -- one name in the other ------------------------------------------------------------------------------


def _by_part(noisy: Sequence[str], clean: Sequence[str]) -> list[int] | None:
    if len(noisy) != len(clean):
        return None
    names = [[_identity(name) for name in each] for each in (noisy, clean)]
    if (order := _holders(*names)) is not None:
        return order
    if (order := _holders(*reversed(names))) is None:
        return None
    return [order.index(index) for index in range(len(noisy))]


def _holders(long: Sequence[tuple[Token, ...]], short: Sequence[tuple[Token, ...]]) -> list[int] | None:
    """Return, for each long name, the index of the only short name in it, if there is such a one-to-one mapping."""
    index = {name: position for position, name in enumerate(short)}
    if len(index) < len(short) or () in index:
        return None
    order = []
    for name in long:
        held = {index[part] for part in _parts(name) if part in index}
        if len(held) != 1:
            return None
        order += held
    return order if len(set(order)) == len(order) else None


def _parts(name: tuple[Token, ...]) -> Iterator[tuple[Token, ...]]:
    return (name[start:end] for start in range(len(name)) for end in range(start + 1, len(name) + 1))


# -- numbers --------------------------------------------------------------------------------------------


def _number_keys(noisy: Sequence[str], clean: Sequence[str]) -> Iterator[tuple[str, Key, Key]]:
    """Yield numbers that both sides may share: a description, and how to find them on each side."""
    labels = [set().union(*(_numbers(name) for name in names)) for names in (noisy, clean)]
    for label in sorted(set.intersection(*labels)):
        key = partial(_number_after, label)
        yield f"the number after {label!r}" if label else "the number", key, key
    yield "the number", _only_number, _only_number


def _numbers(name: str) -> Mapping[str, list[int]]:
    """Return the numbers of a name by the word before each; the word may be empty."""
    found = defaultdict(list)
    before: Token = ""
    for token in _tokens(name):
        if isinstance(token, int):
            found["" if isinstance(before, int) or before in ROLES else before].append(token)
        before = token
    return found


def _number_after(label: str, name: str) -> int | None:
    numbers = _numbers(name)[label]
    return numbers[0] if len(numbers) == 1 else None


def _only_number(name: str) -> int | None:
    numbers = [token for token in _tokens(name) if isinstance(token, int)]
    return numbers[0] if len(numbers) == 1 else None
