"""Experiment tracking: parameters, metrics and models of a run in MLflow and ClearML, and how the run ended."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol
from urllib.parse import urlparse
from urllib.request import url2pathname

from sezoo.base.errors import UserError
from sezoo.base.files import reason_of
from sezoo.base.foreign_text import to_encodable
from sezoo.base.inner_path import safe_name
from sezoo.base.processes import is_helper
from sezoo.base.version import __version__
from sezoo.config.plain_data import to_dict, without_environment
from sezoo.config.sections import Config
from sezoo.run.clearml import ClearmlTracker, check_clearml

__all__ = ["Tracker", "start_tracking"]

log = logging.getLogger(__name__)


class Tracker(Protocol):
    """Tracker of a run's metrics and files."""

    def metrics(self, values: Mapping[str, float], step: int = 0) -> None:
        """Track numbers by name, those of an epoch with its number as the step."""

    def artifact(self, path: Path, folder: str) -> None:
        """Track a copy of a file, in a folder of the run's artifacts."""

    def end(self, status: str, error: str = "") -> None:
        """Say how the run ended: FINISHED, FAILED or KILLED."""


class Trackers:
    """Tracks in several places, or in none; a failure of one of them is logged, and only its own entry is lost."""

    def __init__(self, *trackers: Tracker):
        self.trackers = trackers

    def metrics(self, values: Mapping[str, float], step: int = 0) -> None:
        """Track numbers by name, those of an epoch with its number as the step."""
        for tracker in self.trackers:
            with _log_failures():
                tracker.metrics(values, step)

    def artifact(self, path: Path, folder: str) -> None:
        """Track a copy of a file, in a folder of the run's artifacts."""
        for tracker in self.trackers:
            with _log_failures():
                tracker.artifact(path, folder)

    def end(self, status: str, error: str = "") -> None:
        """Say how the run ended: FINISHED, FAILED or KILLED."""
        for tracker in self.trackers:
            with _log_failures():
                tracker.end(status, error)


@contextmanager
def start_tracking(config: Config, folder: Path) -> Iterator[Tracker]:
    """Start to track a run at `mlflow.uri`; it ends as FINISHED, FAILED or KILLED with this context.

    A local folder is written to directly; for every other address the `mlflow` package is needed. With
    `tracking.clearml` the run is a task in ClearML as well. Of several processes (torchrun) only the first tracks.

    Raises
    ------
    UserError : the address cannot be used; ClearML is wanted, and not installed or not configured.
    """
    tracker = _tracker(config, folder)
    try:
        yield tracker
    except KeyboardInterrupt:
        tracker.end("KILLED")
        raise
    except BaseException as error:
        tracker.end("FAILED", without_environment(config, str(error)))
        raise
    tracker.end("FINISHED")


@contextmanager
def _log_failures() -> Iterator[None]:
    """A server that goes away, or a full disk, once a run is at work costs the entry there and not the run."""
    try:
        yield
    except Exception as error:  # OSError, MlflowException, and what MLflow's stores and their drivers raise
        log.warning("tracking: part of the run could not be recorded: %s", _first_line(error))


def _tracker(config: Config, folder: Path) -> Tracker:
    if is_helper():
        return Trackers()
    tags = _tags(config)
    parameters = {key: to_encodable(str(value)) for key, value in _flat(to_dict(config))}
    if config.tracking.clearml:
        check_clearml()
    trackers = [] if not config.mlflow.uri else [_mlflow_tracker(config, folder, parameters, tags)]
    if config.tracking.clearml:
        with _log_failures():
            trackers.append(ClearmlTracker(config.general.project_name, _run_name(folder), parameters, tags))
    return Trackers(*trackers)


def _tags(config: Config) -> dict[str, str]:
    """Return the tags of a run: its operation and its model."""
    model = config.model
    path = model.onnx_path or model.state_dict_path or model.denoised_path
    name = path.stem if path is not None else str(model.function or model.custom or model.model_type or "")
    tags = {"service": config.operation_mode, "model": name, "sezoo": __version__}
    return {key: to_encodable(value) for key, value in tags.items() if value}


def _mlflow_tracker(config: Config, folder: Path, parameters: Mapping[str, str], tags: Mapping[str, str]) -> Tracker:
    uri, address = config.mlflow.uri, to_dict(config)["mlflow"]["uri"]  # the second one without what is secret in it
    try:
        if (store := _local_folder(uri)) is not None:
            from sezoo.run.mlflow_store import FolderTracker

            return FolderTracker(store, config.general.project_name, _run_name(folder), parameters, tags)
        return _client_tracker(uri, config.general.project_name, _run_name(folder), parameters, tags)
    except ImportError as error:
        raise UserError(
            f"mlflow.uri: {address} needs the package mlflow (pip install mlflow); a local folder needs nothing"
        ) from error
    except Exception as error:  # OSError here; there MlflowException, and what its stores and their drivers raise
        why = without_environment(config, _first_line(error))
        raise UserError(f"mlflow.uri: {address} cannot be used: {why} (empty turns tracking off)") from error


def _run_name(folder: Path) -> str:
    """The name of the run's folder; the runs of a multirun are numbered in a folder with a longer name."""
    return f"{folder.parent.name}/{folder.name}" if folder.name.isdecimal() else folder.name


def _first_line(error: Exception) -> str:
    words = reason_of(error) if isinstance(error, OSError) else str(error)
    return (words.strip() or type(error).__name__).splitlines()[0]


def _local_folder(uri: str) -> Path | None:
    """The folder that an address stands for, or None if it is none."""
    if uri.startswith("file:"):
        return Path(url2pathname(urlparse(uri).path)).absolute()
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]+:", uri) or uri == "databricks":
        return None  # a scheme; a single letter and a colon is a drive of Windows
    return (Path(uri).expanduser() if uri.startswith("~") else Path(uri)).absolute()


def _client_tracker(
    uri: str, experiment: str, run_name: str, parameters: Mapping[str, str], tags: Mapping[str, str]
) -> Tracker:
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # what a user works on is nobody else's business
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")  # an unreachable server is reported in seconds
    from mlflow import MlflowClient

    return ClientTracker(MlflowClient(tracking_uri=uri), experiment, run_name, parameters, tags)


class ClientTracker:
    """A run on a server or in a data base, by MLflow's own client."""

    def __init__(
        self,
        client: Any,
        experiment: str,
        run_name: str,
        parameters: Mapping[str, str],
        tags: Mapping[str, str] = MappingProxyType({}),
    ):
        self.client = client
        found = client.get_experiment_by_name(experiment)
        experiment_id = found.experiment_id if found else client.create_experiment(experiment)
        self.run_id = client.create_run(experiment_id, run_name=run_name, tags=dict(tags)).info.run_id
        for key, value in parameters.items():
            client.log_param(self.run_id, safe_name(key), value)

    def metrics(self, values: Mapping[str, float], step: int = 0) -> None:
        """Track numbers by name, those of an epoch with its number as the step."""
        for name, value in values.items():
            self.client.log_metric(self.run_id, safe_name(name), float(value), step=step)

    def artifact(self, path: Path, folder: str) -> None:
        """Track a copy of a file, in a folder of the run's artifacts."""
        self.client.log_artifact(self.run_id, str(path), folder)

    def end(self, status: str, error: str = "") -> None:
        """Say how the run ended: FINISHED, FAILED or KILLED."""
        if error:
            self.client.set_tag(self.run_id, "error", error)
        self.client.set_terminated(self.run_id, status)


def _flat(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """`{"a": {"b": 1}}` as `("a.b", 1)`."""
    for key, value in tree.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
