"""`sezoo denoise`: recordings denoised without a YAML file."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from sezoo.config.sections import Config
from sezoo.config.validation import build_config
from sezoo.errors import UserError
from sezoo.files import reason_of
from sezoo.mask_model import declared_contract
from sezoo.model_states import with_states
from sezoo.onnx_file import load_onnx
from sezoo.prediction.service import predict_targets
from sezoo.prediction.targets import Target, check_free, container_of, recordings_in, targets_for
from sezoo.run import Run
from sezoo.tracking import NoTracker

__all__ = ["denoise_files"]

TORCH_WEIGHTS = {".pt", ".pth"}
OVERWRITE = "--overwrite replaces such files, -o names another place"


def denoise_files(options: argparse.Namespace) -> None:
    """Denoise what the command line names.

    Parameters
    ----------
    options : inputs (recordings, folders, SECTION.KEY=VALUE), model, output, play_like, format, overwrite.

    Raises
    ------
    UserError : the model, a recording, a setting or a target is not fit for it.
    """
    overrides = [word for word in options.inputs if "=" in word and not Path(word).exists()]
    paths = [Path(word) for word in options.inputs if word not in overrides]
    if not paths:
        raise UserError("no recordings: name files or folders to denoise")
    if options.format is not None:
        container_of(options.format, "--format")
    sources = recordings_in(paths, "command line")
    try:
        targets = _targets(sources, options)
    except OSError as error:  # a name that is too long, a folder that may not be looked into
        raise UserError(f"-o: {options.output} cannot be used: {reason_of(error)}") from error
    config = _config(options, overrides)
    predict_targets(Run(config, Path(), NoTracker()), targets)


def _targets(sources: list[Path], options: argparse.Namespace) -> list[Target]:
    output: Path = options.output
    if not output.suffix or output.is_dir():
        return targets_for(sources, output, ending=options.format, overwrite=options.overwrite, mending=OVERWRITE)
    if len(sources) > 1:
        raise UserError(f"-o: {output} is one file, but there are {len(sources)} recordings; name a folder")
    container = container_of(output.suffix, "-o")
    if options.format is not None and container_of(options.format, "--format") != container:
        raise UserError(
            f"--format: found {options.format!r}, but -o {output} says {output.suffix}; leave one of them out"
        )
    if output.exists() and output.samefile(sources[0]):
        raise UserError(f"{output} would be replaced by its own denoised version; name another file with -o")
    if not options.overwrite:
        check_free([output], OVERWRITE)
    return [Target(sources[0], output)]


def _config(options: argparse.Namespace, overrides: list[str]) -> Config:
    """The configuration of a prediction: the model's own n_fft, and what the overrides say."""
    raw: dict[str, dict[str, Any]] = {"preprocessing": {}}
    raw["prediction"] = {"input_path": options.inputs[0], "play_like": options.play_like}
    import yaml

    for override in overrides:
        key, _, value = override.partition("=")
        section, _, name = key.partition(".")
        if not name:
            raise UserError(f"{override}: there is no such file, and SECTION.KEY=VALUE is needed for a setting")
        raw.setdefault(section, {})[name] = yaml.safe_load(value)
    path: Path = options.model
    if path.suffix.lower() in TORCH_WEIGHTS:
        return build_config(_with_model(raw, state_dict_path=path))
    config = build_config(_with_model(raw, onnx_path=path))
    if "n_fft" in raw["preprocessing"]:
        return config
    model = with_states(load_onnx(path), config.quantization.states if config.quantization is not None else {})
    raw["preprocessing"]["n_fft"] = 2 * (declared_contract(model, path).bins - 1)
    return build_config(_with_model(raw, onnx_path=path))


def _with_model(raw: dict[str, dict[str, Any]], **path: Path) -> dict[str, Any]:
    return {"operation_mode": "prediction", **raw, "model": {**path, **raw.get("model", {})}}
