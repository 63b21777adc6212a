"""Words of messages that more than one place needs."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["nearest", "only", "pluralize", "shortened"]


def pluralize(count: int, noun: str) -> str:
    """`1 clip`, `2 clips`."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def only(count: int, noun: str) -> str:
    """`there is only 1 clip`, `there are only 2 clips`."""
    return f"there {'is' if count == 1 else 'are'} only {pluralize(count, noun)}"


def shortened(name: str, longest: int) -> str:
    """A name of at most so many characters: cut in the middle, as names of tensors begin and end with what matters."""
    if len(name) <= longest:
        return name
    head = (longest - 3) // 3
    return f"{name[:head]}...{name[len(name) - (longest - 3 - head) :]}"


def nearest(word: str, words: Iterable[str], cutoff: float = 0.6) -> str | None:
    """The word that is most like `word`, whatever the case of the letters; None if none is."""
    import difflib  # needed for errors only

    by_lower = {candidate.lower(): candidate for candidate in reversed(list(words))}
    matches = difflib.get_close_matches(word.lower(), list(by_lower), n=1, cutoff=cutoff)
    return by_lower[matches[0]] if matches else None
