"""A user's own network: the class that `model.custom` or a package names, built with the keys of `model_specific`."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from torch import nn

from sezoo.base.errors import UserError
from sezoo.base.text import closest_match
from sezoo.base.user_code import exception_line

__all__ = ["custom_network"]


def custom_network(cls: object, named: str, key: str, arguments: Mapping[str, Any]) -> nn.Module:
    """Build a class that is not ours.

    Parameters
    ----------
    named : how the configuration names it, and `key` where, for messages.
    arguments : keyword arguments of the class.

    Raises
    ------
    UserError : it is no `torch.nn.Module`, does not take these arguments, or cannot be built.
    """
    source, _, name = named.rpartition(":")
    what = f"{name} of {source}" if source else name
    if not (inspect.isclass(cls) and issubclass(cls, nn.Module)):
        raise UserError(f"{key}: {what} is no class derived from torch.nn.Module")
    _check_arguments(cls, arguments)
    try:
        return cls(**arguments)
    except UserError:
        raise
    except Exception as error:
        raise UserError(f"{key}: {what} cannot be built: {exception_line(error)}") from error


def _check_arguments(cls: type[nn.Module], arguments: Mapping[str, Any]) -> None:
    """Say in the configuration's words what Python's TypeError would say of `__init__`."""
    try:
        parameters = inspect.signature(cls).parameters.values()
    except (TypeError, ValueError):  # not every class tells
        return
    named = {p.name: p for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
    takes_any = any(p.kind is p.VAR_KEYWORD for p in parameters)
    unknown = [key for key in arguments if key not in named and not takes_any]
    missing = [key for key, p in named.items() if p.default is p.empty and key not in arguments]
    problems = []
    if unknown:
        near = closest_match(unknown[0], named) if len(unknown) == 1 else None
        others = f"it takes {', '.join(named)}" if named else "it takes none"
        problems.append(f"takes no {', '.join(unknown)} ({f'did you mean {near}?' if near else others})")
    if missing:
        problems.append(f"needs {', '.join(missing)}")
    if problems:
        raise UserError(f"model_specific: {cls.__name__} {' and '.join(problems)}")
