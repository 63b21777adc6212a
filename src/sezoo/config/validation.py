"""Build a checked `Config` from the contents of a YAML file; every problem is reported in one line."""

import logging
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from sezoo.base.errors import UserError
from sezoo.base.text import closest_match, pluralize
from sezoo.config.allowed import RefusalError
from sezoo.config.modes import OPERATION_MODES, chain_problem, mode_problems, required_sections, steps
from sezoo.config.plain_data import keep_unexpanded, value_at
from sezoo.config.section import Section, allowed_text, choices_of, hint_of, section_of
from sezoo.config.sections import NETWORKS, SECTIONS, Config, CustomModelSpecific, Keys
from sezoo.config.values import expand, texts_from_environment
from sezoo.config.version_4 import RENAMED, Translation, respell, translate

__all__ = ["build_config", "missing_paths"]

_log = logging.getLogger(__name__)

_LONGEST_FOUND = 60  # characters of a value that an error message repeats
_ELSEWHERE = {
    **dict.fromkeys(("learning_rate", "lr"), "training.optimizer_arguments: {lr: ...}"),
    **dict.fromkeys(("scheduler", "lr_scheduler"), "training.lr_schedule"),
    **dict.fromkeys(("num_epochs", "max_epochs", "n_epochs"), "training.epochs"),
    **dict.fromkeys(("ema", "ema_decay"), "training.weight_averaging"),
    **dict.fromkeys(("grad_clip", "clip_grad_norm", "max_grad_norm"), "training.gradient_clipping"),
    **dict.fromkeys(("seed", "random_state"), "dataset.random_seed"),
    **dict.fromkeys(("num_workers",), "training.num_dataloader_workers or evaluation.num_workers"),
    **dict.fromkeys(("hop_size", "hop_len"), "preprocessing.hop_length"),
    **dict.fromkeys(("fs", "sr"), "preprocessing.sample_rate"),
}
"""What other tools of the field call some keys, and what those are here."""
_MAPPING = "a mapping of keys to values"


def build_config(raw: Mapping[str, Any], overridden: Collection[str] = ()) -> Config:
    """The configuration that `raw`, a YAML file's nested plain containers, describes; else a `UserError`.

    Parameters
    ----------
    overridden : paths of keys in `raw` that are from the command line, and not the file's own.
    """
    if not isinstance(raw, Mapping):
        raise UserError(f"configuration: found {_found_text(raw)}; allowed: a mapping of sections")
    tree = {str(name): value for name, value in raw.items() if name != "hydra"}  # that section is Hydra's own
    as_given = merge_general(tree)
    if as_given != tree:
        _log.warning("the section is called 'general', not 'general:general'; it is taken as 'general'")
    named = translate(expand(as_given), overridden)
    tree = named.tree
    tree.setdefault("model_specific", None)  # its default depends on model.model_type
    if _mode_problem(mode := tree.get("operation_mode")) is None:
        needs_keys = {"dataset"} if steps(str(mode)).startswith("t") else {"model", "dataset"}
        for name in set(required_sections(str(mode))) - needs_keys:  # all their keys have defaults
            tree.setdefault(name, {})

    problems = [*named.problems, *(_unknown_key(section, _keys_of(section), key) for section, key in named.leftover)]
    built: dict[str, Any] = {}
    for name, value in {**tree, "operation_mode": tree.get("operation_mode")}.items():
        if name == "operation_mode":
            built[name] = value
            if (problem := _mode_problem(value)) is not None:
                problems.append(problem)
        elif name in SECTIONS:
            built[name], found = _build_section(name, _section_class(name, tree), value)
            problems += found
        else:
            problems.append(_unknown_section(name))
    if not problems:
        config = Config(**_with_global_seed(built))
        keep_unexpanded(config, _unexpanded_texts(as_given, named))
        problems = mode_problems(config)
    if problems:
        raise UserError(_one_line([respell(problem, named.written) for problem in problems]))
    config._names_in_file.update(named.written)
    return config


def _unexpanded_texts(as_given: Mapping[str, Any], named: Translation) -> dict[Keys, str]:
    """Texts with environment variables, by the sections' keys, without those that another name of a key overrides."""
    texts = ((named.keys_here(keys), text) for keys, text in texts_from_environment(as_given))
    return {keys: text for keys, text in texts if value_at(named.tree, keys) == expand(text)}


