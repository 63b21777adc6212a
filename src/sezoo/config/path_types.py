"""The types of keys that hold paths, with the slips that paths in YAML are prone to."""

import re
from pathlib import Path, PurePath
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainValidator

from sezoo.base.inner_path import is_inner
from sezoo.base.shipped import shipped_model
from sezoo.config.allowed import Allowed, RefusalError
from sezoo.config.value_types import text
from sezoo.config.values import literal

__all__ = ["FileName", "InnerPath", "ModelPath", "OutputPath", "PathList", "PathText", "WeightsPath"]

ESCAPES = {"\a": "a", "\b": "b", "\t": "t", "\n": "n", "\v": "v", "\f": "f", "\r": "r", "\x1b": "e", "\0": "0"}
ESCAPES |= {"\x85": "N", "\xa0": "_", "\u2028": "L", "\u2029": "P"}
"""What YAML makes of a backslash and a letter in double quotes."""


ESCAPE = re.compile(f"[{''.join(ESCAPES)}]")


def _path(value: Any) -> Any:
    """Return a path with `~` expanded; reject a Windows path whose backslashes became escape sequences."""
    value = text(value)
    if not isinstance(value, str | Path):
        return value
    path = Path(value)
    if (found := ESCAPE.search(str(value))) and not _exists(path):
        meant = ESCAPE.sub(lambda escape: "\\" + ESCAPES[escape[0]], str(value))
        raise RefusalError(
            f"in double quotes YAML takes \\{ESCAPES[found[0]]} for a character of its own; write '{meant}' in single "
            f"quotes, or {meant.replace(chr(92), '/')}"
        )
    return path.expanduser() if path.parts[:1] == ("~",) else path


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # too long, or with a zero byte
        return False


def _inner_path(value: Any) -> Any:
    path = _path(value)
    if isinstance(path, Path) and not is_inner(path):
        raise RefusalError("it is outside of the run's folder")
    return path


def _output_path(value: Any) -> Any:
    path = _path(value)
    if isinstance(path, Path) and not path.is_absolute() and not is_inner(path):
        raise RefusalError("a relative path is inside the run's folder, and this one is not; give an absolute one")
    return path


def _file_name(value: Any) -> Any:
    name = text(value)
    if isinstance(name, str) and (PurePath(name).name != name or not is_inner(PurePath(name)) or ESCAPE.search(name)):
        raise RefusalError("it is no plain name")
    return name


OTHER_MODELS = {".tflite", ".h5", ".keras", ".pb"}
"""What models of TensorFlow end in."""


def _model_path(value: Any) -> Path | str:
    """The path of a model, that of a shipped one by its name, or an address.

    An address stays text: as a path it would lose a slash.
    """
    if isinstance(value, str) and (scheme := re.match(r"([A-Za-z][A-Za-z0-9+.-]+)://", value.strip())):
        if scheme[1].lower() != "https":
            raise RefusalError("nothing else is downloaded")
        return value.strip()
    path = _path(value)
    if not isinstance(path, Path):
        raise ValueError
    if path.suffix.lower() in OTHER_MODELS:
        raise RefusalError("models of Keras and TensorFlow need TensorFlow, which is not used here")
    return (shipped_model(value.strip()) if isinstance(value, str) else None) or path


def _weights_path(value: Any) -> Any:
    """The path of weights, or that of a shipped model by its name."""
    path = _path(value)
    return (shipped_model(value.strip()) if isinstance(value, str) else None) or path


def _paths(value: Any) -> tuple[Any, ...]:
    value = literal(value)
    return tuple(_path(each) for each in (value if isinstance(value, list | tuple) else (value,)))


PathList = Annotated[tuple[Path, ...], BeforeValidator(_paths), Allowed("a list of paths")]


PathText = Annotated[Path, BeforeValidator(_path), Allowed("a path")]


WeightsPath = Annotated[
    Path, BeforeValidator(_weights_path), Allowed("a path, or the name of a model that comes with sezoo")
]


InnerPath = Annotated[Path, BeforeValidator(_inner_path), Allowed("a path inside the run's folder")]


OutputPath = Annotated[
    Path, BeforeValidator(_output_path), Allowed("a path inside the run's folder, or an absolute one")
]


FileName = Annotated[str, BeforeValidator(_file_name), Allowed("the name of a file")]


ModelPath = Annotated[
    Path | str, PlainValidator(_model_path), Allowed("the path or the https:// address of an ONNX model")
]
