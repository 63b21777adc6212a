"""Results as people look at them in Python: three lines, a table in a notebook, a DataFrame where pandas is there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from sezoo.base.errors import UserError
from sezoo.base.foreign_text import to_one_line

if TYPE_CHECKING:
    import pandas

__all__ = ["Row", "Table"]

Row = Mapping[str, Any]


class Table:
    """A result that has rows. What has them says how: `lines` and `records`, and `overview` where it is shorter."""

    def lines(self) -> Sequence[str]:
        """Three lines that tell what it is."""
        raise NotImplementedError

    def records(self) -> Sequence[Row]:
        """The rows by column: numbers, texts, and None where nothing is known."""
        raise NotImplementedError

    def overview(self) -> Sequence[Row]:
        """The rows that a notebook shows."""
        return self.records()

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
        """For notebooks: the lines, and the rows as a table."""
        title, *more = (escape(to_one_line(line)) for line in self.lines())
        rows = self.overview()
        columns = list(dict.fromkeys(key for row in rows for key in row))
        cells = [f"<th>{escape(column)}</th>" for column in columns]
        body = "".join(f"<tr>{''.join(_cell(row.get(key)) for key in columns)}</tr>" for row in rows)
        table = f"<table><thead><tr>{''.join(cells)}</tr></thead><tbody>{body}</tbody></table>" if rows else ""
        return f"<div><p><b>{title}</b><br>{'<br>'.join(more)}</p>{table}</div>"


def _cell(value: Any) -> str:
    if value is None:
        return "<td></td>"
    if isinstance(value, float):
        return f'<td style="text-align: right">{value:.4g}</td>'
    align = "right" if isinstance(value, int) and not isinstance(value, bool) else "left"
    return f'<td style="text-align: {align}">{escape(to_one_line(str(value)))}</td>'
