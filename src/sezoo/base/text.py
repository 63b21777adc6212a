"""Helpers for the wording of messages."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

__all__ = ["closest_match", "did_you_mean_path", "pluralize", "shorten_middle", "there_are_only"]


def pluralize(count: int, noun: str) -> str:
    """`1 clip`, `2 clips`."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def there_are_only(count: int, noun: str) -> str:
    """`there is there_are_only 1 clip`, `there are there_are_only 2 clips`."""
    return f"there {'is' if count == 1 else 'are'} only {pluralize(count, noun)}"


def shorten_middle(name: str, longest: int) -> str:
    """Shorten a name in the middle, since tensor names begin and end with what matters."""
    if len(name) <= longest:
        return name
    head = (longest - 3) // 3
    return f"{name[:head]}...{name[len(name) - (longest - 3 - head) :]}"


def closest_match(word: str, words: Iterable[str], cutoff: float = 0.6) -> str | None:
    """Return the word most similar to `word`, ignoring case; None if none is similar."""
    import difflib  # needed for errors only

    by_lower = {candidate.lower(): candidate for candidate in reversed(list(words))}
    matches = difflib.get_close_matches(word.lower(), list(by_lower), n=1, cutoff=cutoff)
    return by_lower[matches[0]] if matches else None


def did_you_mean_path(missing: Path, words: Iterable[str] = ()) -> str:
    """Return `; did you mean NAME?` for a path that is not there, or nothing.

    Parameters
    ----------
    words : what might have been meant besides the files and folders beside the missing one.
    """
    try:
        beside = sorted(path.name for path in missing.parent.iterdir())
    except OSError:
        beside = []
    near = closest_match(missing.name, [*beside, *words])
    return f"; did you mean {missing.parent / near if near in beside else near}?" if near else ""
