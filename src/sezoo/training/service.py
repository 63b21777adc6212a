"""The service `training`: recordings in, the last and the best network out, as torch weights and as ONNX."""

from __future__ import annotations

import hashlib
import logging
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from sezoo.audio.clip import write_clip
from sezoo.audio.stft import Stft, stft_of
from sezoo.base import processes
from sezoo.base.errors import UserError
from sezoo.base.files import atomic_folder, check_writable, display_path
from sezoo.base.processors import available_processors
from sezoo.base.text import pluralize, there_are_only
from sezoo.config.plain_data import to_dict
from sezoo.config.sections import Config, Training
from sezoo.denoising import denoise
from sezoo.metrics import METRICS
from sezoo.models.summary import summary_of
from sezoo.models.torch.mask_model import TorchMaskModel, build_network, load_weights, torch_device
from sezoo.run.run import ClipCount, Run
from sezoo.training.examples import ExampleSource, example_sources, recorded_clips
from sezoo.training.export import export_onnx
from sezoo.training.loader import Loader
from sezoo.training.losses import Loss, build_loss
from sezoo.training.optimization import build_optimizer, build_schedule
from sezoo.training.parallel import Parallel, parallel
from sezoo.training.quantization_aware.start import Int8Start, aware_network, export_with_integers
from sezoo.training.resumption import snapshot_to_resume
from sezoo.training.scheduler import build_scheduler, stepped_each
from sezoo.training.selection import Selection
from sezoo.training.shared_batch_norm import with_shared_batch_norms
from sezoo.training.snapshot import Snapshot, load_snapshot
from sezoo.training.teacher import taught
from sezoo.training.torch_stft import TorchStft
from sezoo.training.trainer import TrainedNetworks, Trainer, TrainingFiles
from sezoo.training.validation import validate, validate_noisy
from sezoo.training.validation_loss import validation_loss
from sezoo.training.validation_scores import Scorers

__all__ = ["train"]

log = logging.getLogger(__name__)

SOUNDS = 3
MOST_LOADERS = 4
LAST, BEST = "trained_model", "best_trained_model"
START = "start.onnx"
"""The float model that quantization-aware training begins with."""

Export = Callable[[nn.Module, Path], None]
"""Writes a network as float ONNX."""


def train(run: Run, int8_start: Callable[[Path], Int8Start] | None = None) -> Path | None:
    """Train the configured network, and write it as ONNX.

    Parameters
    ----------
    int8_start : what quantization makes of a float model; `training.quantization_aware` needs it.

    Returns
    -------
    path : of the best epoch's ONNX model, which the run's later services take; None of a dry run, which stops when
        all that a training needs has been checked.

    Raises
    ------
    UserError : the network, the recordings or the settings are not fit for it; the loss becomes NaN.
    """
    for folder, key in (
        (run.folder / run.config.training.ckpt_path, "training.ckpt_path"),
        (run.models_folder, "general.saved_models_dir"),
    ):
        check_writable(folder, key)
    device = torch_device(run.config.training.device, processes.local_rank(), key="training.device")
    with parallel(device) as together, closing(Scorers(run.config.training.num_validation_workers)) as scorers:
        snapshot = together.from_first(lambda: _snapshot(run))
        trainer, export = _trainer(run, device, together, scorers, int8_start)
        if snapshot is not None:
            trainer.resume(snapshot)
        if run.config.training.dryrun:
            _tell_size(trainer.network, run.config, export)
            return None
        networks = trainer.fit()
    path = _write_models(run, trainer.network, networks, export)
    run.tracker.artifact(trainer.files.history, "training")
    best = trainer.history.rows[networks.best_epoch - 1]
    run.tracker.metrics({f"best_{name}": value for name, value in best.items() if value is not None})
    run.artefacts.float_model = path
    return path


def _snapshot(run: Run) -> Snapshot | None:
    path = snapshot_to_resume(run.config, run.folder)
    return None if path is None else load_snapshot(path, _settings(run.config))


