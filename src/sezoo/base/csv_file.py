"""Tables as CSV: names that a spreadsheet would take for formulas are written as text, and read back as they were."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from sezoo.base.errors import UserError
from sezoo.base.files import reason_of, write_text

__all__ = ["csv_text", "read_csv", "write_csv"]

FORMULA = re.compile(r"'*[=+\-@\t\r]")
"""What a spreadsheet computes rather than shows. A quote before it makes it text, and is doubled where one is there."""


def csv_text(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table as text: UTF-8's characters only, a newline behind each row; None is an empty cell."""
    text = io.StringIO()
    # With this ending a carriage return inside a cell is quoted, which it has to be: alone it ends a row as well.
    writer = csv.writer(text, lineterminator="\r\n")
    lines = []
    for row in (columns, *rows):
        writer.writerow([_cell(value) for value in row])
        lines.append(text.getvalue().removesuffix("\r\n"))
        text.seek(0)
        text.truncate()
    return "".join(f"{line}\n" for line in lines)


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a table, whole or not at all; errors as of `sezoo.base.files.write_text`."""
    write_text(path, csv_text(columns, rows))


def read_csv(path: Path) -> list[dict[str, str]]:
    """The rows of a table by their columns; cells that are missing are empty.

    Raises
    ------
    UserError : the file cannot be read, or is no CSV.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.reader(file, strict=True))
    except OSError as error:
        raise UserError(f"cannot read {path}: {reason_of(error)}") from error
    except (csv.Error, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not CSV in UTF-8 ({error})") from error
    columns = rows[0] if rows else []
    return [{**dict.fromkeys(columns, ""), **dict(zip(columns, map(_text, row), strict=False))} for row in rows[1:]]


def _cell(value: object) -> object:
    """Format a cell: numbers unchanged, text escaped so that a spreadsheet reads it as text."""
    if not isinstance(value, str):
        return value
    return f"'{value}" if FORMULA.match(value) else value


def _text(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and FORMULA.match(cell) else cell
