"""Variety of voices and noises in validation: with few, the best epoch is the best only for those."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from sezoo.base.text import pluralize

__all__ = ["FEWEST", "variety_problem", "voices"]

FEWEST = 5
"""Voices, and noises, of a validation set that says something about others."""

SPEAKER = re.compile(r"([A-Za-z]*\d+)[_-].*")
"""Names of recordings that begin with the speaker's: p226_001 (VoiceBank), 84-121123-0000 (LibriSpeech)."""


def voices(paths: Sequence[Path]) -> int:
    """Voices of recordings, by the speakers that their names begin with; as many as recordings where they do not."""
    found = [SPEAKER.fullmatch(path.stem) for path in paths]
    return len({match[1] for match in found}) if found and all(found) else len(paths)


def variety_problem(speech: Sequence[Path], noise: Sequence[Path] | None = None) -> str | None:
    """Return why a validation set is not representative of other voices and noises, or None if it is.

    Parameters
    ----------
    speech : recordings of it.
    noise : of noise that is mixed to it; None where pairs are recorded, and nobody knows.
    """
    counts = {"voice": voices(speech)} | ({} if noise is None else {"noise": len(noise)})
    few = [pluralize(count, what) for what, count in counts.items() if count < FEWEST]
    if not few:
        return None
    return (
        f"the validation set has {' and '.join(few)}: with fewer than {FEWEST}, the epoch that is best for them may "
        "not be the best for others; more recordings help"
    )
