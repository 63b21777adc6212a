"""Translate the key names of version 4 of the model zoo; every file passes through this table once.

The code reads one name for each key, the one on the right in `RENAMED`. Messages repeat the name that the file has.
"""

import logging
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

__all__ = ["RENAMED", "RenamedKey", "Translation", "is_version_4", "respell", "translate"]

_log = logging.getLogger(__name__)


class RenamedKey(NamedTuple):
    """A key with two names.

    Attributes
    ----------
    new : its path in version 4.
    here : its path in the sections, the one that the code reads.
    before : whether versions 3.0 to 3.2 have it too, under the name that it has here.
    values : what it holds here by what it holds in version 4, where that differs.
    """

    new: str
    here: str
    before: bool = True
    values: Mapping[str, Any] | None = None


_PARAMETERS, _OPTIONS = "quantization.onnx_quant_parameters", "quantization.onnx_extra_options"

RENAMED: tuple[RenamedKey, ...] = (
    RenamedKey("model.model_name", "model.model_type"),
    RenamedKey("model.model_path", "model.onnx_path"),
    RenamedKey("dataset.dataset_name", "dataset.name"),
    RenamedKey(
        "quantization.granularity", "quantization.per_channel", values={"per_channel": True, "per_tensor": False}
    ),
    RenamedKey(f"{_PARAMETERS}.calibrate_method", "quantization.calibration_method"),
    RenamedKey(f"{_PARAMETERS}.op_types_to_quantize", "quantization.op_types_to_quantize"),
    RenamedKey(f"{_PARAMETERS}.nodes_to_quantize", "quantization.nodes_to_quantize", before=False),
    RenamedKey(f"{_PARAMETERS}.nodes_to_exclude", "quantization.nodes_to_exclude", before=False),
    RenamedKey(f"{_PARAMETERS}.weightType", "quantization.weight_type", before=False),
    RenamedKey(f"{_PARAMETERS}.activType", "quantization.activation_type", before=False),
    RenamedKey(f"{_OPTIONS}.weights_tensor_override", "quantization.weight_overrides", before=False),
    RenamedKey(f"{_OPTIONS}.activations_tensor_override", "quantization.activation_overrides", before=False),
    RenamedKey(_OPTIONS, "quantization.extra_options"),  # the rest of it: after the two keys above
)
"""All of them. A key of a section that is renamed itself stands before that section."""

_MARKS = ("quantizer", "granularity", "onnx_quant_parameters", "onnx_extra_options")
"""Keys of the section `quantization` that are in files of version 4 and in no others."""

_CALIBRATION = {"CalibMovingAverage": False}
"""The extra options of a file of version 4 without that section."""


@dataclass
class Translation:
    """Contents of a file with sezoo's key names.

    Attributes
    ----------
    tree : the sections; what was given is not changed.
    written : the path that the file has for a key, by the one that the code reads, where they differ.
    problems : one line each.
    leftover : unknown keys of version 4's inner sections, each with the path of its section.
    """

    tree: dict[str, Any]
    written: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    leftover: list[tuple[str, str]] = field(default_factory=list)

    def keys_here(self, keys: tuple[str | int, ...]) -> tuple[str | int, ...]:
        """The keys that lead to a value in `tree`, by those that lead to it in the file."""
        for here, new in self.written.items():
            names = tuple(new.split("."))
            if keys[: len(names)] == names:
                return (*here.split("."), *keys[len(names) :])
        return keys


def translate(raw: Mapping[str, Any], overridden: Collection[str] = ()) -> Translation:
    """Translate the contents of a file with key names of either version to sezoo's names.

    Where both names of a key are set, the new one wins, with a warning if they differ.

    Parameters
    ----------
    raw : sections by name.
    overridden : paths set on the command line, which win over the file's whatever their names are.
    """
    result = Translation({name: _deep_copy(value) for name, value in raw.items()})
    version_4 = is_version_4(raw, overridden)
    for key in RENAMED:
        _check_place(result, key)
        value = _pop_path(result.tree, key.new)
        if _is_empty(value):
            continue
        if key.values is not None:
            if str(value).strip().lower() not in key.values:
                result.problems.append(f"{key.new}: found {value!r}; allowed: {', '.join(key.values)}")
                continue
            value = key.values[str(value).strip().lower()]
        result.written[key.here] = key.new
        _set_path(result.tree, key.here, _choose_value(key, value, _get_path(result.tree, key.here), overridden))
    _take_leftover(result)
    if version_4 and "quantization" in result.tree:
        _set_default(result.tree, "quantization", "extra_options", dict(_CALIBRATION))
    return result


