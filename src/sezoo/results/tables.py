"""Display of results in Python: a short text, HTML in a notebook, a DataFrame if pandas is installed."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from sezoo.base.errors import UserError
from sezoo.base.foreign_text import to_one_line

if TYPE_CHECKING:
    import pandas

__all__ = ["Rounded", "Row", "Table"]

Row = Mapping[str, Any]

MOST_ROWS = 20
"""That a notebook shows of a table."""
LARGEST_FILE = 4 * 2**20
"""Bytes of a picture or a sound that a notebook keeps, which it does in base64."""
KINDS = {".png": "image/png", ".flac": "audio/flac", ".wav": "audio/wav"}


class Rounded(NamedTuple):
    """A number of an overview, with the format that its quantity has everywhere."""

    value: float
    form: str


class Table:
    """Base of results with rows. Subclasses define `lines` and `records`, and a shorter `overview` if needed."""

    def lines(self) -> Sequence[str]:
        """Three lines that tell what it is."""
        raise NotImplementedError

    def records(self) -> Sequence[Row]:
        """The rows by column: numbers, texts, and None where nothing is known."""
        raise NotImplementedError

    def overview(self) -> Sequence[Row]:
        """The rows that a notebook shows."""
        return self.records()

    def pictures(self) -> Mapping[str, Path]:
        """PNG files that a notebook shows, by what is in them."""
        return {}

    def sounds(self) -> Mapping[str, Path]:
        """FLAC or WAV files that a notebook plays, in order, by their labels."""
        return {}

    def to_dataframe(self) -> pandas.DataFrame:
        """The rows as a pandas DataFrame.

        Raises
        ------
        UserError : pandas is not installed.
        """
        try:
            import pandas
        except ImportError as error:
            raise UserError("to_dataframe needs the package pandas: pip install pandas") from error
        return pandas.DataFrame(self.records())

    def __repr__(self) -> str:
        return "\n".join(self.lines())

    def _repr_html_(self) -> str:
        """Return HTML for notebooks: the lines, the rows as a table, figures, and audio players.

        Files that are gone, or too large for a notebook, are left out.
        """
        title, *more = (escape(to_one_line(line)) for line in self.lines())
        rows = self.overview()
        columns = list(dict.fromkeys(key for row in rows for key in row))
        if len(rows) > MOST_ROWS:
            more.append(f"{MOST_ROWS} of {len(rows)} rows; to_dataframe() has all")
            rows = rows[:MOST_ROWS]
        cells = [f"<th>{escape(column)}</th>" for column in columns]
        body = "".join(f"<tr>{''.join(_cell(row.get(key)) for key in columns)}</tr>" for row in rows)
        table = f"<table><thead><tr>{''.join(cells)}</tr></thead><tbody>{body}</tbody></table>" if rows else ""
        addresses = {what: address for what, path in self.pictures().items() if (address := _address(path))}
        captions = {what: f"{escape(to_one_line(what))}<br>" if len(addresses) > 1 else "" for what in addresses}
        pictures = [
            f'<p>{captions[what]}<img src="{address}" alt="{escape(what, quote=True)}" '
            'style="max-width: 100%; background: white"></p>'
            for what, address in addresses.items()
        ]
        players = [
            f'<tr><td style="text-align: left">{escape(to_one_line(label))}</td>'
            f'<td><audio controls preload="metadata" src="{address}"></audio></td></tr>'
            for label, path in self.sounds().items()
            if (address := _address(path))
        ]
        heard = f"<table><tbody>{''.join(players)}</tbody></table>" if players else ""
        return f"<div><p><b>{title}</b><br>{'<br>'.join(more)}</p>{table}{''.join(pictures)}{heard}</div>"


def _address(path: Path) -> str | None:
    """Return a file as a data URI; None if it is missing, too large, or neither image nor sound."""
    try:
        kind = KINDS.get(path.suffix.lower())
        if kind is None or path.stat().st_size > LARGEST_FILE:
            return None
        return f"data:{kind};base64,{base64.b64encode(path.read_bytes()).decode()}"
    except OSError:
        return None


def _cell(value: Any) -> str:
    if value is None:
        return "<td></td>"
    if isinstance(value, float):
        value = Rounded(value, "{:.4g}")
    if isinstance(value, Rounded):
        return f'<td style="text-align: right">{value.form.format(value.value)}</td>'
    align = "right" if isinstance(value, int) and not isinstance(value, bool) else "left"
    return f'<td style="text-align: {align}">{escape(to_one_line(str(value)))}</td>'
