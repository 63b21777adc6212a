"""Where the files are that come with sezoo, and which word stands for which of the models."""

from pathlib import Path

from sezoo.base.errors import UserError
from sezoo.base.text import closest_match

__all__ = ["DEMO", "DEMO_RECORDINGS", "ZOO", "is_plain_name", "model_file", "shipped_model", "shipped_models"]

DEMO = "demo"
"""The word that stands for the demo's recordings."""

ZOO = Path(__file__).parents[1] / "zoo"
DEMO_RECORDINGS = Path(__file__).parents[1] / "demo" / "recordings"


def shipped_models() -> dict[str, Path]:
    """The ONNX files of the shipped models by their names without the ending."""
    return {file.stem: file for file in sorted(ZOO.glob("*/*.onnx"))}


def shipped_model(word: str) -> Path | None:
    """The file of the shipped model of that name; None where it is a path, or there is no such model.

    What is on the disk under that name comes first.
    """
    return shipped_models().get(word) if is_plain_name(word) and not Path(word).exists() else None


def model_file(word: str | Path, *, static: bool = False) -> Path:
    """The path that a word stands for: that of a shipped model of that name, else its own.

    Parameters
    ----------
    static : what is needed is a static int8 model, so the name of a shipped model alone stands for that one.

    Raises
    ------
    UserError : it is a name without an ending, and neither a file nor a shipped model.
    """
    if isinstance(word, Path) or not is_plain_name(word) or Path(word).exists():
        return Path(word)
    if static and (shipped := shipped_model(f"{word}_int8_static")) is not None:
        return shipped
    if (shipped := shipped_model(word)) is not None:
        return shipped
    near = closest_match(word, shipped_models(), cutoff=0.8)
    others = "sezoo zoo list shows those that come with sezoo"
    hint = f"did you mean {near}, which comes with sezoo?" if near else others
    raise UserError(f"there is no model {word}; {hint}")


def is_plain_name(word: str) -> bool:
    """Return whether it is a plain name, without a folder or an extension."""
    path = Path(word)
    return path.name == word and not path.suffix
