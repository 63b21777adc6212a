"""The report at the end of a run: written, logged and tracked; an error in it does not fail the run."""

from __future__ import annotations

import logging
from pathlib import Path

from sezoo.base.files import display_path
from sezoo.base.terminal import is_verbose
from sezoo.results.environment import write_environment
from sezoo.results.names import REPORT
from sezoo.run.run import Run

__all__ = ["REPORT", "write_run_report"]

log = logging.getLogger(__name__)


def write_run_report(run: Run) -> Path | None:
    """Write the report of a run that has done all its services.

    Returns
    -------
    path : of the page; None where it could not be written, which the log says with the reason, and with --debug where
        in the program.
    """
    try:
        from sezoo.report.judgement import judgement
        from sezoo.report.page import report_of  # what draws and encodes loads here
        from sezoo.results.run_results import read_run

        write_environment(run.folder)
        path = report_of(run.folder)
        judged = judgement(read_run(run.folder))
    except Exception as error:
        reason = str(error) or type(error).__name__
        log.warning("no report: %s", reason, exc_info=is_verbose())
        return None
    log.info("report: %s", display_path(path))
    if judged:
        log.info("%s", judged)
    run.tracker.artifact(path, "report")
    return path