def missing_paths(config: Config) -> list[tuple[str, Path]]:
    """Return the configured model and recording folders that do not exist, by key."""
    paths = {
        "model.onnx_path": config.model and config.model.onnx_path,
        "model.state_dict_path": config.model and config.model.state_dict_path,
        "training.teacher": config.training and config.training.teacher,
        "quantization.noisy_quantization_files_path": config.quantization
        and config.quantization.noisy_quantization_files_path,
        "prediction.input_path": config.prediction.input_path,
    }
    if config.dataset is not None:
        paths |= {f"dataset.{key}": value for key, value in config.dataset if isinstance(value, Path)}
    return [
        (config.name_in_file(key), path) for key, path in paths.items() if isinstance(path, Path) and not path.exists()
    ]


def merge_general(tree: dict[str, Any]) -> dict[str, Any]:
    """`general:general:`, as the tutorial prints the section, is a key of that name or `general` inside `general`."""
    merged: dict[str, Any] = {}
    for name, value in tree.items():
        if name not in ("general", "general:general"):
            merged[name] = value
            continue
        if isinstance(value, Mapping) and isinstance(value.get("general", {}), Mapping | None):
            value = {**(value.get("general") or {}), **{key: value[key] for key in value if key != "general"}}
        earlier = merged.get("general")
        if isinstance(earlier, Mapping) and isinstance(value, Mapping):
            # Overrides on the command line are made under `general`: they win over the pasted section.
            value = {**earlier, **value} if name == "general" else {**value, **earlier}
        merged["general"] = earlier if value is None and earlier is not None else value
    return merged


def _with_global_seed(built: dict[str, Any]) -> dict[str, Any]:
    """The sections, where general.global_seed is the seed of a data set that has none of its own."""
    general, dataset = built.get("general"), built.get("dataset")
    if general is None or general.global_seed is None or dataset is None or "random_seed" in dataset.model_fields_set:
        return built
    return {**built, "dataset": dataset.model_copy(update={"random_seed": general.global_seed})}


def _section_class(name: str, tree: Mapping[str, Any]) -> type[Section]:
    model = tree.get("model")
    if name == "model_specific" and isinstance(model, Mapping):
        kind = model.get("model_type")
        return NETWORKS.get(kind, CustomModelSpecific) if isinstance(kind, str) else SECTIONS[name]
    return SECTIONS[name]


def _build_section(name: str, cls: type[Section], value: Any) -> tuple[Section | None, list[str]]:
    """The section, or None and its problems in the order in which the file has the keys."""
    if value is None:
        value = {}
    if not isinstance(value, Mapping):
        return None, [f"{name}: found {_found_text(value)}; allowed: {_MAPPING}"]
    if name == "model_specific":
        value = _without_unknown(name, cls, value)
    try:
        return cls.model_validate(value), []
    except ValidationError as failure:
        errors = sorted(failure.errors(include_url=False), key=lambda error: _position(value, error["loc"]))
        # An error inside a list or a union shares its key with others: one line per key is enough.
        return None, list(dict.fromkeys(_problem(name, cls, value, error) for error in errors))


def _without_unknown(name: str, cls: type[Section], value: Mapping[str, Any]) -> Mapping[str, Any]:
    """Drop keys of other networks, which the model zoo's files contain and the model zoo ignores."""
    unknown = [key for key in value if key not in cls.model_fields] if cls.model_config.get("extra") == "forbid" else []
    for key in unknown:
        message = _unknown_key(name, list(cls.model_fields), str(key))
        _log.warning("%s", message.replace("unknown key", "unknown key, ignored", 1))
    return {key: entry for key, entry in value.items() if key not in unknown}


def _position(raw: Any, location: tuple[int | str, ...]) -> tuple[int, ...]:
    """Return the position of a key in the file as a sort key; keys that are not in the file come last."""
    position: list[int] = []
    for part in location:
        keys = [str(key) for key in raw] if isinstance(raw, Mapping) else []
        if part not in keys:
            break
        position.append(keys.index(str(part)))
        raw = next(value for key, value in raw.items() if str(key) == part)
    return tuple(position) if position else (len(raw),)


