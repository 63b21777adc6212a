"""The page of a run made again, or runs compared on one page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sezoo.base.errors import UserError
from sezoo.base.files import display_path, write_text
from sezoo.base.progress import working
from sezoo.results.names import REPORT

__all__ = ["write_report"]


def write_report(runs: Sequence[Path], output: Path | None = None, *, overwrite: bool = False) -> Path:
    """Write the page, and say which file it is. A run's own page in its folder is made again without being asked.

    Parameters
    ----------
    runs : folders of runs.
    output : the page; None is that of the run, or, of several, one in the working directory.
    overwrite : replace a file that is there.

    Raises
    ------
    UserError : a folder that is none of a run; a page that already exists.
    """
    several = len(runs) > 1
    target = output or (Path(REPORT) if several else runs[0] / REPORT)
    if target.is_dir():
        raise UserError(f"-o: {target} is a folder; name the file to write, such as {target / REPORT}")
    if target.exists() and (several or output) and not overwrite:
        raise UserError(
            f"{display_path(target)} already exists; name another file with -o, or replace it with --overwrite"
        )
    with working("comparing the runs" if several else "writing the report", in_log=True):
        # What draws and encodes takes seconds to load, during which something has to move already.
        from sezoo.report.comparison_page import comparison_of
        from sezoo.report.page import page_of

        page = comparison_of(runs, target.parent) if several else page_of(runs[0])
    write_text(target, page)
    return target