def _trainer(
    run: Run,
    device: torch.device,
    together: Parallel,
    scorers: Scorers,
    int8_start: Callable[[Path], Int8Start] | None,
) -> tuple[Trainer, Export]:
    config, training = run.config, run.config.training
    if training.batch_size % together.count:
        raise UserError(
            f"training.batch_size: found {training.batch_size}; {together.count} processes share each batch, so it has "
            f"to be a multiple of {together.count}"
        )
    selection = Selection.of(training)
    for metric in selection.metrics:
        known = METRICS.get(metric)
        if known is not None and not known.is_installed:
            raise UserError(
                f"{selection.key(metric)}: {known.facts.label} needs a package: pip install "
                f"'{known.install or known.needs}'"
            )
    if device.type == "cuda":
        torch.cuda.set_per_process_memory_fraction(config.general.gpu_memory_limit, device)
    seed = config.general.global_seed
    torch.manual_seed(config.dataset.random_seed if seed is None else seed)
    torch.set_num_threads(min(torch.get_num_threads(), available_processors()))  # it knows no container's quota
    stft = stft_of(config.preprocessing)
    network, export = _network(config, stft.bins, device), _plain_export(config)
    if training.quantization_aware:
        network, export = _aware(run, network, together, int8_start)
        network.to(device)
    if training.sync_batch_norm and together.count > 1:
        network = with_shared_batch_norms(network)
    optimizer = build_optimizer(training.optimizer, training.optimizer_arguments, network.parameters())
    sources = example_sources(config)
    together.check_alike("the recordings", _recordings_in_detail(sources))
    if len(sources[0]) < together.count:
        raise UserError(
            f"{there_are_only(len(sources[0]), 'clip')} to train on, fewer than the {together.count} processes "
            "that share a batch"
        )
    batches = Loader(
        sources[0],
        seed=config.dataset.random_seed,
        batch_size=training.batch_size,
        shuffle=config.dataset.shuffle,
        strategy=training.batching_strategy,
        workers=_loader_processes(training),
        share=(together.rank, together.count),
    )
    log.info(
        "training on %d examples in %d batches an epoch, validating on %d, on %s",
        len(sources[0]), len(batches), len(sources[1]), device,
    )  # fmt: skip
    run.clips.update(training=ClipCount(len(sources[0])), validation=ClipCount(len(sources[1])))
    run.clips.update(recorded_clips(sources[0]))
    torch_stft = TorchStft(stft).to(device)
    loss = _loss(config, torch_stft)
    steps = training.epochs * len(batches)
    scheduler = build_scheduler(training.lr_scheduler, optimizer, total_steps=steps, metric=training.reference_metric)
    trainer = Trainer(
        network=network,
        batches=batches,
        validate=partial(
            validate,
            source=sources[1],
            stft=stft,
            sample_rate=config.preprocessing.sample_rate,
            device=str(device),
            metrics=selection.metrics,
            scorers=scorers,
            loss=partial(validation_loss, source=sources[1], loss=loss, torch_stft=torch_stft, device=device),
        ),
        loss=loss,
        optimizer=optimizer,
        schedule=scheduler or build_schedule(training.lr_schedule, optimizer, steps),
        schedule_each=stepped_each(scheduler) if scheduler is not None else "step",
        torch_stft=torch_stft,
        device=device,
        training=training,
        files=_files(run),
        settings=_settings(config),
        data=_data(config, sources),
        validate_noisy=partial(
            validate_noisy, sources[1], config.preprocessing.sample_rate, selection.metrics, scorers
        ),
        progress=run.progress,
        parallel=together,
        each_epoch=partial(_after_epoch, run, sources[1], stft),
    )
    return trainer, export


def _loader_processes(training: Training) -> int:
    """How many processes make examples: those configured, or as many as leave the network a processor."""
    if training.num_dataloader_workers is not None:
        return training.num_dataloader_workers
    return min(MOST_LOADERS, available_processors() - 1)


def _plain_export(config: Config, *, warns: bool = False) -> Export:
    bins, opset = stft_of(config.preprocessing).bins, config.training.opset_version
    return partial(export_onnx, bins=bins, opset=opset, warns=warns)


