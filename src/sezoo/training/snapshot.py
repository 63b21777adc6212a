"""Snapshots: all that a training needs to go on as if it had never been stopped."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from sezoo.base.errors import UserError
from sezoo.base.files import atomic_write
from sezoo.models.torch.file import check_tensors, read_torch_file

__all__ = [
    "Snapshot",
    "changed_names",
    "load_snapshot",
    "on_cpu",
    "random_states",
    "save_snapshot",
    "set_random_states",
]

FORMAT = 1


@dataclass(frozen=True)
class Snapshot:
    """State at the end of an epoch, with tensors copied to the CPU.

    Attributes
    ----------
    settings : of the configuration that the state only fits with, by key.
    epoch : finished epochs.
    network, optimizer, schedule, average : state dicts; None for a schedule or a `WeightAverage` that there is not.
    best : of the best epoch: "epoch", "value" of the reference metric, and the "network"'s state dict.
    history : a row an epoch.
    random_states : of torch's generators.
    data : what the training has seen, by what it is called in messages.
    """

    settings: dict[str, Any]
    epoch: int
    network: dict[str, Any]
    optimizer: dict[str, Any]
    schedule: dict[str, Any] | None
    best: dict[str, Any]
    history: list[dict[str, Any]]
    random_states: dict[str, Any]
    average: dict[str, Any] | None = None
    data: dict[str, Any] = field(default_factory=dict)


def on_cpu(state: Any) -> Any:
    """A copy of a state dict that training does not change."""
    if isinstance(state, torch.Tensor):
        return state.detach().cpu().clone()
    if isinstance(state, Mapping):
        return {key: on_cpu(value) for key, value in state.items()}
    if isinstance(state, list | tuple):
        return type(state)(on_cpu(value) for value in state)
    return copy.deepcopy(state)


def random_states() -> dict[str, Any]:
    """The states of torch's generators on the CPU and on the GPUs."""
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    return {"cpu": torch.get_rng_state(), "cuda": cuda}


def set_random_states(states: dict[str, Any]) -> None:
    """Go on with random numbers where a snapshot stopped; GPUs that are not here any more are passed over."""
    torch.set_rng_state(states["cpu"])
    if torch.cuda.is_available() and len(states["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(states["cuda"])


def save_snapshot(snapshot: Snapshot, path: Path) -> None:
    """Write a snapshot, whole or not at all."""
    with atomic_write(path) as temporary:
        torch.save({"format": FORMAT, **asdict(snapshot)}, temporary)


def changed_names(known: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """The names whose values are others now; a snapshot of an earlier version may know fewer names."""
    return [name for name, value in now.items() if name in known and known[name] != value]


MAPPINGS = ("settings", "network", "optimizer", "best", "random_states", "data")
OPTIONAL_MAPPINGS = ("schedule", "average")


def _of_wrong_type(snapshot: Snapshot) -> str | None:
    """Return the first entry whose type differs from that of `save_snapshot`, or None."""
    for name in (*MAPPINGS, *OPTIONAL_MAPPINGS):
        value = getattr(snapshot, name)
        if not isinstance(value, dict) and not (value is None and name in OPTIONAL_MAPPINGS):
            return f"'{name}' is {type(value).__name__}, not a mapping"
    if type(snapshot.epoch) is not int or snapshot.epoch < 0:
        return f"'epoch' is {snapshot.epoch!r}, not a number of epochs"
    if not isinstance(snapshot.history, list) or not all(
        isinstance(row, dict) and "epoch" in row for row in snapshot.history
    ):
        return "'history' is not a list of rows"
    if not {"epoch", "value", "network"} <= snapshot.best.keys() or not isinstance(snapshot.best["network"], dict):
        return "'best' lacks the epoch, the value or the network"
    if not {"cpu", "cuda"} <= snapshot.random_states.keys() or not isinstance(
        snapshot.random_states["cpu"], torch.Tensor
    ):
        return "'random_states' lacks those of torch's generators"
    return None


def load_snapshot(path: Path, settings: dict[str, Any]) -> Snapshot:
    """Read a snapshot of a training with the same settings.

    Raises
    ------
    UserError : no such file, a file that is torn or no snapshot, or one of other settings; it names them.
    """
    key = "training.snapshot_path"
    if not path.is_file():
        raise UserError(f"{key}: there is no file {path}")
    try:
        content = read_torch_file(path)
        check_tensors(content, path)
    except UserError as error:
        raise UserError(f"{key}: {error}; take an earlier snapshot") from error
    if not isinstance(content, dict) or content.pop("format", None) != FORMAT:
        raise UserError(f"{key}: {path} is no snapshot of sezoo's training (weights go to model.state_dict_path)")
    try:
        snapshot = Snapshot(**content)
    except TypeError as error:
        raise UserError(f"{key}: {path} is no snapshot of sezoo's training: {error}") from error
    if wrong := _of_wrong_type(snapshot):
        raise UserError(f"{key}: {path} is no snapshot of sezoo's training, or a damaged one: {wrong}")
    known = snapshot.settings
    if other := changed_names(known, settings):
        name = other[0]
        raise UserError(
            f"{key}: {path} is of a training with {name}: {known[name]!r}, the configuration has "
            f"{settings[name]!r}"
            + (f" (and {len(other) - 1} more differ: {', '.join(other[1:])})" if other[1:] else "")
        )
    return snapshot