def _choose_value(key: RenamedKey, new: Any, old: Any, overridden: Collection[str]) -> Any:
    """The value of a key that may have both its names in a file."""
    if _is_empty(old) or _is_same(new, old):
        return new
    if by_command := _set_by_command(key.new, overridden):
        return new if key.new in by_command or not isinstance(old, Mapping) else {**old, **new}
    if by_command := _set_by_command(key.here, overridden):
        return old if key.here in by_command or not isinstance(new, Mapping) else {**new, **old}
    _log.warning("%s and %s are two names of one key and have different values; %s is used", key.new, key.here, key.new)
    return new


def _set_by_command(key: str, overridden: Collection[str]) -> set[str]:
    """The paths from the command line that are the key's or that of a key inside it."""
    return {path for path in overridden if f"{path}.".startswith(f"{key}.")}


def is_version_4(raw: Mapping[str, Any], overridden: Collection[str] = ()) -> bool:
    """Return whether a file has version 4's form, which has a different default of the extra options.

    Its section `quantization` says so, by a key that only version 4 has there. One that has no key of either form
    goes by `model`: version 4 calls its file `model_path`. Keys from the command line say nothing of the file.
    """
    quantization, model = raw.get("quantization"), raw.get("model")
    keys = set(quantization) if isinstance(quantization, Mapping) else set()
    keys = {name for name in keys if f"quantization.{name}" not in overridden}
    if keys & set(_MARKS):
        return True
    old = {key.here.partition(".")[2] for key in RENAMED if key.before and key.here.startswith("quantization.")}
    named = isinstance(model, Mapping) and not _is_empty(model.get("model_path"))
    return not keys & old and named and "model.model_path" not in overridden


def respell(message: str, written: Mapping[str, str]) -> str:
    """Replace key names in a message by those of the file."""
    for here, new in written.items():
        message = re.sub(rf"(?<![\w.]){re.escape(here)}(?![\w])", new, message)
    return message


def _check_place(result: Translation, key: RenamedKey) -> None:
    """Report a key of a renamed section that is written under the section's old name."""
    parent, _, name = key.new.rpartition(".")
    old_parent = next((other.here for other in RENAMED if other.new == parent), None)
    if old_parent is None or name not in (_get_path(result.tree, old_parent) or ()):
        return
    _pop_path(result.tree, f"{old_parent}.{name}")
    result.problems.append(f"{old_parent}.{name}: unknown key; '{name}' is a key of {parent}")


def _take_leftover(result: Translation) -> None:
    """Collect the remaining keys of version 4's nested sections, which are all unknown."""
    left = _pop_path(result.tree, _PARAMETERS)
    if isinstance(left, Mapping):
        result.leftover += [(_PARAMETERS, str(name)) for name in left]
    elif not _is_empty(left):
        result.problems.append(f"{_PARAMETERS}: found {left!r}; allowed: a mapping of keys to values")


def _deep_copy(value: Any) -> Any:
    return {key: _deep_copy(entry) for key, entry in value.items()} if isinstance(value, Mapping) else value


def _is_empty(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def _is_same(one: Any, other: Any) -> bool:
    return one == other or str(one).strip().lower() == str(other).strip().lower()


def _get_path(tree: Any, path: str) -> Any:
    """Return the value at a path of nested mappings, or None."""
    for name in path.split("."):
        tree = tree.get(name) if isinstance(tree, Mapping) else None
    return tree


def _pop_path(tree: dict[str, Any], path: str) -> Any:
    """Remove and return the value at a path."""
    parent, _, name = path.rpartition(".")
    section = _get_path(tree, parent)
    return section.pop(name, None) if isinstance(section, dict) else None


def _set_default(tree: dict[str, Any], section: str, key: str, value: Any) -> None:
    """Set a key that is not set yet, also where the section is empty; what is no section stays as it is."""
    keys = tree[section] or {}
    if isinstance(keys, dict) and _is_empty(keys.get(key)):
        tree[section] = {**keys, key: value}


def _set_path(tree: dict[str, Any], path: str, value: Any) -> None:
    section, _, name = path.partition(".")
    tree[section][name] = value
