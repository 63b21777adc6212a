"""SECTION.KEY=VALUE behind a short command."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sezoo.base.errors import UserError
from sezoo.base.yaml_text import load_yaml

__all__ = ["is_override", "is_path", "settings_of", "with_attenuation_limit"]

OVERRIDE = re.compile(r"(?P<key>\w+(\.\w+)+)=(?P<value>.*)", re.DOTALL)
MODELS = {".onnx", ".pt", ".pth", ".tflite"}


def is_override(word: str) -> bool:
    """Whether a word looks like a setting."""
    return OVERRIDE.fullmatch(word) is not None


def is_path(word: str) -> bool:
    """Whether there is a file or folder of that name; a word may be longer than any name."""
    try:
        return Path(word).exists()
    except (OSError, ValueError):
        return False


def settings_of(words: Sequence[str], otherwise: str = "") -> dict[str, Any]:
    """The settings that words stand for, by section; a value is read as YAML has it.

    Parameters
    ----------
    otherwise : what a word would have been else, for the message about one that is none: "there is no such file, and ".

    Raises
    ------
    UserError : a word that is no setting.
    """
    settings: dict[str, Any] = {}
    for word in words:
        found = OVERRIDE.fullmatch(word)
        if not found and Path(word).suffix.lower() in MODELS:
            raise UserError(
                f"{word}: another model; this command takes one: run it once for each, and compare the runs by "
                "sezoo report RUN RUN"
            )
        if not found:
            raise UserError(f"{word}: {otherwise}SECTION.KEY=VALUE is needed for a setting")
        *sections, name = found["key"].split(".")
        if sections[0] == "hydra":
            raise UserError(f"{word}: only for runs of a YAML file; here -o names the folder of the results")
        place = settings
        for section in sections:
            place = place.setdefault(section, {})
        place[name] = load_yaml(found["value"], word)
    return settings


def with_attenuation_limit(settings: dict[str, Any], limit: Any) -> dict[str, Any]:
    """Add the attenuation limit of `--attenuation-limit` to a deployment's settings, unless it is None."""
    if limit is not None:
        settings.setdefault("deployment", {})["attenuation_limit_db"] = limit
    return settings
