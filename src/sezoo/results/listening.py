"""The clips of a run that are worth listening to: what was kept of each, and where; written and read here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sezoo.base.errors import UserError
from sezoo.base.files import read_json, write_json

__all__ = ["FOLDER", "INDEX", "MASKS", "ListenedClip", "ListenedVersion", "read_index", "write_index"]

FOLDER = "listen"
"""In the run's folder; each clip has a folder of its own in it, named by why it was chosen."""

INDEX, MASKS = "index.json", "masks.npz"


@dataclass(frozen=True)
class ListenedVersion:
    """One version of a clip.

    Attributes
    ----------
    name : in files: "noisy", "float", "int8_board", "clean".
    label : for people.
    file : its wave, 16 bits, in the clip's folder.
    scores : of the whole clip, by metric.
    """

    name: str
    label: str
    file: str
    scores: Mapping[str, float]


@dataclass(frozen=True)
class ListenedClip:
    """One clip.

    Attributes
    ----------
    folder : of its files, in that of the index.
    name : of the noisy file.
    why : it was chosen, in a few words.
    metric, change : by what it was chosen; None where nothing could be scored.
    sample_rate : in Hz.
    start, seconds : of the excerpt that was kept, in the clip.
    clip_seconds : of the whole clip.
    hop_length : samples from frame to frame of the masks.
    masks : names of the versions whose masks are in `MASKS`: (bins, frames) float16 each.
    """

    folder: str
    name: str
    why: str
    metric: str | None
    change: float | None
    sample_rate: int
    start: float
    seconds: float
    clip_seconds: float
    hop_length: int
    masks: Sequence[str]
    versions: Sequence[ListenedVersion]


def write_index(clips: Sequence[ListenedClip], folder: Path) -> None:
    """Write `index.json` into the folder."""
    write_json(folder / INDEX, {"clips": [asdict(clip) for clip in clips]})


def read_index(folder: Path) -> list[ListenedClip]:
    """Read it; an empty list where there is none.

    Raises
    ------
    UserError : a file that is torn, or that something else has written.
    """
    path = folder / INDEX
    if not path.is_file():
        return []
    try:
        return [_clip(clip) for clip in read_json(path)["clips"]]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path}: it is no index of clips to listen to ({error}); run the evaluation again") from error


def _clip(content: dict[str, Any]) -> ListenedClip:
    versions = [ListenedVersion(**version) for version in content.pop("versions")]
    for name in (content["folder"], *(version.file for version in versions)):
        if Path(name).name != name:
            raise ValueError(f"{name!r} is no plain name")
    return ListenedClip(**content, versions=versions)
