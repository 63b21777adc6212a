"""Blocks of a report's section: text, tables, figures, players. The template defines their appearance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from markupsafe import Markup

__all__ = [
    "Block",
    "Cell",
    "Code",
    "Heading",
    "Notes",
    "Picture",
    "Pictures",
    "Player",
    "PlayerImage",
    "PlayerVersion",
    "Section",
    "Table",
    "Text",
]


@dataclass(frozen=True)
class Text:
    """A paragraph."""

    kind: ClassVar[str] = "text"
    text: str


@dataclass(frozen=True)
class Heading:
    """Heading within a section."""

    kind: ClassVar[str] = "heading"
    text: str


@dataclass(frozen=True)
class Notes:
    """A list of sentences."""

    kind: ClassVar[str] = "notes"
    notes: Sequence[str]


@dataclass(frozen=True)
class Code:
    """Lines of a file or of commands; folded, only its caption is seen at first."""

    kind: ClassVar[str] = "code"
    text: str
    caption: str = ""
    folded: bool = False


@dataclass(frozen=True)
class Cell:
    """A cell of a table.

    Attributes
    ----------
    tone : "" as it is, or good, bad, quiet.
    bar : from 0 to 1, drawn beside the text; None for none. More than 1 is drawn as 1, and as bad.
    mark : from 0 to 1, a line on the bar.
    svg : a small drawing in place of the text, which is then its alternative.
    detail : a second line, smaller.
    href : where the text leads; "" is nowhere.
    """

    text: str = ""
    tone: str = ""
    bar: float | None = None
    mark: float | None = None
    svg: Markup | None = None
    detail: str = ""
    href: str = ""


@dataclass(frozen=True)
class Table:
    """Rows of cells.

    Attributes
    ----------
    headings : of the columns.
    kinds : of the columns, a letter each: t words, n numbers, b bars, c code (names in a model).
    rules : indices of rows that a line is drawn before.
    folded : only the caption is seen at first.
    """

    kind: ClassVar[str] = "table"
    headings: Sequence[str]
    kinds: str
    rows: Sequence[Sequence[Cell]]
    caption: str = ""
    rules: Sequence[int] = ()
    folded: bool = False


@dataclass(frozen=True)
class Picture:
    """A drawing with a text alternative."""

    svg: Markup
    title: str
    caption: str = ""
    wide: bool = False


@dataclass(frozen=True)
class Pictures:
    """Drawings beside each other, as many as there is room for."""

    kind: ClassVar[str] = "pictures"
    pictures: Sequence[Picture]


@dataclass(frozen=True)
class PlayerVersion:
    """A version of a clip in a player: its sound and its spectrogram as data URIs."""

    label: str
    sound: str
    spectrogram: str
    scores: str = ""


@dataclass(frozen=True)
class PlayerImage:
    """A picture below a player that has the same time axis."""

    label: str
    image: str
    scale: str = ""


@dataclass(frozen=True)
class Player:
    """A clip in several versions.

    Attributes
    ----------
    seconds : of the sound.
    khz : the highest frequency of the spectrograms.
    chosen : index of the version that is selected first.
    """

    kind: ClassVar[str] = "player"
    id: str
    title: str
    about: str
    seconds: float
    khz: float
    versions: Sequence[PlayerVersion]
    images: Sequence[PlayerImage] = ()
    chosen: int = 0


Block = Text | Heading | Notes | Code | Table | Pictures | Player


@dataclass(frozen=True)
class Section:
    """A part of the page."""

    id: str
    title: str
    blocks: Sequence[Block] = field(default_factory=list)