def _aware(
    run: Run, trained: nn.Module | None, together: Parallel, int8_start: Callable[[Path], Int8Start]
) -> tuple[nn.Module, Export]:
    """The network with the integers that it is trained with, from the trained one or from the configured ONNX model."""
    config, bins = run.config, stft_of(run.config.preprocessing).bins

    def start() -> Int8Start:
        if trained is None:
            return int8_start(config.model.onnx_path)
        path = run.folder / "training_logs" / START
        _plain_export(config)(trained, path)
        return int8_start(path)

    begun = together.from_first(start)
    network = aware_network(begun, config.training.quantization_ranges, trained)
    magnitude = np.random.default_rng(0).random((2, bins, 24), np.float32)
    TorchMaskModel(network, Path("the network")).check_trains(magnitude)
    return network, partial(export_with_integers, start=begun, bins=bins)


def _network(config: Config, bins: int, device: torch.device) -> nn.Module | None:
    """The network to start with, after it has made masks of two small shapes; None where it is an ONNX model."""
    if config.training.quantization_aware and config.model.state_dict_path is None:
        return None
    network = build_network(config.model, config.model_specific)
    if config.model.state_dict_path is not None:
        load_weights(network, config.model.state_dict_path)
        log.info("starts from %s", display_path(config.model.state_dict_path))
    model = TorchMaskModel(network, Path(config.model.custom or config.model.model_type), str(device))
    for batch, frames in ((1, 24), (2, 37)):
        magnitude = np.random.default_rng(frames).random((batch, bins, frames), np.float32)
        model(magnitude)
    model.check_trains(magnitude)
    with tempfile.TemporaryDirectory() as folder:  # told now, not after the last epoch
        _plain_export(config, warns=True)(network, Path(folder, "model.onnx"))
    return model.network


