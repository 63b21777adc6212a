"""Configuration sections that the API functions share: the spectrum, a test set, and omitted values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sezoo.api.clips import DEFAULT_EXTENSION, extension_of
from sezoo.base.errors import UserError
from sezoo.base.shipped import did_you_mean_model

if TYPE_CHECKING:
    import onnx

__all__ = [
    "Settings",
    "Spectrum",
    "backend_section",
    "deployment_section",
    "drop_none",
    "extension",
    "finalize_settings",
    "merge_settings",
    "model_section",
    "name_list",
    "scored_set",
    "section",
]

Settings = dict[str, Any]
"""A configuration as a YAML file has it: `operation_mode` and the sections, each a dictionary."""

TORCH_WEIGHTS = {".pt", ".pth"}


@dataclass(frozen=True)
class Spectrum:
    """The spectrum that a model was trained with; see the section `preprocessing`.

    Attributes
    ----------
    sample_rate : in Hz.
    n_fft : in samples; None is what the model's bins say: 257 of them are 512 samples.
    hop_length, win_length : in samples.
    """

    sample_rate: int = 16000
    n_fft: int | None = None
    hop_length: int = 160
    win_length: int = 400

    def settings(self) -> Settings:
        """The section, without what is the default anyway."""
        default = Spectrum()
        mine = {key: getattr(self, key) for key in ("sample_rate", "n_fft", "hop_length", "win_length")}
        return {key: value for key, value in mine.items() if value != getattr(default, key)}


def drop_none(**values: Any) -> Settings:
    """The values that are not None."""
    return {key: value for key, value in values.items() if value is not None}


def section(name: str, **values: Any) -> Settings:
    """A section with what is given, or none where that is nothing."""
    return {name: found} if (found := drop_none(**values)) else {}


def name_list(names: Sequence[str] | None) -> list[str] | None:
    """Names as a list; a single name may be plain text."""
    return None if names is None else [names] if isinstance(names, str) else list(names)


def model_section(path: Path) -> Settings:
    """The section `model` of an ONNX file, or of torch weights by their ending."""
    return {"state_dict_path" if path.suffix.lower() in TORCH_WEIGHTS else "onnx_path": path}


def deployment_section(model: Path | None, board: str | None, backend: str | None) -> Settings:
    """Return the `deployment` section for a model, with the backend of the model's target.

    Raises
    ------
    UserError : a model that is not there.
    """
    if backend is None:
        backend = "portable-c"
        if model is not None and model.suffix.lower() not in TORCH_WEIGHTS:
            from sezoo.denoising.backend import backend_of_model

            backend = backend_of_model(_load(model))
    found: Settings = {"backend": backend}
    return found if board is None else found | {"hardware_setup": {"board": board}}


def backend_section(model: Path | None, *, target: str | None, board: str | None, backend: str | None) -> Settings:
    """The sections that say what runs a model on the board, where one of them is given; see `sezoo.evaluate`."""
    sections = section("quantization", target=target)
    if backend is None and board is None:
        return sections
    if target is not None and backend is None:  # which decides, with the board
        return sections | {"deployment": {"hardware_setup": {"board": board}}}
    return sections | {"deployment": deployment_section(model, board, backend)}


def extension(folder: Path, key: str) -> Settings:
    """The key `file_extension` where a folder's recordings need it."""
    found = extension_of(folder, key)
    return {} if found == DEFAULT_EXTENSION else {"file_extension": found}


def scored_set(noisy: Path, clean: Path | None) -> Settings:
    """The section `dataset` of test clips."""
    dataset: Settings = {"name": "custom", "noisy_test_files_path": noisy}
    if clean is not None:
        extension_of(clean, "dataset.clean_test_files_path")  # it is there
        dataset["clean_test_files_path"] = clean
    return dataset | extension(noisy, "dataset.noisy_test_files_path")


def finalize_settings(settings: Settings, spectrum: Spectrum, model: Path | None, more: Settings | None) -> Settings:
    """The settings with the spectrum's and further ones, in the order of a YAML file."""
    settings = merge_settings({**settings, "preprocessing": spectrum.settings()}, more)
    if wrong := [name for name, keys in settings.items() if name != "operation_mode" and not isinstance(keys, Mapping)]:
        raise UserError(f"{wrong[0]}: found {settings[wrong[0]]!r}; allowed: a mapping of keys to values")
    path = settings["model"].get("onnx_path")
    if path is not None and "n_fft" not in settings["preprocessing"]:
        n_fft = 2 * (_bins(Path(path), settings) - 1)
        if n_fft != 512:
            settings["preprocessing"]["n_fft"] = n_fft
    order = ("operation_mode", "general", "model", "model_specific", "preprocessing", "dataset")
    return {key: settings[key] for key in (*order, *(key for key in settings if key not in order)) if key in settings}


def _bins(path: Path, settings: Settings) -> int:
    model = _load(path)
    from sezoo.models.contract import declared_contract
    from sezoo.models.states import with_states

    states = (settings.get("quantization") or {}).get("states") or {}
    return declared_contract(with_states(model, states), path).bins


def _load(path: Path) -> onnx.ModelProto:
    if not path.exists():  # said before anything heavy is imported
        raise UserError(f"there is no model {path} (the working directory is {Path.cwd()}){did_you_mean_model(path)}")
    from sezoo.models.onnx_file import load_onnx

    return load_onnx(path)


def merge_settings(settings: Mapping[str, Any], more: Mapping[str, Any] | None) -> Settings:
    """The settings, and further ones over them, key by key."""
    result = dict(settings)
    for key, value in (more or {}).items():
        mine = result.get(key)
        result[key] = merge_settings(mine, value) if isinstance(mine, Mapping) and isinstance(value, Mapping) else value
    return result
