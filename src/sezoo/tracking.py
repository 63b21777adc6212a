"""Experiment tracking with MLflow: parameters, metrics and models of a run, and how it ended."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sezoo.config.sections import Config
from sezoo.config.validation import to_dict
from sezoo.errors import UserError

__all__ = ["Tracker", "start_tracking"]

log = logging.getLogger(__name__)

PARAMETERS_A_CALL = 100
"""MLflow's limit."""


class Tracker:
    """Tracks nothing; what a run has where `mlflow.uri` is empty."""

    def metrics(self, values: Mapping[str, float]) -> None:
        """Track numbers by name."""

    def artifact(self, path: Path, folder: str) -> None:
        """Track a copy of a file, in a folder of the run's artifacts."""


class MLflowTracker(Tracker):
    """A run in MLflow."""

    def __init__(self, client: Any, run_id: str):
        self.client = client
        self.run_id = run_id

    def metrics(self, values: Mapping[str, float]) -> None:
        """Track numbers by name."""
        for name, value in values.items():
            self.client.log_metric(self.run_id, name, float(value))

    def artifact(self, path: Path, folder: str) -> None:
        """Track a copy of a file, in a folder of the run's artifacts."""
        self.client.log_artifact(self.run_id, str(path), folder)


@contextmanager
def start_tracking(config: Config, folder: Path) -> Iterator[Tracker]:
    """Start a run in MLflow at `mlflow.uri`; it ends as FINISHED, FAILED or KILLED with this context.

    Raises
    ------
    UserError : MLflow does not take the address.
    """
    if not config.mlflow.uri:
        yield Tracker()
        return
    client, run_id = _start(config, folder)
    try:
        yield MLflowTracker(client, run_id)
    except KeyboardInterrupt:
        client.set_terminated(run_id, "KILLED")
        raise
    except BaseException as error:
        client.set_tag(run_id, "error", str(error))
        client.set_terminated(run_id, "FAILED")
        raise
    client.set_terminated(run_id, "FINISHED")


def _start(config: Config, folder: Path) -> tuple[Any, str]:
    uri = config.mlflow.uri
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # a user's recordings and habits are nobody's business
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")  # a server that is away is told in seconds
    if not re.match(r"[a-z][a-z0-9+.-]+:", uri):  # a folder; one letter and a colon is a drive of Windows
        uri = Path(uri).absolute().as_uri()
    if uri.startswith("file:"):
        # MLflow 3 wants a data base; the folder of the reference's users keeps working all the same.
        os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
    import mlflow

    try:
        client = mlflow.MlflowClient(tracking_uri=uri)
        name = config.general.project_name
        experiment = client.get_experiment_by_name(name)
        experiment_id = experiment.experiment_id if experiment else client.create_experiment(name)
        run_id = client.create_run(experiment_id, run_name=folder.name).info.run_id
        parameters = [mlflow.entities.Param(key, str(value)) for key, value in _flat(to_dict(config))]
        for start in range(0, len(parameters), PARAMETERS_A_CALL):
            client.log_batch(run_id, params=parameters[start : start + PARAMETERS_A_CALL])
    except Exception as error:  # MlflowException, but also what its stores and their drivers raise
        reason = str(error).strip().splitlines()[0]
        raise UserError(f"mlflow.uri: {config.mlflow.uri} cannot be used: {reason} (empty turns tracking off)") from error
    return client, run_id


def _flat(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """`{"a": {"b": 1}}` as `("a.b", 1)`."""
    for key, value in tree.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
