"""Identity of a training that resumes from a snapshot: its settings and the sources of its examples."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sezoo.base.text import pluralize
from sezoo.config.plain_data import to_dict
from sezoo.config.sections import Config
from sezoo.training.examples import ExampleSource

__all__ = ["data_of_snapshot", "recordings_in_detail", "settings_of_snapshot"]


def settings_of_snapshot(config: Config) -> dict[str, Any]:
    """Return the settings that a snapshot must share with the training that resumes from it, without epochs."""
    plain = to_dict(config)
    keys = (
        "optimizer",
        "optimizer_arguments",
        "lr_schedule",
        "lr_scheduler",
        "loss",
        "pesq_weight",
        "cut_weight",
        "si_snr_weight",
        "teacher",
        "teacher_weight",
        "batch_size",
        "reference_metric",
        "select_by",
        "guards",
        "weight_averaging",
        "quantization_aware",
        "quantization_ranges",
        *(("loss_arguments",) if config.training.loss_arguments else ()),
    )
    training = {key: plain["training"][key] for key in keys}
    return {
        "model.model_type": config.model.model_type,
        "model.custom": config.model.custom,
        **{f"model_specific.{key}": value for key, value in plain["model_specific"].items()},
        **{f"preprocessing.{key}": value for key, value in plain["preprocessing"].items()},
        **{f"training.{key}": value for key, value in training.items()},
        "dataset.random_seed": config.dataset.random_seed,
        **(_quantization_settings(plain) if config.training.quantization_aware else {}),
    }


def _quantization_settings(plain: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that determine the integers a network is trained with."""
    keys = ("target", "weight_type", "activation_type", "per_channel", "accuracy_recovery", "op_types_to_quantize")
    return {f"quantization.{key}": plain["quantization"][key] for key in keys}


def data_of_snapshot(config: Config, sources: Sequence[ExampleSource]) -> dict[str, Any]:
    """Return the properties of the examples, by their name in messages."""
    keys = (
        *("bandwidth_range", "clip_seconds", "draw_by", "level_range", "num_training_samples"),
        *("num_validation_samples", "random_filters", "snr_range"),
        *("clean_share", "noise_share", "high_snr_share", "high_snr_range", "babble_share", "hum_share"),
        *("rumble_share", "reverberation_share", "reverberation_seconds", "rooms", "early_milliseconds"),
        *("microphone_share", "clipping_share", "clipping_range", "board_gain"),
    )
    dataset = to_dict(config)["dataset"]
    return {
        "the recordings": _recordings_text(sources),
        **{f"dataset.{key}": dataset[key] for key in keys},
    }


def _recordings_text(sources: Sequence[ExampleSource]) -> str:
    """Return the number of recordings, and a digest of their names."""
    paths = [path.name for source in sources for recordings in source.recordings for path in recordings.paths]
    digest = hashlib.sha256("\n".join(paths).encode(errors="backslashreplace")).hexdigest()
    return f"{pluralize(len(paths), 'file')}, names {digest[:8]}"


def recordings_in_detail(sources: Sequence[ExampleSource]) -> str:
    """Return the number of recordings, and a digest of their names, relative folders and sizes in bytes.

    The folders above may have other names on other machines.
    """
    facts: list[tuple[tuple[str, ...], int]] = []
    for source in sources:
        for recordings in source.recordings:
            parents = [path.parent.parts for path in recordings.paths]
            alike = [len(set(names)) == 1 for names in zip(*parents, strict=False)]
            above = alike.index(False) if False in alike else len(alike)
            facts += [(path.parts[above:], _bytes_of(path)) for path in recordings.paths]
    digest = hashlib.sha256(repr(facts).encode(errors="backslashreplace")).hexdigest()
    return f"{_recordings_text(sources)}, folders and sizes {digest[:8]}"


def _bytes_of(path: Path) -> int:
    """Size of a recording, or of the tar file that it is in."""
    return next(file for file in (path, *path.parents) if file.is_file()).stat().st_size
