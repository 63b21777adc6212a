"""A user's own network: the class that `model.custom` names, built with the keys of `model_specific`."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import nn

from sezoo.base.errors import UserError
from sezoo.base.text import nearest

__all__ = ["custom_network", "exception_line"]


def custom_network(custom: str, arguments: Mapping[str, Any]) -> nn.Module:
    """Import the class and build it.

    The file, or the module, is run as any import is: it is the user's own code.

    Parameters
    ----------
    custom : `path/to/file.py:ClassName` or `package.module:ClassName`, seen from the current folder.
    arguments : keyword arguments of the class.

    Raises
    ------
    UserError : there is no such file, module or class, it cannot be imported, it is no `torch.nn.Module`, or
        it does not take these arguments.
    """
    source, _, name = custom.rpartition(":")
    if not source or not name.isidentifier():
        raise UserError(
            f"model.custom: found {custom!r}; allowed: path/to/file.py:ClassName or package.module:ClassName"
        )
    module = _imported(source)
    if not hasattr(module, name):
        raise UserError(f"model.custom: {source} has no class {name}{_other_classes(module, name)}")
    cls = getattr(module, name)
    if not (inspect.isclass(cls) and issubclass(cls, nn.Module)):
        raise UserError(f"model.custom: {name} of {source} is no class derived from torch.nn.Module")
    _check_arguments(cls, arguments)
    try:
        return cls(**arguments)
    except UserError:
        raise
    except Exception as error:
        raise UserError(f"model.custom: {name} of {source} cannot be built: {exception_line(error)}") from error


def exception_line(error: BaseException) -> str:
    """`ValueError: what it says`, one line however many the message has."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
    return text if len(text) <= 300 else text[:297] + "..."


def _imported(source: str) -> ModuleType:
    path = Path(source).expanduser() if source.startswith("~") else Path(source)
    is_file = path.suffix == ".py" or "/" in source or "\\" in source
    if is_file and not path.is_file():
        raise UserError(f"model.custom: there is no file {source}")
    # As Python does it for a script and for `python -m`, so that a file finds those beside it.
    folder = path.resolve().parent if is_file else Path.cwd()
    try:
        with _first_on_path(folder):
            return _run_file(path) if is_file else importlib.import_module(source)
    except (Exception, SystemExit) as error:
        raise UserError(
            f"model.custom: {source} cannot be imported: {exception_line(error)}{_where(error, folder)}"
        ) from error


def _run_file(path: Path) -> ModuleType:
    name = f"sezoo_custom_{path.stem}"  # a name of its own: the file may be called torch.py
    spec = importlib.util.spec_from_file_location(name, path.resolve())
    if spec is None or spec.loader is None:
        raise ImportError("it is no Python file (.py)")
    module = sys.modules[name] = importlib.util.module_from_spec(spec)  # dataclasses and pickle look there
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


@contextmanager
def _first_on_path(folder: Path) -> Iterator[None]:
    importlib.invalidate_caches()
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        with suppress(ValueError):  # the user's code may have changed the path
            sys.path.remove(str(folder))


def _where(error: BaseException, folder: Path) -> str:
    """The last line of the user's own code that was run."""
    if isinstance(error, SyntaxError):  # says it itself
        return ""
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if Path(frame.filename).is_relative_to(folder) and "site-packages" not in Path(frame.filename).parts
    ]
    return f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""


def _other_classes(module: ModuleType, name: str) -> str:
    classes = [
        key for key, value in vars(module).items() if inspect.isclass(value) and value.__module__ == module.__name__
    ]
    if near := nearest(name, classes):
        return f"; did you mean {near}?"
    return f"; it has {', '.join(classes)}" if classes else ""


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
        near = nearest(unknown[0], named) if len(unknown) == 1 else None
        others = f"it takes {', '.join(named)}" if named else "it takes none"
        problems.append(f"takes no {', '.join(unknown)} ({f'did you mean {near}?' if near else others})")
    if missing:
        problems.append(f"needs {', '.join(missing)}")
    if problems:
        raise UserError(f"model_specific: {cls.__name__} {' and '.join(problems)}")
