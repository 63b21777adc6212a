"""Paths of the files that come with sezoo, and the names of its models."""

from pathlib import Path

__all__ = ["DEMO_RECORDINGS", "ZOO", "is_plain_name", "shipped_model", "shipped_models"]

ZOO = Path(__file__).parents[1] / "zoo"
DEMO_RECORDINGS = Path(__file__).parents[1] / "demo" / "recordings"


def shipped_models() -> dict[str, Path]:
    """ONNX files of the shipped models, by their names without the extension."""
    return {file.stem: file for file in sorted(ZOO.glob("*/*.onnx"))}


def shipped_model(word: str) -> Path | None:
    """Return the file of the shipped model of that name; None for a path or an unknown name.

    What is on the disk under that name comes first.
    """
    return shipped_models().get(word) if is_plain_name(word) and not Path(word).exists() else None


def is_plain_name(word: str) -> bool:
    """Return whether it is a plain name, without a folder or an extension."""
    path = Path(word)
    return path.name == word and not path.suffix