def _tell_size(network: nn.Module, config: Config, export: Export) -> None:
    """Say how large a network is, and that this is all that a dry run does."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.onnx")
        export(network, path)
        summary = summary_of(path)
    macs = f"{summary.macs_per_frame:,.0f} multiply-accumulates" if summary.macs_per_frame else "MAC unknown"
    reach = "of no bound" if summary.lookahead is None else f"all frames before (recurrent), {summary.lookahead} after"
    if summary.field is not None:
        reach = f"{summary.field[0]} frames before, {summary.field[1]} after"
    log.info(
        "%s: %s parameters, %s a frame, receptive field %s, %.2f MiB as ONNX",
        config.model.custom or config.model.model_type, f"{sum(each.numel() for each in network.parameters()):,}", macs,
        reach, summary.bytes / 2**20,
    )  # fmt: skip
    log.info("training.dryrun: all checks passed; no epoch is trained")


def _loss(config: Config, torch_stft: TorchStft) -> Loss:
    training = config.training
    loss = build_loss(
        training.loss,
        torch_stft,
        training.loss_arguments,
        pesq_weight=training.pesq_weight,
        cut_weight=training.cut_weight,
        si_snr_weight=training.si_snr_weight,
    )
    return loss if training.teacher is None else taught(loss, training.teacher, training.teacher_weight, torch_stft)


def _files(run: Run) -> TrainingFiles:
    logs = run.folder / "training_logs"
    training = run.config.training
    return TrainingFiles(logs, run.folder / training.ckpt_path, logs / training.logs_filename)


def _settings(config: Config) -> dict[str, Any]:
    """What a snapshot must share with the training that goes on from it; the epochs may be others."""
    plain = to_dict(config)
    keys = (
        "optimizer",
        "optimizer_arguments",
        "lr_schedule",
        "lr_scheduler",
        "loss",
        "pesq_weight",
        "cut_weight",
        "si_snr_weight",
        "teacher",
        "teacher_weight",
        "batch_size",
        "reference_metric",
        "select_by",
        "guards",
        "weight_averaging",
        "quantization_aware",
        "quantization_ranges",
        *(("loss_arguments",) if config.training.loss_arguments else ()),
    )
    training = {key: plain["training"][key] for key in keys}
    return {
        "model.model_type": config.model.model_type,
        "model.custom": config.model.custom,
        **{f"model_specific.{key}": value for key, value in plain["model_specific"].items()},
        **{f"preprocessing.{key}": value for key, value in plain["preprocessing"].items()},
        **{f"training.{key}": value for key, value in training.items()},
        "dataset.random_seed": config.dataset.random_seed,
        **(_quantization_settings(plain) if config.training.quantization_aware else {}),
    }


def _quantization_settings(plain: Mapping[str, Any]) -> dict[str, Any]:
    """What decides the integers that a network is trained with."""
    keys = ("target", "weight_type", "activation_type", "per_channel", "accuracy_recovery", "op_types_to_quantize")
    return {f"quantization.{key}": plain["quantization"][key] for key in keys}


def _data(config: Config, sources: Sequence[ExampleSource]) -> dict[str, Any]:
    """What makes the examples what they are, by what a message calls it."""
    keys = (
        *("bandwidth_range", "clip_seconds", "draw_by", "level_range", "num_training_samples"),
        *("num_validation_samples", "random_filters", "snr_range"),
        *("clean_share", "noise_share", "high_snr_share", "high_snr_range", "babble_share", "hum_share"),
        *("rumble_share", "reverberation_share", "reverberation_seconds", "rooms", "early_milliseconds"),
        *("microphone_share", "clipping_share", "clipping_range", "board_gain"),
    )
    dataset = to_dict(config)["dataset"]
    return {
        "the recordings": _recordings_in_words(sources),
        **{f"dataset.{key}": dataset[key] for key in keys},
    }


def _recordings_in_words(sources: Sequence[ExampleSource]) -> str:
    """How many recordings there are, and a digest of their names."""
    paths = [path.name for source in sources for recordings in source.recordings for path in recordings.paths]
    digest = hashlib.sha256("\n".join(paths).encode(errors="backslashreplace")).hexdigest()
    return f"{pluralize(len(paths), 'file')}, names {digest[:8]}"


def _recordings_in_detail(sources: Sequence[ExampleSource]) -> str:
    """The same, with a digest of the folders that they are in below that of all, and of their sizes in bytes.

    What is above the folders may have another name on each machine.
    """
    facts: list[tuple[tuple[str, ...], int]] = []
    for source in sources:
        for recordings in source.recordings:
            parents = [path.parent.parts for path in recordings.paths]
            alike = [len(set(names)) == 1 for names in zip(*parents, strict=False)]
            above = alike.index(False) if False in alike else len(alike)
            facts += [(path.parts[above:], _bytes_of(path)) for path in recordings.paths]
    digest = hashlib.sha256(repr(facts).encode(errors="backslashreplace")).hexdigest()
    return f"{_recordings_in_words(sources)}, folders and sizes {digest[:8]}"


def _bytes_of(path: Path) -> int:
    """Size of a recording, or of the tar file that it is in."""
    return next(file for file in (path, *path.parents) if file.is_file()).stat().st_size


def _after_epoch(run: Run, source: ExampleSource, stft: Stft, network: nn.Module, row: Mapping[str, Any]) -> None:
    """Track an epoch's row, and every so many epochs save sounds."""
    epoch, every = row["epoch"], run.config.training.sound_examples_every
    run.tracker.metrics({name: value for name, value in row.items() if name != "epoch" and value is not None}, epoch)
    if every and epoch % every == 0:
        _save_sounds(run, source, stft, network, epoch)


def _save_sounds(run: Run, source: ExampleSource, stft: Stft, network: nn.Module, epoch: int) -> None:
    """A few validation examples to listen to: noisy, denoised, clean."""
    model = TorchMaskModel(network, Path("the network"), str(next(network.parameters()).device))
    rate = run.config.preprocessing.sample_rate
    for index in range(min(SOUNDS, len(source))):
        noisy, clean = source.example(0, index)
        folder = run.folder / "training_logs" / "sounds" / f"epoch_{epoch:04d}"
        for name, wave in (("noisy", noisy), ("denoised", denoise(noisy, model, stft)), ("clean", clean)):
            write_clip(folder / f"{index + 1}_{name}.wav", wave, rate)


def _write_models(run: Run, network: nn.Module, networks: TrainedNetworks, export: Export) -> Path:
    """The last and the best epoch's networks as ONNX in the run's models folder, together; the best one's path."""
    with atomic_folder(run.models_folder) as aside:
        for name, state in ((LAST, networks.last), (BEST, networks.best)):
            network.load_state_dict(state)
            export(network, aside / f"{name}.onnx")
    path = run.models_folder / f"{BEST}.onnx"
    log.info(
        "%s: epoch %d, the best by %s", display_path(path), networks.best_epoch, Selection.of(run.config.training).name
    )
    return path
