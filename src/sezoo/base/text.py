"""Helpers for the wording of messages."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

__all__ = [
    "bytes_text",
    "closest_match",
    "count_text",
    "did_you_mean_path",
    "latency_text",
    "pluralize",
    "shorten_middle",
    "there_are_only",
]


def pluralize(count: int, noun: str) -> str:
    """`1 clip`, `2 clips`."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def there_are_only(count: int, noun: str) -> str:
    """`there is only 1 clip`, `there are only 2 clips`."""
    return f"there {'is' if count == 1 else 'are'} only {pluralize(count, noun)}"


def bytes_text(size: float | None) -> str:
    """`512 B`, `96 KiB`, `1.53 MiB`; empty for None."""
    if size is None:
        return ""
    for unit, whole in (("MiB", 1 << 20), ("KiB", 1 << 10)):
        if size >= 0.9995 * whole:
            return f"{size / whole:.3g} {unit}" if size < 999.5 * whole else f"{size / whole:.0f} {unit}"
    return f"{size:.0f} B"


def count_text(count: float | None) -> str:
    """`870`, `12.4 k`, `63.5 M`, `1.59 G`; empty for None."""
    if count is None:
        return ""
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if count >= 0.9995 * size:
            return f"{count / size:.3g} {unit}"
    return f"{count:.0f}"


def latency_text(milliseconds: float) -> str:
    """`25 ms`, `22.5 ms`, `10025 ms`: the same wherever a latency is shown."""
    return f"{milliseconds:.1f}".removesuffix(".0") + " ms"


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
