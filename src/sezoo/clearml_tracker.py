"""Tracking in ClearML, for those who have it installed and configured; nobody else notices that it is there."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Mapping
from pathlib import Path

__all__ = ["ClearmlTracker", "clearml_is_configured"]

VARIABLES = ("CLEARML_API_ACCESS_KEY", "CLEARML_CONFIG_FILE", "CLEARML_OFFLINE_MODE")
CONFIGURATION = "clearml.conf"
"""In the home folder; `clearml-init` writes it."""


def clearml_is_configured() -> bool:
    """Whether the package is installed, and its own configuration says where to track."""
    if importlib.util.find_spec("clearml") is None:
        return False
    return any(os.environ.get(name) for name in VARIABLES) or (Path.home() / CONFIGURATION).is_file()


class ClearmlTracker:
    """A task in ClearML with what the tracking is given, and nothing that ClearML would collect by itself."""

    def __init__(self, project: str, name: str, parameters: Mapping[str, str]):
        from clearml import Task

        self.task = Task.init(
            project_name=project,
            task_name=name,
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
