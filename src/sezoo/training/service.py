"""The service `training`: recordings in, the last and the best network out, as torch weights and as ONNX."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path

import torch
from torch import nn

from sezoo.audio.stft import stft_of
from sezoo.base import processes
from sezoo.base.errors import UserError
from sezoo.base.files import atomic_folder, check_writable, display_path
from sezoo.base.processors import available_processors
from sezoo.base.text import there_are_only
from sezoo.config.sections import Config, Training
from sezoo.metrics import METRICS
from sezoo.models.torch.mask_model import torch_device
from sezoo.results.names import TRAINING
from sezoo.run.run import ClipCount, Run
from sezoo.training.after_epoch import after_epoch
from sezoo.training.event_files import EventFiles, check_tensorboard
from sezoo.training.examples import count_recordings, example_sources
from sezoo.training.first_network import Export, first_network, network_with_integers, plain_export, tell_size
from sezoo.training.identity import data_of_snapshot, recordings_in_detail, settings_of_snapshot
from sezoo.training.learner import Learner
from sezoo.training.loader import Loader
from sezoo.training.losses import Loss, build_loss
from sezoo.training.optimization import build_optimizer, build_schedule
from sezoo.training.parallel import Parallel, parallel
from sezoo.training.quantization_aware.start import Int8Start
from sezoo.training.resumption import snapshot_to_resume
from sezoo.training.scheduler import build_scheduler, step_interval
from sezoo.training.selection import Selection
from sezoo.training.shared_batch_norm import with_shared_batch_norms
from sezoo.training.snapshot import Snapshot, load_snapshot
from sezoo.training.teacher import add_teacher_loss
from sezoo.training.torch_stft import TorchStft
from sezoo.training.trainer import TrainedNetworks, Trainer, TrainingFiles
from sezoo.training.validation import validate, validate_noisy
from sezoo.training.validation_loss import validation_loss
from sezoo.training.validation_scores import Scorers

__all__ = ["train"]

log = logging.getLogger(__name__)


MOST_LOADERS = 4


LAST, BEST = "trained_model", "best_trained_model"
EVENTS = "tensorboard"


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
    if run.config.training.tensorboard:
        check_tensorboard()
    device = torch_device(run.config.training.device, processes.local_rank(), key="training.device")
    events = EventFiles(run.folder / TRAINING / EVENTS)
    with (
        parallel(device) as together,
        closing(Scorers(run.config.training.num_validation_workers)) as scorers,
        closing(events),
    ):
        snapshot = together.from_first(lambda: _snapshot(run))
        trainer, export = _trainer(run, events, device, together, scorers, int8_start)
        if snapshot is not None:
            trainer.resume(snapshot)
        if run.config.training.dryrun:
            tell_size(trainer.learner.network, run.config, export)
            return None
        networks = trainer.fit()
        if run.config.training.tensorboard and together.is_first:
            events.picture("curves", trainer.files.curves, len(trainer.history.rows))
    path = _write_models(run, trainer.learner.network, networks, export)
    run.tracker.artifact(trainer.files.history, "training")
    best = trainer.history.rows[networks.best_epoch - 1]
    run.tracker.metrics({f"best_{name}": value for name, value in best.items() if value is not None})
    run.artefacts.float_model = path
    return path


def _snapshot(run: Run) -> Snapshot | None:
    path = snapshot_to_resume(run.config, run.folder)
    return None if path is None else load_snapshot(path, settings_of_snapshot(run.config))


def _trainer(
    run: Run,
    events: EventFiles,
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
    network, export = first_network(config, stft.bins, device), plain_export(config)
    if training.quantization_aware:
        network, export = network_with_integers(run, network, together, int8_start)
        network.to(device)
    if training.sync_batch_norm and together.count > 1:
        network = with_shared_batch_norms(network)
    optimizer = build_optimizer(training.optimizer, training.optimizer_arguments, network.parameters())
    sources = example_sources(config)
    together.check_alike("the recordings", recordings_in_detail(sources))
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
        "training on %d examples in %d %s an epoch, validating on %d, on %s",
        len(sources[0]), len(batches), "batch" if len(batches) == 1 else "batches", len(sources[1]), device,
    )  # fmt: skip
    run.clips.update(training=ClipCount(len(sources[0])), validation=ClipCount(len(sources[1])))
    run.clips.update(count_recordings(sources[0]))
    torch_stft = TorchStft(stft).to(device)
    loss = _loss(config, torch_stft)
    steps = training.epochs * len(batches)
    scheduler = build_scheduler(training.lr_scheduler, optimizer, total_steps=steps, metric=training.reference_metric)
    learner = Learner(
        network=network,
        loss=loss,
        optimizer=optimizer,
        schedule=scheduler or build_schedule(training.lr_schedule, optimizer, steps),
        schedule_each=step_interval(scheduler) if scheduler is not None else "step",
        torch_stft=torch_stft,
        device=device,
        training=training,
        parallel=together,
    )
    trainer = Trainer(
        learner=learner,
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
            executor=config.general.executor,
        ),
        files=_files(run),
        settings=settings_of_snapshot(config),
        data=data_of_snapshot(config, sources),
        validate_noisy=partial(
            validate_noisy,
            sources[1],
            config.preprocessing.sample_rate,
            selection.metrics,
            scorers,
            config.general.executor,
        ),
        progress=run.progress,
        each_epoch=partial(after_epoch, run, sources[1], stft, events),
    )
    return trainer, export


def _loader_processes(training: Training) -> int:
    """Return the number of loader processes: the configured one, or one less than processors, up to a limit."""
    if training.num_dataloader_workers is not None:
        return training.num_dataloader_workers
    return min(MOST_LOADERS, available_processors() - 1)


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
    return (
        loss
        if training.teacher is None
        else add_teacher_loss(loss, training.teacher, training.teacher_weight, torch_stft)
    )


def _files(run: Run) -> TrainingFiles:
    logs = run.folder / TRAINING
    training = run.config.training
    return TrainingFiles(logs, run.folder / training.ckpt_path, logs / training.logs_filename)


def _write_models(run: Run, network: nn.Module, networks: TrainedNetworks, export: Export) -> Path:
    """The last and the best epoch's networks as ONNX in the run's models folder, together; the best one's path."""
    with atomic_folder(run.models_folder) as temporary:
        network.load_state_dict(networks.last)
        export(network, temporary / f"{LAST}.onnx")
        if all(torch.equal(weight, networks.best[name]) for name, weight in networks.last.items()):
            shutil.copyfile(temporary / f"{LAST}.onnx", temporary / f"{BEST}.onnx")
        else:
            network.load_state_dict(networks.best)
            export(network, temporary / f"{BEST}.onnx")
    path = run.models_folder / f"{BEST}.onnx"
    for model in (LAST, BEST):
        run.tracker.artifact(run.models_folder / f"{model}.onnx", "models")
    log.info(
        "%s: epoch %d, the best by %s", display_path(path), networks.best_epoch, Selection.of(run.config.training).name
    )
    return path
