"""Where the files are that come with sezoo, and which word stands for which of the models."""

from pathlib import Path

__all__ = ["DEMO_RECORDINGS", "ZOO", "is_bare", "shipped_model", "shipped_models"]

ZOO = Path(__file__).parents[1] / "zoo"
DEMO_RECORDINGS = Path(__file__).parents[1] / "demo" / "recordings"


def shipped_models() -> dict[str, Path]:
    """The ONNX files of the shipped models by their names without the ending."""
    return {file.stem: file for file in sorted(ZOO.glob("*/*.onnx"))}


def shipped_model(word: str) -> Path | None:
    """The file of the shipped model of that name; None where it is a path, or there is no such model.

    What is on the disk under that name comes first.
    """
    return shipped_models().get(word) if is_bare(word) and not Path(word).exists() else None


def is_bare(word: str) -> bool:
    """Whether it is a name alone, without a folder or an ending."""
    path = Path(word)
    return path.name == word and not path.suffix
