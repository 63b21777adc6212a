"""The errors of Hydra, OmegaConf and YAML, in one line each."""

from __future__ import annotations

import re
from pathlib import Path

from sezoo.base.errors import UserError
from sezoo.base.files import reason_of

__all__ = ["as_user_error"]


def as_user_error(error: Exception, path: Path) -> Exception:
    """Hydra's, OmegaConf's and YAML's errors in one line; anything else as it is."""
    from hydra.errors import HydraException, OverrideParseException
    from omegaconf.errors import OmegaConfBaseException
    from yaml import MarkedYAMLError, YAMLError

    while not str(error) and isinstance(error.__cause__, Exception):  # Hydra's has no words of its own
        error = error.__cause__
    lines = [line.strip().rstrip(":") for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    if isinstance(error, OverrideParseException):
        return UserError(f"{error.override.lstrip('+')}: cannot be read: {lines[0]}")
    if isinstance(error, HydraException) and (several := re.match(r"Ambiguous value for argument '\+*(.*)'", lines[0])):
        key = several[1].partition("=")[0]
        return UserError(
            f"{several[1]}: several values; {key}=[A,B] is a list of them, --multirun makes a run for each"
        )
    if isinstance(error, MarkedYAMLError) and error.problem_mark is not None:
        mark = error.problem_mark
        return UserError(f"{path}, line {mark.line + 1}, column {mark.column + 1}: invalid YAML: {error.problem}")
    if isinstance(error, HydraException | OmegaConfBaseException | YAMLError):
        keys = [line.removeprefix("full_key: ") for line in lines if line.startswith("full_key: ")]
        messages = [line for line in lines if not re.match(r"(full_key|object_type|reference_type)[:=]", line)]
        if unset := re.search(r"Environment variable '(.*?)' not found", messages[0]):
            return UserError(": ".join([str(path), *keys, f"the environment variable {unset[1]} is not set"]))
        return UserError(": ".join([str(path), *keys, " ".join(messages[:2])]))
    if isinstance(error, OSError):
        return UserError(f"cannot write {error.filename or 'to the folder of the run'}: {reason_of(error)}")
    return error
