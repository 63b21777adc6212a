"""Paths of the files that come with sezoo, and the short names of its models."""

from pathlib import Path

from sezoo.base.errors import UserError
from sezoo.base.files import display_path
from sezoo.base.text import closest_match, did_you_mean_path

__all__ = [
    "DEMO",
    "DEMO_RECORDINGS",
    "ZOO",
    "did_you_mean_model",
    "is_demo_word",
    "is_plain_name",
    "model_file",
    "model_text",
    "shipped_model",
    "shipped_models",
]

DEMO = "demo"
"""The word that stands for the demo's recordings."""

ZOO = Path(__file__).parents[1] / "zoo"
DEMO_RECORDINGS = Path(__file__).parents[1] / "demo" / "recordings"


def shipped_models() -> dict[str, Path]:
    """The ONNX files of the shipped models by their names without the ending."""
    return {file.stem: file for file in sorted(ZOO.glob("*/*.onnx"))}


def shipped_model(word: str) -> Path | None:
    """The file of the shipped model of that name; None where it is a path, or there is no such model.

    A file of that name comes first; a folder, where results of it may be, does not.
    """
    return shipped_models().get(word) if is_plain_name(word) and not _is_own_model(word) else None


def model_text(path: Path) -> str:
    """A model for people: the name of a shipped one, which stands for it in every command, or the path."""
    return f"{path.stem}, which comes with sezoo" if path.is_relative_to(ZOO) else display_path(path)


def is_demo_word(word: object) -> bool:
    """Whether it stands for the demo's recordings.

    A folder of that name comes first, unless a run has written its results there, as `sezoo demo -o demo` does.
    """
    return word == DEMO and (not Path(DEMO).exists() or Path(DEMO, "run.json").is_file())


def model_file(word: str | Path, *, static: bool = False) -> Path:
    """The path that a word stands for: that of a shipped model of that name, else its own.

    Parameters
    ----------
    static : what is needed is a static int8 model, so the name of a shipped model alone stands for that one.

    Raises
    ------
    UserError : it is a name without an ending, and neither a file nor a shipped model.
    """
    if isinstance(word, Path) or not is_plain_name(word) or _is_own_model(word):
        return Path(word)
    if static and (shipped := shipped_model(f"{word}_int8_static")) is not None:
        return shipped
    if (shipped := shipped_model(word)) is not None:
        return shipped
    near = closest_match(word, shipped_models(), cutoff=0.8)
    others = "sezoo zoo list shows those that come with sezoo"
    hint = f"did you mean {near}, which comes with sezoo?" if near else others
    raise UserError(f"there is no model {word}; {hint}")


def did_you_mean_model(missing: Path) -> str:
    """Return `; did you mean NAME?` for a model that is not there, or nothing.

    A shipped model of that name, with or without `.onnx`, comes before a file beside the missing one, and that before a
    shipped model of a similar name.
    """
    is_here = missing.parent == Path() and missing.suffix in ("", ".onnx")
    near = closest_match(missing.stem, shipped_models(), cutoff=0.8) if is_here else None
    shipped = f"; did you mean {near}, which comes with sezoo?" if near else ""
    return shipped if near == missing.stem else did_you_mean_path(missing) or shipped


def _is_own_model(word: str) -> bool:
    """Whether something on the disk of that name can be a model."""
    return Path(word).exists() and (not Path(word).is_dir() or word not in shipped_models())


def is_plain_name(word: str) -> bool:
    """Return whether it is a plain name, without a folder or an extension."""
    path = Path(word)
    return path.name == word and not path.suffix
