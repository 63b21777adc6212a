"""Cycles on an Ethos-U as Arm's compiler estimates them: the network as a .tflite file, compiled."""

from __future__ import annotations

import logging
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from sezoo.audio.stft import stft_of
from sezoo.base.files import display_path, unused_path
from sezoo.config.npus import NPUS
from sezoo.config.sections import Config, Deployment
from sezoo.denoising.backend import STREAM as STREAM_ENGINE
from sezoo.denoising.backend import TFLITE, engine_of
from sezoo.deployment.c_package.call_frames import Engine
from sezoo.deployment.engine.integer_graph import IntegerGraph
from sezoo.deployment.engine.operators import LookupTable, Permute
from sezoo.deployment.engine_choice import engine_for
from sezoo.deployment.tflite.deploy import MODEL, write_tflite
from sezoo.deployment.tflite.lowerable import tflite_graph_of
from sezoo.deployment.tflite.lowering import LoweredGraph, lower_graph
from sezoo.models.contract import declared_contract
from sezoo.models.onnx_file import load_onnx
from sezoo.results.benchmark import PATCH, STREAM, LayerCost, LeftToCpu, Measurement
from sezoo.run.run import Run
from sezoo.targets.ethos_u import CLOCK_MHZ, MEMORY_MODE, Vela, VelaEstimate, compile_for_npu, find_vela

__all__ = ["Npus"]

log = logging.getLogger(__name__)

COMPILED = "denoiser_vela.tflite"
FOLDER = "ethos_u"
"""In the run's."""


class Npus:
    """A static int8 model on one NPU after the other: the .tflite file is made once, and compiled for each.

    All of it is vela's estimate, for the NPU alone: spectra, prologue and mask are the processor's. Times are at
    `benchmarking.clock_mhz`, else at 500 MHz.
    """

    def __init__(self, run: Run, model: Path) -> None:
        self.run, self.model = run, model

    @cached_property
    def vela(self) -> Vela:
        """Arm's compiler."""
        return find_vela()

    @cached_property
    def network(self) -> _Network:
        """The model as TensorFlow Lite has it."""
        static = load_onnx(self.model)
        graph = tflite_graph_of(static, self.model)
        declared_contract(static, self.model, n_fft=self.run.config.preprocessing.n_fft)
        engine = engine_for(graph, self.model, _with_deployment(self.run.config))
        return _Network(graph, engine, lower_graph(graph, self.model, 1 if engine.is_stream else None))

    def measure(self, target: str) -> Measurement:
        """Compile the model for an NPU; `ethos_u/TARGET/denoiser_vela.tflite` is in the run's folder.

        Raises
        ------
        UserError : the model does not fit TensorFlow Lite, or vela is missing, too old or fails.
        """
        run, npu, config, network = self.run, NPUS[target], self.run.config, self.network
        engine, stft = network.engine, stft_of(config.preprocessing)
        with tempfile.TemporaryDirectory(prefix="sezoo_") as scratch:
            folder = Path(scratch)
            write_tflite(network.low, self.model.name, folder)
            estimate = compile_for_npu(
                self.vela, folder / MODEL, npu, folder / "made", run.folder / "benchmark_logs" / f"vela_{target}.log"
            )
            kept = unused_path(run.folder / FOLDER / target / COMPILED)
            kept.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(folder / "made" / COMPILED, kept)
        log.info("%s: %s", target, display_path(kept))
        left = tuple(_left_to_cpu(network, estimate))
        for remedy, names in _by_remedy(left).items():
            log.warning("%s leaves %s to the processor: %s", target, ", ".join(names), remedy)
        clock = config.benchmarking.clock_mhz or CLOCK_MHZ
        return Measurement(
            target=target,
            model="int8",
            what=STREAM if engine.is_stream else PATCH,
            macs=network.graph.macs_per_frame * engine.frames_computed,
            parameters=network.graph.parameters,
            flash=estimate.flash,
            ram=estimate.sram,
            milliseconds=estimate.cycles / clock / 1000,
            cycles=estimate.cycles,
            audio_seconds=engine.new * stft.hop_length / config.preprocessing.sample_rate,
            latency_ms=1000 * engine.latency(stft) / config.preprocessing.sample_rate,
            is_estimate=True,
            clock_mhz=clock,
            how=(
                f"Arm's compiler vela {self.vela.version}: its own estimate for {npu.system}, {MEMORY_MODE}; not "
                "measured, and without spectra and mask, which the processor computes"
            ),
            layers=tuple(
                LayerCost(
                    network.name_of(each.tensor), each.kind, each.macs or None,
                    milliseconds=each.cycles / clock / 1000,
                )
                for each in estimate.layers
                if each.cycles
            ),
            left_to_cpu=left,
        )  # fmt: skip


@dataclass(frozen=True)
class _Network:
    """A model in integers, what a call computes of it, and its file."""

    graph: IntegerGraph
    engine: Engine
    low: LoweredGraph

    def name_of(self, tensor: str) -> str:
        """Return the ONNX name of the operator that computes a tensor of the file."""
        for operator, name in zip(self.low.file.operators, self.low.names, strict=True):
            if self.low.file.tensors[operator.outputs[0]].name == tensor:
                return name
        return tensor


def _by_remedy(left: Sequence[LeftToCpu]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for one in left:
        found.setdefault(one.remedy, []).append(one.name)
    return found


def _with_deployment(config: Config) -> Config:
    """The configuration as it writes a .tflite file, whatever the backend of its board is."""
    settings = config.deployment or Deployment()
    is_of_c_stream = settings.backend != TFLITE and engine_of(config) == STREAM_ENGINE
    settings = Deployment() if is_of_c_stream else settings  # its frames are not those of patches
    return config.model_copy(update={"deployment": settings.model_copy(update={"backend": TFLITE})})


def _left_to_cpu(network: _Network, estimate: VelaEstimate) -> Iterator[LeftToCpu]:
    """The operators of the ONNX model that are not, or not whole, on the NPU."""
    by_name = {operator.name: operator for operator in network.graph.operators}
    kinds: dict[str, dict[str, None]] = {}
    reasons: dict[str, str] = {}
    for layer in estimate.layers:
        if not layer.on_npu:
            name = network.name_of(layer.tensor)
            kinds.setdefault(name, {})[layer.kind] = None
            reasons.setdefault(name, estimate.reasons.get(layer.tensor, "vela does not say why"))
    for name, found in kinds.items():
        operator = by_name.get(name)
        if isinstance(operator, LookupTable):
            remedy = "a function by a table; ReLU, ReLU6 or a limit in its place is part of a convolution"
        elif isinstance(operator, Permute):
            remedy = "an order of single items; parts that lie in a row, one behind the other, are slices for the NPU"
        else:
            remedy = f"{reasons[name]} (vela)"
        yield LeftToCpu(name, ", ".join(found), remedy)
