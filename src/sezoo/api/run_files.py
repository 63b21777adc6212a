"""The files of a run that there are."""

from __future__ import annotations

from pathlib import Path

from sezoo.results.names import REPORT

__all__ = ["file_there", "report_of"]


def file_there(path: Path) -> Path | None:
    """The file, or None."""
    return path if path.is_file() else None


def report_of(folder: Path) -> Path | None:
    """The page of a run, or None."""
    return file_there(folder / REPORT)
