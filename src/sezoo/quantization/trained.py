"""The plan of a network that was trained with its integers, which its float model carries in its metadata."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from sezoo.base.errors import UserError
from sezoo.config.sections import Quantization
from sezoo.models.onnx_graph import copy_model, metadata_of, set_metadata
from sezoo.quantization.plan import Grid, Plan

__all__ = ["is_trained", "settings_of", "trained_plan", "with_plan"]

KEY = "sezoo.quantization_aware"
FORMAT = 1

SETTINGS = {
    *("weight_type", "activation_type", "per_channel", "reduce_range"),
    *("weight_overrides", "activation_overrides", "extra_options"),
}
"""Keys of `quantization` that decide, beside the plan, what is written."""

SETS = ("op_types", "in_float", "int16", "fixed_ranges", "activations_alone")
VALUES = ("int8_input", "unrounded", "input_floor")


def with_plan(model: onnx.ModelProto, plan: Plan, settings: Quantization) -> onnx.ModelProto:
    """A copy of a float model that carries the plan and the settings which its int8 models are to be written by."""
    carrying = copy_model(model)
    content: dict[str, Any] = {"format": FORMAT}
    content["settings"] = settings.model_dump(mode="json", include=SETTINGS)
    content |= {name: sorted(getattr(plan, name)) for name in SETS} | {name: getattr(plan, name) for name in VALUES}
    content["ranges"] = {name: [float(low), float(high)] for name, (low, high) in plan.ranges.items()}
    content["grids"] = {
        name: {"scale": _text(grid.scale, "<f4"), "zero_point": _text(grid.zero_point, "<i4"), "axis": grid.axis}
        for name, grid in plan.grids.items()
    }
    set_metadata(carrying, KEY, json.dumps(content))
    return carrying


def is_trained(model: onnx.ModelProto) -> bool:
    """Whether a float model carries such a plan."""
    return KEY in metadata_of(model)


def trained_plan(model: onnx.ModelProto, path: Path) -> Plan:
    """The plan that a float model carries.

    Raises
    ------
    UserError : it is damaged, or of another graph.
    """
    content = _content(model, path)
    try:
        plan = Plan(
            model,
            model,
            {name: (np.float32(low), np.float32(high)) for name, (low, high) in content["ranges"].items()},
            tuple(content["op_types"]),
            in_float=frozenset(content["in_float"]),
            int16=frozenset(content["int16"]),
            fixed_ranges=frozenset(content["fixed_ranges"]),
            activations_alone=frozenset(content.get("activations_alone", ())),  # older files have none
            grids={
                name: Grid(_array(grid["scale"], "<f4"), _array(grid["zero_point"], "<i4"), grid["axis"])
                for name, grid in content["grids"].items()
            },
        )
        plan = replace(plan, **{name: content[name] for name in VALUES})
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise _damaged_error(path) from error
    there = {name for node in model.graph.node for name in (*node.input, *node.output)}
    if missing := plan.grids.keys() - there:
        raise UserError(
            f"{path} was trained with its integers, but its graph has been changed since: the tensor "
            f"'{min(missing)}' is missing; quantize the file as training has written it"
        )
    return plan


def settings_of(model: onnx.ModelProto, path: Path, settings: Quantization) -> Quantization:
    """The settings that a float model was trained for, in the place of those that the user has left open.

    Raises
    ------
    UserError : what it carries is damaged; the user has set one to something else.
    """
    try:
        trained = Quantization(**_content(model, path)["settings"])
    except (LookupError, TypeError, ValueError) as error:
        raise _damaged_error(path) from error
    now = settings.model_dump(mode="json", include=SETTINGS)
    for key, value in trained.model_dump(mode="json", include=SETTINGS).items():
        if now[key] == value or key == "extra_options":  # most of them are of calibration
            continue
        own = "weight_bits" if key == "weight_type" and settings.weight_bits is not None else key
        if own in settings.model_fields_set:
            raise UserError(
                f"quantization.{own}: found {getattr(settings, own)!r}, but {path} was trained with its integers "
                f"(training.quantization_aware) for {key} {value!r}; leave it out, or train again"
            )
    return settings.model_copy(update={key: getattr(trained, key) for key in SETTINGS})


def _content(model: onnx.ModelProto, path: Path) -> dict[str, Any]:
    try:
        content = json.loads(metadata_of(model)[KEY])
    except ValueError as error:
        raise _damaged_error(path) from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise _damaged_error(path)
    return content


def _damaged_error(path: Path) -> UserError:
    return UserError(f"{path}: its entry {KEY} is damaged, or of a later version; quantize the file as it was written")


def _text(values: np.ndarray, dtype: str) -> list[Any]:
    """An array as its shape and its bytes: thousands of numbers would be long, and not exact, as text."""
    array = np.asarray(values).astype(dtype)
    return [list(array.shape), base64.b64encode(array.tobytes()).decode("ascii")]


def _array(text: list[Any], dtype: str) -> np.ndarray:
    shape, data = text
    native = {"<f4": np.float32, "<i4": np.int32}[dtype]
    return np.frombuffer(base64.b64decode(data), dtype).reshape(shape).astype(native)
