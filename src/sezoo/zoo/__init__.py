"""Models that come with sezoo: each a folder with its float and int8 files, its card, and the YAML that made it."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sezoo.base.errors import UserError
from sezoo.base.files import atomic_folder, read_text
from sezoo.base.shipped import ZOO
from sezoo.base.text import closest_match
from sezoo.base.yaml_text import load_yaml

__all__ = [
    "ZooModel",
    "copy_model",
    "names_of_models",
    "network_settings",
    "training_recipe",
    "zoo_model",
    "zoo_models",
]

CARD = "README.md"
RECIPE = ZOO / "utcn_small" / "training.yaml"
"""The training that starts from random weights, on speech and noise."""
RECIPE_EXCLUDES = {
    *("name", "speech_path", "noise_path", "num_training_samples", "num_validation_samples", "clip_seconds"),
    *("device", "epochs", "save_every", "reference_metric"),
}
"""Keys of that file that are about its recordings, or that are the defaults."""
ROW = re.compile(r"^\| ([^|]+?) \| (.+?) \|$", re.MULTILINE)


@dataclass(frozen=True)
class ZooModel:
    """A shipped model with the properties in its card; None for missing ones.

    Attributes
    ----------
    folder : that holds its files.
    title : of the card.
    macs_per_frame : multiply-accumulates.
    latency_ms : in the stream engine with one frame a call, from the arrival of a sample to its output.
    pesq_float, pesq_int8 : on the card's test set, on whole clips.
    pesq_stream, pesq_board : of int8 on the same set, as the C package and as ST's board play it.
    """

    name: str
    folder: Path
    title: str
    parameters: int | None
    macs_per_frame: int | None
    latency_ms: int | None
    pesq_noisy: float | None
    pesq_float: float | None
    pesq_int8: float | None
    pesq_stream: float | None
    pesq_board: float | None

    @property
    def float_model(self) -> Path:
        """The float ONNX file."""
        return self.folder / f"{self.name}.onnx"

    @property
    def int8(self) -> Path:
        """The int8 ONNX file for clips of any length."""
        return self.folder / f"{self.name}_int8.onnx"

    @property
    def int8_static(self) -> Path:
        """The int8 ONNX file of fixed length, for the board."""
        return self.folder / f"{self.name}_int8_static.onnx"

    @property
    def stm32n6(self) -> Path:
        """The int8 ONNX file for ST's application on the STM32N6: `int8_static`, or one with an int8 input."""
        path = self.folder / f"{self.name}_stm32n6.onnx"
        return path if path.is_file() else self.int8_static

    @property
    def card(self) -> str:
        """The card, in Markdown."""
        return (self.folder / CARD).read_text(encoding="utf-8")


def zoo_models() -> list[ZooModel]:
    """All of them, by name."""
    return [_read(ZOO / name) for name in names_of_models()]


def names_of_models() -> list[str]:
    """The names of all of them, sorted."""
    return [path.parent.name for path in sorted(ZOO.glob(f"*/{CARD}"))]


def zoo_model(name: str) -> ZooModel:
    """The model of that name.

    Raises
    ------
    UserError : there is none; what there is.
    """
    names = names_of_models()
    if name not in names:
        near = closest_match(name, names)
        there = f"did you mean {near}?" if near else f"there are {', '.join(names)}"
        raise UserError(f"no model {name!r} comes with sezoo; {there} (sezoo zoo list)")
    return _read(ZOO / name)


def copy_model(name: str, folder: Path) -> list[Path]:
    """Copy a model's ONNX files, card and YAML files into a folder, without overwriting files.

    Returns
    -------
    copied : the new files.

    Raises
    ------
    UserError : there is no such model; a file of that name is there; the folder cannot be written.
    """
    model = zoo_model(name)
    sources = [*model.folder.glob("*.onnx"), model.folder / CARD, *model.folder.glob("*.yaml")]
    targets = [folder / source.name for source in sources]
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder} is a file; choose a folder with -o")
    if there := [target for target in targets if target.exists()]:
        raise UserError(f"{there[0]} already exists, and is not replaced; choose another folder with -o")
    with atomic_folder(folder) as temporary:
        for source in sources:
            shutil.copyfile(source, temporary / source.name)
    return targets


def training_recipe(*, mixed: bool, sample_rate: int) -> dict[str, dict[str, Any]]:
    """The sections `dataset` and `training` with which the shipped U-TCN small was trained from random weights.

    Parameters
    ----------
    mixed : whether clips are mixed of speech and noise; recorded pairs are taken as they are.
    sample_rate : in Hz; the recipe's loss and metric are defined for 16 kHz, in their place are others.
    """
    sections = load_yaml(read_text(RECIPE), str(RECIPE))
    dataset, training = (
        {key: value for key, value in sections[name].items() if key not in RECIPE_EXCLUDES}
        for name in ("dataset", "training")
    )
    if sample_rate != 16000:
        training = {key: value for key, value in training.items() if key != "pesq_weight"}
        training |= {"loss": "compressed_sisnr"} | ({} if sample_rate == 8000 else {"reference_metric": "si-snr"})
    return {"dataset": dataset if mixed else {}, "training": training}


def network_settings(name: str) -> dict[str, Any]:
    """The sections `model` and `model_specific` that build the network of a shipped model.

    They are those of all its trainings: a later one may add a key to those of the first.

    Raises
    ------
    UserError : there is no such model.
    """
    model_type, shape = None, {}
    for path in sorted(zoo_model(name).folder.glob("*.yaml"), key=lambda path: path.name != "training.yaml"):
        sections = load_yaml(read_text(path), str(path))
        model_type = model_type or sections.get("model", {}).get("model_type")
        shape |= sections.get("model_specific", {})
    return {"model": {"model_type": model_type}, "model_specific": shape}


def _read(folder: Path) -> ZooModel:
    """A model with the numbers of its card's tables."""
    text = (folder / CARD).read_text(encoding="utf-8")
    rows = [(name, [cell.strip() for cell in rest.split("|")]) for name, rest in ROW.findall(text)]

    def first(start: str) -> str | None:
        return next((cells[0] for name, cells in rows if name.startswith(start)), None)

    def score(start: str) -> float | None:
        """PESQ, the first of the numbers of a row of the scores."""
        found = (cells[0] for name, cells in rows if name.startswith(start) and len(cells) > 1)
        return next((float(cell) for cell in found if re.fullmatch(r"\d*\.\d+", cell)), None)

    return ZooModel(
        name=folder.name,
        folder=folder,
        title=text.partition("\n")[0].lstrip("# "),
        parameters=_number(first("parameters")),
        macs_per_frame=_number(first("MAC")),
        latency_ms=_number(first("latency")),
        pesq_noisy=score("noisy"),
        pesq_float=score("float"),
        pesq_int8=score("int8 ("),
        pesq_stream=score("int8 streaming"),
        pesq_board=score("int8 on the board"),
    )


def _number(text: str | None) -> int | None:
    """The number that a cell begins with: `295,552 a frame, ...`."""
    found = re.match(r"[\d,]+", text or "")
    return int(found[0].replace(",", "")) if found else None
