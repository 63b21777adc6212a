"""Conversion of the API functions' arguments to configuration sections, without default values."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sezoo.api.clips import DEFAULT_EXTENSION, extension_of
from sezoo.api.sections import (
    Settings,
    Spectrum,
    backend_section,
    deployment_section,
    drop_none,
    extension,
    finalize_settings,
    merge_settings,
    model_section,
    name_list,
    scored_set,
    section,
)
from sezoo.base.errors import UserError
from sezoo.base.shipped import ZOO
from sezoo.zoo import network_settings, training_recipe

__all__ = [
    "benchmarking_settings",
    "deployment_settings",
    "evaluation_settings",
    "prediction_settings",
    "quantization_settings",
    "score_settings",
    "training_settings",
]


def quantization_settings(
    model: Path,
    data: Path,
    spectrum: Spectrum,
    *,
    target: str | None = None,
    board: str | None = None,
    backend: str | None = None,
    noisy: Path | None = None,
    clean: Path | None = None,
    frames: int | None = None,
    num_clips: int | None = 100,
    metrics: Sequence[str] | None = None,
    workers: int | None = None,
    more: Settings | None = None,
) -> Settings:
    """Quantize, and evaluate where there are clean clips; see `sezoo.quantize`.

    Raises
    ------
    UserError : a folder or a model that is not there.
    """
    if noisy is not None and clean is None:
        raise UserError("noisy: test clips need the clean speech in them (clean); without it leave them out")
    if metrics is not None and clean is None:
        raise UserError("metrics: scores need the clean speech of the clips (clean); without it leave them out")
    kind = extension_of(data, "quantization.noisy_quantization_files_path")
    quantization: Settings = {"noisy_quantization_files_path": data}
    if num_clips != 100:
        quantization["num_quantization_samples"] = num_clips
    quantization |= drop_none(static_sequence_length=frames)
    if target is not None:
        quantization["target"] = target
    settings: Settings = {"operation_mode": "quantization", "model": {"onnx_path": model}}
    settings |= section("deployment", backend=backend, hardware_setup=board and {"board": board})
    if clean is not None:
        settings["operation_mode"] = "chain_qe"
        settings["dataset"] = scored_set(noisy or data, clean)
        settings |= section("evaluation", metrics=name_list(metrics), num_workers=workers)
        if (other := settings["dataset"].get("file_extension", DEFAULT_EXTENSION)) != kind:
            raise UserError(
                f"dataset.noisy_test_files_path: {noisy} holds {other} files, {data} {kind} files; clips to calibrate "
                "and to test with have to be of one kind"
            )
    elif kind != DEFAULT_EXTENSION:
        settings["dataset"] = {"name": "custom", "file_extension": kind}
    settings["quantization"] = quantization
    return finalize_settings(settings, spectrum, model, more)


def evaluation_settings(
    model: Path | None,
    noisy: Path,
    spectrum: Spectrum,
    *,
    clean: Path | None = None,
    function: str | None = None,
    metrics: Sequence[str] | None = None,
    play_like: Sequence[str] | None = None,
    target: str | None = None,
    board: str | None = None,
    backend: str | None = None,
    num_clips: int | None = None,
    explain_deployment: bool = False,
    robustness: bool = False,
    workers: int | None = None,
    more: Settings | None = None,
) -> Settings:
    """Score a model, or in its place a function; see `sezoo.evaluate`.

    Raises
    ------
    UserError : a folder or a model that is not there.
    """
    dataset = scored_set(noisy, clean)
    if num_clips is not None:
        dataset["num_test_samples"] = num_clips
    settings: Settings = {"operation_mode": "evaluation", "dataset": dataset}
    settings["model"] = {"function": function} if model is None else model_section(model)
    settings |= section(
        "evaluation",
        metrics=name_list(metrics),
        play_like=name_list(play_like),
        explain_deployment=explain_deployment or None,
        robustness=robustness or None,
        num_workers=workers,
    )
    settings |= backend_section(model, target=target, board=board, backend=backend)
    return finalize_settings(settings, spectrum, model, more)


def score_settings(
    denoised: Path,
    clean: Path,
    *,
    noisy: Path | None = None,
    metrics: Sequence[str] | None = None,
    num_clips: int | None = None,
    workers: int | None = None,
    sample_rate: int = 16000,
    more: Settings | None = None,
) -> Settings:
    """Score denoised recordings; see `sezoo.score`.

    Raises
    ------
    UserError : a folder that is not there.
    """
    dataset = scored_set(noisy or clean, clean)
    if num_clips is not None:
        dataset["num_test_samples"] = num_clips
    settings: Settings = {"operation_mode": "evaluation", "model": {"denoised_path": denoised}, "dataset": dataset}
    settings |= section("evaluation", metrics=name_list(metrics), num_workers=workers)
    return finalize_settings(settings, Spectrum(sample_rate), None, more)


def benchmarking_settings(
    model: Path,
    spectrum: Spectrum,
    *,
    on: Sequence[str] = ("host",),
    board: str | None = None,
    clock_mhz: float | None = None,
    runs: int = 50,
    threads: int = 1,
    more: Settings | None = None,
) -> Settings:
    """Measure memory and time; see `sezoo.benchmark`.

    Raises
    ------
    UserError : a model that is not there.
    """
    benchmarking = {"board": board, "targets": name_list(on), "clock_mhz": clock_mhz}
    benchmarking |= {"runs": runs if runs != 50 else None, "threads": threads if threads != 1 else None}
    settings: Settings = {"operation_mode": "benchmarking", "model": {"onnx_path": model}}
    return finalize_settings(settings | section("benchmarking", **benchmarking), spectrum, model, more)


def deployment_settings(
    model: Path,
    spectrum: Spectrum,
    *,
    board: str | None = None,
    backend: str | None = None,
    engine: str | None = None,
    frames: int | None = None,
    lookahead: int | None = None,
    emulate: bool = True,
    package: str | None = None,
    dry_run: bool = False,
    more: Settings | None = None,
) -> Settings:
    """Bring a model onto a board; see `sezoo.deploy`.

    Raises
    ------
    UserError : a model that is not there.
    """
    deployment = deployment_section(model, None, backend)
    deployment |= drop_none(engine=engine, frames_per_patch=frames, lookahead_frames=lookahead)
    deployment |= drop_none(emulate=None if emulate else False, package=package, dry_run=dry_run or None)
    deployment |= drop_none(hardware_setup=board and {"board": board})
    settings: Settings = {"operation_mode": "deployment", "model": {"onnx_path": model}, "deployment": deployment}
    return finalize_settings(settings, spectrum, model, more)


def training_settings(
    spectrum: Spectrum,
    *,
    speech: Path | None = None,
    noise: Path | None = None,
    noisy: Path | None = None,
    clean: Path | None = None,
    architecture: str = "STFTTCNN",
    weights: Path | None = None,
    epochs: int = 100,
    batch_size: int | None = None,
    device: str | None = None,
    more: Settings | None = None,
) -> Settings:
    """Train a network by the recipe of the shipped models; see `sezoo.train`.

    Raises
    ------
    UserError : neither, or both, of the two kinds of recordings; a folder that is not there.
    """
    if speech and noise and not (noisy or clean):
        dataset: Settings = {"name": "mix", "speech_path": speech, "noise_path": noise}
    elif noisy and clean and not (speech or noise):
        dataset = {"name": "custom", "noisy_train_files_path": noisy, "clean_train_files_path": clean}
        dataset |= extension(noisy, "dataset.noisy_train_files_path")
    else:
        raise UserError(
            "recordings to train on: give speech and noise, to be mixed (--speech, --noise), or else pairs of clean "
            "and noisy ones (--clean, --noisy)"
        )
    settings: Settings = {"operation_mode": "training", "model": {"model_type": architecture}}
    if weights is not None and weights.is_relative_to(ZOO):
        settings |= network_settings(weights.parent.name)
    settings["model"] |= drop_none(state_dict_path=weights)
    if spectrum.n_fft not in (None, 512):
        settings["model_specific"] = settings.get("model_specific", {}) | {"in_channels": spectrum.n_fft // 2 + 1}
    recipe = training_recipe(mixed=dataset["name"] == "mix", sample_rate=spectrum.sample_rate)
    if "lr_scheduler" in (more or {}).get("training", {}):  # takes the place of the schedule
        del recipe["training"]["lr_schedule"]
    settings["dataset"] = dataset | recipe["dataset"]
    settings["preprocessing"] = spectrum.settings()
    chosen = drop_none(epochs=epochs if epochs != 100 else None, batch_size=batch_size, device=device)
    settings["training"] = recipe["training"] | chosen
    return merge_settings(settings, more)


def prediction_settings(
    model: Path,
    recordings: Path,
    spectrum: Spectrum,
    *,
    play_like: str = "whole",
    target: str | None = None,
    board: str | None = None,
    backend: str | None = None,
    attenuation_limit: float | None = None,
    output: Path | None = None,
    format: str | None = None,
    overwrite: bool = False,
    more: Settings | None = None,
) -> Settings:
    """Denoise a file or a folder of them; see `sezoo.denoise`.

    Parameters
    ----------
    attenuation_limit : in dB, what is taken away at most.
    output : folder of the denoised files; None is what a run of a YAML file has.

    Raises
    ------
    UserError : a model that is not there.
    """
    prediction: Settings = {"input_path": recordings}
    prediction |= drop_none(output_path=None if output is None else output.absolute(), format=format)
    prediction |= drop_none(play_like=play_like if play_like != "whole" else None, overwrite=overwrite or None)
    prediction |= drop_none(attenuation_limit_db=attenuation_limit)
    settings: Settings = {"operation_mode": "prediction", "model": model_section(model), "prediction": prediction}
    settings |= backend_section(model, target=target, board=board, backend=backend)
    return finalize_settings(settings, spectrum, model, more)
