"""The network that a training starts with, tried out before the first epoch, and how it is exported."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import soundfile
import torch
from torch import nn

from sezoo.audio.stft import Stft, stft_of
from sezoo.base.files import display_path
from sezoo.base.shipped import DEMO_RECORDINGS
from sezoo.base.text import latency_text
from sezoo.config.sections import Config
from sezoo.denoising.latency import latency_ms
from sezoo.denoising.modes import Stream
from sezoo.models.spectra import random_input, trial_magnitudes
from sezoo.models.summary import summary_of
from sezoo.models.torch.mask_model import TorchMaskModel, build_network, load_weights
from sezoo.run.run import Run
from sezoo.training.export import export_onnx
from sezoo.training.parallel import Parallel
from sezoo.training.quantization_aware.start import Int8Start, aware_network, export_with_integers

__all__ = ["Export", "demo_magnitudes", "first_network", "network_with_integers", "plain_export", "tell_size"]

log = logging.getLogger(__name__)

START = "start.onnx"
"""The float model that quantization-aware training begins with."""


DEMO_CLIPS, DEMO_SAMPLES = 8, 24_000
"""How many of the demo's noisy recordings, and how much of each, stand for what a network hears."""


Export = Callable[[nn.Module, Path], None]
"""Writes a network as float ONNX."""


def plain_export(config: Config, *, warns: bool = False) -> Export:
    """The export to float ONNX with the configured opset."""
    bins, opset = stft_of(config.preprocessing).bins, config.training.opset_version
    return partial(export_onnx, bins=bins, opset=opset, warns=warns)


def network_with_integers(
    run: Run, trained: nn.Module | None, together: Parallel, int8_start: Callable[[Path], Int8Start]
) -> tuple[nn.Module, Export]:
    """The network with the integers that it is trained with, from the trained one or from the configured ONNX model."""
    config, bins = run.config, stft_of(run.config.preprocessing).bins

    def start() -> Int8Start:
        if trained is None:
            return int8_start(config.model.onnx_path)
        path = run.folder / "training_logs" / START
        plain_export(config)(trained, path)
        return int8_start(path)

    begun = together.from_first(start)
    network = aware_network(begun, config.training.quantization_ranges, trained)
    magnitude = random_input(0, (2, bins, 24))
    TorchMaskModel(network, Path("the network")).check_trains(magnitude)
    return network, partial(export_with_integers, start=begun, bins=bins)


def first_network(config: Config, bins: int, device: torch.device) -> nn.Module | None:
    """The network to start with, after it has made masks of two small shapes; None where it is an ONNX model."""
    if config.training.quantization_aware and config.model.state_dict_path is None:
        return None
    network = build_network(config.model, config.model_specific)
    if config.model.state_dict_path is not None:
        load_weights(network, config.model.state_dict_path, demo_magnitudes(bins))
        log.info("starts from %s", display_path(config.model.state_dict_path))
    model = TorchMaskModel(network, Path(config.model.custom or config.model.model_type), str(device))
    for magnitude in trial_magnitudes(bins):
        model(magnitude)
    model.check_trains(magnitude)
    with tempfile.TemporaryDirectory() as folder:  # told now, not after the last epoch
        plain_export(config, warns=True)(network, Path(folder, "model.onnx"))
    return model.network


def demo_magnitudes(bins: int) -> np.ndarray:
    """Magnitudes of the demo's noisy recordings: (clips, bins, frames) float32.

    A model without its batch norms is given their statistics on these; see `load_weights`.
    """
    n_fft = 2 * (bins - 1)
    stft = Stft(n_fft, n_fft // 4, n_fft)
    clips = []
    for path in sorted((DEMO_RECORDINGS / "noisy_trainset").iterdir())[:DEMO_CLIPS]:
        samples, _ = soundfile.read(path, dtype="float32")
        clips.append(stft.magnitude(stft.analyse(np.resize(samples, DEMO_SAMPLES))))
    return np.stack(clips)


def tell_size(network: nn.Module, config: Config, export: Export) -> None:
    """Say how large a network is, and that this is all that a dry run does."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.onnx")
        export(network, path)
        summary = summary_of(path)
    macs = f"{summary.macs_per_frame:,.0f} multiply-accumulates" if summary.macs_per_frame else "MAC unknown"
    reach = "of no bound" if summary.lookahead is None else f"all frames before (recurrent), {summary.lookahead} after"
    if summary.field is not None:
        reach = f"{summary.field[0]} frames before, {summary.field[1]} after"
    if summary.lookahead is not None:
        latency = latency_ms(
            Stream((0, summary.lookahead)), stft_of(config.preprocessing), config.preprocessing.sample_rate
        )
        reach = f"{reach}, {latency_text(latency)} of latency in a stream with 1 frame a call"
    log.info(
        "%s: %s parameters, %s a frame, receptive field %s, %.2f MiB as ONNX",
        config.model.custom or config.model.model_type, f"{sum(each.numel() for each in network.parameters()):,}", macs,
        reach, summary.bytes / 2**20,
    )  # fmt: skip
    log.info("training.dryrun: all checks passed; no epoch is trained")
