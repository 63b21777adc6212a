"""Tracking in ClearML, for those who ask for it with `tracking.clearml`."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Mapping
from pathlib import Path

from sezoo.base.errors import UserError

__all__ = ["ClearmlTracker", "check_clearml"]

VARIABLES = ("CLEARML_API_ACCESS_KEY", "CLEARML_CONFIG_FILE", "CLEARML_OFFLINE_MODE")
CONFIGURATION = "clearml.conf"
"""In the home folder; `clearml-init` writes it."""


def check_clearml() -> None:
    """Check that the package is installed, and that its own configuration has a server.

    Raises
    ------
    UserError : one of them is not so.
    """
    if importlib.util.find_spec("clearml") is None:
        raise UserError("tracking.clearml: found True, which needs the package clearml (pip install 'sezoo[clearml]')")
    if not any(os.environ.get(name) for name in VARIABLES) and not (Path.home() / CONFIGURATION).is_file():
        raise UserError(
            f"tracking.clearml: found True, but ClearML is not configured: there is no ~/{CONFIGURATION} (clearml-init "
            f"writes it), and none of {', '.join(VARIABLES)} is set"
        )


class ClearmlTracker:
    """A task in ClearML with what the tracking is given, and nothing that ClearML would collect by itself."""

    def __init__(self, project: str, name: str, parameters: Mapping[str, str], tags: Mapping[str, str]):
        from clearml import Task

        self.task = Task.init(
            project_name=project,
            task_name=name,
            tags=[f"{key}: {value}" for key, value in tags.items()],
            reuse_last_task_id=False,
            auto_connect_arg_parser=False,
            auto_connect_frameworks=False,
            auto_connect_streams=False,
            auto_resource_monitoring=False,
        )
        self.task.connect(dict(parameters), name="sezoo")

    def metrics(self, values: Mapping[str, float], step: int = 0) -> None:
        """Track numbers by name, those of an epoch with its number as the step."""
        logger = self.task.get_logger()
        for name, value in values.items():
            logger.report_scalar(name, name, float(value), iteration=step)

    def artifact(self, path: Path, folder: str) -> None:
        """Track a copy of a file, in a folder of the run's artifacts."""
        self.task.upload_artifact(f"{folder}/{path.name}", artifact_object=str(path), wait_on_upload=True)

    def end(self, status: str, error: str = "") -> None:
        """Say how the run ended: FINISHED, FAILED or KILLED."""
        if status == "FAILED":
            self.task.mark_failed(status_message=error or None)
        elif status == "KILLED":
            self.task.mark_stopped()
        self.task.close()