def _problem(name: str, cls: type[Section], raw: Any, error: ErrorDetails) -> str:
    """Describe a pydantic error in one line."""
    path, field = name, None
    section: type[Section] | None = cls
    for part in error["loc"]:
        if section is None:
            break  # inside a list or a mapping of a key: the key is what the user knows
        if error["type"] == "extra_forbidden" and part not in section.model_fields:
            return _unknown_key(path, list(section.model_fields), str(part))
        field = section.model_fields[str(part)]
        section = section_of(field)
        raw = next((value for key, value in raw.items() if str(key) == part), None)
        path = f"{path}.{part}"
    if field is None:  # a check between the keys of a section; it names the key itself
        return f"{path}.{error['ctx']['error']}" if "ctx" in error else f"{path}: {error['msg']}"
    why = error.get("ctx", {}).get("error")
    because = f" ({why})" if isinstance(why, RefusalError) else hint_of(field)
    nearest = _nearest_choice(raw, choices_of(field))
    return f"{path}: found {_found_text(raw)}; allowed: {allowed_text(field)}{because}{nearest}"


def _found_text(value: Any) -> str:
    if isinstance(value, Path):
        value = value.as_posix()
    text = repr(value)
    return text if len(text) <= _LONGEST_FOUND else text[: _LONGEST_FOUND - 3] + "..."


def _nearest_choice(value: Any, values: tuple[Any, ...]) -> str:
    if isinstance(value, list | tuple):  # of names: the first that is none of them
        value = next((entry for entry in value if entry not in values and ":" not in str(entry)), None)
    near = closest_match(value, [str(choice) for choice in values]) if isinstance(value, str) else None
    return f" (did you mean {near}?)" if near else ""


def _mode_problem(value: Any) -> str | None:
    found = "not set" if value is None else f"found {_found_text(value)}"
    is_chain = isinstance(value, str) and value.startswith("chain_")
    if value in OPERATION_MODES or (is_chain and chain_problem(value) is None):
        return None
    if is_chain:
        return f"operation_mode: {found}: {chain_problem(value)}"
    return f"operation_mode: {found}; allowed: {', '.join(OPERATION_MODES)}{_nearest_choice(value, OPERATION_MODES)}"


def _all_keys(sections: dict[str, type[Section]]) -> dict[str, list[str]]:
    """Every key, with the sections that have it: `n_fft` -> [`preprocessing`]."""
    owners: dict[str, list[str]] = {}
    for section, cls in sections.items():
        for key, field in cls.model_fields.items():
            owners.setdefault(key, []).append(section)
            if (inner_section := section_of(field)) is not None:
                for inner, names in _all_keys({f"{section}.{key}": inner_section}).items():
                    owners.setdefault(inner, []).extend(names)
    return owners


def _owners() -> dict[str, list[str]]:
    """Every key under each of its names, with the sections that have it."""
    owners = _all_keys(SECTIONS)
    for renamed in RENAMED:
        outer, *names = renamed.new.split(".")
        for depth, name in enumerate(names):
            parent = ".".join([outer, *names[:depth]])
            if parent not in owners.setdefault(name, []):
                owners[name].append(parent)
    return owners


def _keys_of(section: str) -> list[str]:
    """The keys of a section that only version 4 has."""
    names = (renamed.new.removeprefix(f"{section}.") for renamed in RENAMED if renamed.new.startswith(f"{section}."))
    return [name for name in names if "." not in name]


def _unknown_key(section: str, keys: list[str], key: str) -> str:
    """Suggest the intended key: the same name in another section, else the closest one here, else elsewhere."""
    start, owners = f"{section}.{key}: unknown key", _owners()
    others = [owner for owner in owners.get(key, ()) if owner != section]  # another network may have the key
    if others:
        return f"{start}; '{key}' is a key of {' and '.join(others)}"
    if meant := _ELSEWHERE.get(key.lower()):
        return f"{start}; it is {meant} here"
    if near := closest_match(key, keys):
        return f"{start}; did you mean {section}.{near}?"
    if (near := closest_match(key, list(owners), cutoff=0.8)) and near != key:
        return f"{start}; did you mean {owners[near][0]}.{near}?"
    return f"{start}; the keys of {section} are {', '.join(keys)}"


def _unknown_section(name: str) -> str:
    start, owners = f"{name}: unknown section", _owners()
    if name in owners:
        return f"{start}; '{name}' is a key of {' and '.join(owners[name])}"
    if near := closest_match(name, [*SECTIONS, "operation_mode"]):
        return f"{start}; did you mean {near}?"
    return f"{start}; the sections are {', '.join(SECTIONS)}"


def _one_line(problems: list[str]) -> str:
    """The first problem, and the names of the keys with the others."""
    first, *others = (" ".join(problem.split()) for problem in problems)
    if not others:
        return first
    count = pluralize(len(others), "more problem")
    # The key is what stands before the first ': '.
    return f"{first} (and {count}: {', '.join(problem.partition(': ')[0] for problem in others)})"
