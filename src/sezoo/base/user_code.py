"""Load user code by reference: `path/to/file.py:Name`, `package.module:Name`, or an entry point of a package.

The file, or the module, is run as any import is: it is the user's own code.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import inspect
import sys
import traceback
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import ModuleType
from typing import Any

from sezoo.base.errors import UserError
from sezoo.base.text import closest_match

__all__ = [
    "absolute_reference",
    "code_digest",
    "exception_line",
    "failing_line",
    "is_reference",
    "load_object",
    "name_of",
    "reference_forms",
    "reference_of",
]


def reference_forms(kind: str) -> str:
    """Allowed forms of a reference, for messages: `path/to/file.py:ClassName or package.module:ClassName`."""
    name = "ClassName" if kind == "class" else "name"
    return f"path/to/file.py:{name} or package.module:{name}"


def is_reference(text: str) -> bool:
    """Return whether a text is a reference to user code and not a registered name."""
    return ":" in text


def name_of(reference: str) -> str:
    """Return the object's name: the part after the last colon."""
    return reference.rpartition(":")[2].strip()


def absolute_reference(reference: str) -> str:
    """Make the path of a reference absolute; a module reference is unchanged."""
    source, _, name = reference.rpartition(":")
    path = Path(source).expanduser()
    return f"{path.resolve().as_posix()}:{name}" if path.is_file() else reference


def code_digest(thing: Any) -> str:
    """Hash of the file that defines an object, to recognize its results later; a unique value if there is no file."""
    try:
        content = Path(inspect.getfile(thing if inspect.isroutine(thing) or inspect.isclass(thing) else type(thing)))
        return hashlib.sha256(content.read_bytes()).hexdigest()[:16]
    except (TypeError, OSError):
        return uuid.uuid4().hex[:16]


def reference_of(thing: Any) -> str:
    """Return the reference by which `load_object` would load an object."""
    name = getattr(thing, "__qualname__", type(thing).__qualname__)
    return f"{getattr(thing, '__module__', None) or type(thing).__module__}:{name}"


def load_object(reference: str, key: str, kind: str = "class") -> Any:
    """Import the object of a reference.

    Parameters
    ----------
    reference : `path/to/file.py:Name` or `package.module:Name`, seen from the current folder.
    key : of the configuration, for messages.
    kind : what it is, for messages: "class", "metric".

    Raises
    ------
    UserError : there is no such file, module or name in it, or it cannot be imported.
    """
    source, _, name = (part.strip() for part in reference.rpartition(":"))
    if not source or not name.isidentifier():
        raise UserError(f"{key}: found {reference!r}; allowed: {reference_forms(kind)}")
    module = _import(source, key)
    if not hasattr(module, name):
        raise UserError(f"{key}: {source} has no {kind} {name}{_alternatives(module, name)}")
    return getattr(module, name)


def exception_line(error: BaseException) -> str:
    """Return an exception as one line: `ValueError: message`."""
    try:
        message = str(error)
    except Exception as fault:  # the error's class may be the user's, and its message as faulty as the rest
        message = f"its message cannot be shown: {type(fault).__name__}"
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    text = f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
    return text if len(text) <= 300 else text[:297] + "..."


def failing_line(error: BaseException, folder: Path) -> str:
    """` (my_metrics.py, line 7)`: the last line of the user's own code, in `folder`, that was run; or nothing."""
    if isinstance(error, SyntaxError):  # says it itself
        return ""
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if Path(frame.filename).is_relative_to(folder) and "site-packages" not in Path(frame.filename).parts
    ]
    return f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""


def _import(source: str, key: str) -> ModuleType:
    path = Path(source).expanduser() if source.startswith("~") else Path(source)
    is_file = path.suffix == ".py" or "/" in source or "\\" in source
    if is_file and not path.is_file():
        raise UserError(f"{key}: there is no file {source}")
    # As Python does it for a script and for `python -m`, so that a file finds those beside it.
    folder = path.resolve().parent if is_file else Path.cwd()
    try:
        with _import_path_first(folder):
            return _run_file(path) if is_file else importlib.import_module(source)
    except (Exception, SystemExit) as error:
        raise UserError(
            f"{key}: {source} cannot be imported: {exception_line(error)}{failing_line(error, folder)}"
        ) from error


_run: dict[Path, tuple[tuple[int, int], ModuleType]] = {}
"""The files that were run, each with its time and size: one that was edited since is run again."""


def _run_file(path: Path) -> ModuleType:
    about = path.stat()
    stamp = (about.st_mtime_ns, about.st_size)
    earlier, module = _run.get(path.resolve(), (None, None))
    if earlier == stamp:
        return module
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
    _run[path.resolve()] = stamp, module
    return module


@contextmanager
def _import_path_first(folder: Path) -> Iterator[None]:
    importlib.invalidate_caches()
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        with suppress(ValueError):  # the user's code may have changed the path
            sys.path.remove(str(folder))


def _alternatives(module: ModuleType, name: str) -> str:
    """List the names that a module defines: the closest to the missing one, or all."""
    own = [
        key
        for key, value in vars(module).items()
        if not key.startswith("_") and not inspect.ismodule(value) and _is_defined_in(module, value)
    ]
    if near := closest_match(name, own):
        return f"; did you mean {near}?"
    named = [key for key in own if callable(vars(module)[key])]
    return f"; it has {', '.join(named)}" if named else ""


def _is_defined_in(module: ModuleType, value: object) -> bool:
    """Return whether a module defines a value rather than importing it; known for functions and classes only."""
    tells = inspect.isclass(value) or inspect.isroutine(value)
    return not tells or getattr(value, "__module__", None) == module.__name__
