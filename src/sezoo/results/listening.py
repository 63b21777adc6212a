"""Clips of a run that are saved for listening, with writer and reader."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import AfterValidator

from sezoo.results.result_file import ResultFile
from sezoo.results.scores import MetricName

__all__ = ["FOLDER", "MASKS", "ListenedClip", "ListenedVersion", "ListeningIndex"]

FOLDER = "listen"
"""In the run's folder; each clip has a folder of its own in it, named by why it was chosen."""

MASKS = "masks.npz"


def _plain_name(name: str) -> str:
    if Path(name).name != name:
        raise ValueError("it is no plain name")
    return name


PlainName = Annotated[str, AfterValidator(_plain_name)]


@dataclass(frozen=True)
class ListenedVersion:
    """One version of a clip.

    Attributes
    ----------
    name : in files: "noisy", "float", "int8_board", "clean".
    label : for people.
    file : its waveform, 16 bits, in the clip's folder.
    scores : of the whole clip, by metric.
    """

    name: str
    label: str
    file: PlainName
    scores: Mapping[MetricName, float]


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

    folder: PlainName
    name: str
    why: str
    metric: MetricName | None
    change: float | None
    sample_rate: int
    start: float
    seconds: float
    clip_seconds: float
    hop_length: int
    masks: Sequence[str]
    versions: Sequence[ListenedVersion]


@dataclass(frozen=True)
class ListeningIndex(ResultFile):
    """The clips that were kept to listen to.

    Attributes
    ----------
    clips : in the order in which they are shown.
    """

    file_name: ClassVar[str] = "index.json"

    clips: Sequence[ListenedClip]
