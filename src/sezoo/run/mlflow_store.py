"""Tracking a run in a local folder, in the format of MLflow's file store.

The format is a handful of small text files, and frozen: MLflow 3 calls it "in maintenance mode" and opens it
only with MLFLOW_ALLOW_FILE_STORE=true, but every release reads it. Importing `mlflow` to write them costs
more time than quantizing a model on 60 clips; the tests read what is written here with `mlflow` itself.
"""

from __future__ import annotations

import hashlib
import shutil
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from sezoo.base.files import atomic_folder, read_text, write_text
from sezoo.base.inner_path import safe_name
from sezoo.base.yaml_text import dump_yaml, load_yaml

__all__ = ["FolderTracker"]

STATUS = {"RUNNING": 1, "FINISHED": 3, "FAILED": 4, "KILLED": 5}
LOCAL_SOURCE = 4  # MLflow's SourceType for a program on the user's machine


class FolderTracker:
    """A run in a folder that `mlflow ui --backend-store-uri FOLDER` shows.

    Parameters
    ----------
    store : the folder of all experiments.
    experiment : name of the experiment; it is made if it is not there.
    parameters, tags : of the run, by name.
    """

    def __init__(
        self,
        store: Path,
        experiment: str,
        run_name: str,
        parameters: Mapping[str, str],
        tags: Mapping[str, str] = MappingProxyType({}),
    ):
        experiment_folder = _experiment_folder(store, experiment)
        run_id = uuid.uuid4().hex
        self.folder = experiment_folder / run_id
        self.meta: dict[str, Any] = {
            "artifact_uri": (self.folder / "artifacts").as_uri(),
            "end_time": None,
            "entry_point_name": "",
            "experiment_id": experiment_folder.name,
            "lifecycle_stage": "active",
            "run_id": run_id,
            "run_name": run_name,
            "run_uuid": run_id,
            "source_name": "",
            "source_type": LOCAL_SOURCE,
            "source_version": "",
            "start_time": _now(),
            "status": STATUS["RUNNING"],
            "tags": [],
            "user_id": "unknown",
        }
        with atomic_folder(
            self.folder
        ) as temporary:  # MLflow takes every file in these folders for a parameter or a tag
            (temporary / "artifacts").mkdir()
            _write_yaml(temporary / "meta.yaml", self.meta)
            write_text(temporary / "tags" / "mlflow.runName", run_name)
            for name, value in tags.items():
                write_text(temporary / "tags" / safe_name(name), value)
            for name, value in parameters.items():
                write_text(temporary / "params" / safe_name(name), value)

    def metrics(self, values: Mapping[str, float], step: int = 0) -> None:
        """Track numbers by name, those of an epoch with its number as the step."""
        for name, value in values.items():
            path = self.folder / "metrics" / safe_name(name)
            path.parent.mkdir(exist_ok=True)
            with path.open("a", encoding="utf-8", newline="\n") as file:
                file.write(f"{_now()} {float(value)} {step}\n")

    def artifact(self, path: Path, folder: str) -> None:
        """Track a copy of a file, in a folder of the run's artifacts."""
        target = self.folder / "artifacts" / folder
        target.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target / path.name)

    def end(self, status: str, error: str = "") -> None:
        """Say how the run ended: FINISHED, FAILED or KILLED."""
        if error:
            write_text(self.folder / "tags" / "error", error)
        self.meta.update(status=STATUS[status], end_time=_now())
        _write_yaml(self.folder / "meta.yaml", self.meta)


def _experiment_folder(store: Path, name: str) -> Path:
    """The folder of the experiment of that name, made if there is none."""
    for meta in sorted(store.glob("*/meta.yaml")):
        if _read_yaml(meta).get("name") == name:
            return meta.parent
    # From the name, not drawn: two runs that start at the same time make the same experiment.
    folder = store / str(int(hashlib.sha256(name.encode(errors="backslashreplace")).hexdigest(), 16) % 10**18).zfill(18)
    (store / ".trash").mkdir(parents=True, exist_ok=True)  # MLflow looks for it
    now = _now()
    _write_yaml(
        folder / "meta.yaml",
        {
            "artifact_location": folder.as_uri(),
            "creation_time": now,
            "experiment_id": folder.name,
            "last_update_time": now,
            "lifecycle_stage": "active",
            "name": name,
        },
    )
    return folder


def _now() -> int:
    """Milliseconds since 1970."""
    return int(time.time() * 1000)


def _read_yaml(path: Path) -> dict[str, Any]:
    return load_yaml(read_text(path), str(path)) or {}


def _write_yaml(path: Path, content: Mapping[str, Any]) -> None:
    write_text(path, dump_yaml(dict(content)))
