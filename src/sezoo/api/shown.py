"""Figures and sounds of a run's folder, for notebooks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from sezoo.base.errors import UserError
from sezoo.results.listening import FOLDER, ListeningIndex

__all__ = ["deployed_sounds", "evaluation_pictures", "listened_sounds", "training_pictures", "training_sounds"]

EVALUATION_PICTURE = "evaluation.png"


def evaluation_pictures(folders: Mapping[str, Path]) -> dict[str, Path]:
    """The scores of each evaluation as a picture.

    Parameters
    ----------
    folders : of runs, by the names of their models; "" where there is one alone.
    """
    paths = {name: folder / EVALUATION_PICTURE for name, folder in folders.items()}
    return {f"{name}: scores".removeprefix(": "): path for name, path in paths.items() if path.is_file()}


def listened_sounds(folders: Mapping[str, Path]) -> dict[str, Path]:
    """One clip: noisy, every version of every model, clean.

    Of one model it is the clip that changed most; of several the one that most of their runs have kept.

    Parameters
    ----------
    folders : as for `evaluation_pictures`.
    """
    first: dict[str, Path] = {}
    denoised: dict[str, Path] = {}
    clean: dict[str, Path] = {}
    kept = {model: index.clips if (index := _index(folder)) else () for model, folder in folders.items()}
    names = [clip.name for clips in kept.values() for clip in clips]
    chosen = max(names, key=names.count, default=None)  # the first of those that as many runs have
    for model, folder in folders.items():
        clip = next((clip for clip in kept[model] if clip.name == chosen), None)
        if clip is None:
            continue
        place = folder / FOLDER / clip.folder
        for version in clip.versions:
            path = place / version.file
            if version.name == "noisy":
                first.setdefault(f"{clip.name}: noisy", path)
            elif version.name == "clean":
                clean.setdefault("clean", path)
            else:
                denoised[f"{model}: {version.label}".removeprefix(": ")] = path
    return {**first, **denoised, **clean}


def deployed_sounds(folder: Path) -> dict[str, Path]:
    """Return the test recording, noisy and as denoised on the emulated core; nothing if there was none."""
    found = [path.parent for path in folder.glob("emulated_*/denoised.wav")]
    if not found:
        return {}
    newest = max(found, key=lambda path: (path / "denoised.wav").stat().st_mtime)
    core = newest.name.removeprefix("emulated_")
    return {"noisy": newest / "noisy.wav", f"denoised on an emulated {core}": newest / "denoised.wav"}


def training_pictures(logs: Path) -> dict[str, Path]:
    """The curves of a training."""
    paths: Sequence[Path] = sorted(logs.glob("*.png"))
    return {path.stem.replace("_", " "): path for path in paths}


def training_sounds(logs: Path) -> dict[str, Path]:
    """The first validation example after the last epoch with sounds."""
    epochs = sorted(path for path in (logs / "sounds").glob("epoch_*") if path.is_dir())
    if not epochs:
        return {}
    epoch = int(epochs[-1].name.removeprefix("epoch_"))
    names = {"noisy": "noisy", "denoised": f"denoised, epoch {epoch}", "clean": "clean"}
    paths = {label: epochs[-1] / f"1_{name}.wav" for name, label in names.items()}
    return {label: path for label, path in paths.items() if path.is_file()}


def _index(folder: Path) -> ListeningIndex | None:
    try:
        return ListeningIndex.read(folder / FOLDER)
    except UserError:  # torn, or of a newer version: the rest is shown nevertheless
        return None
