"""The `benchmarking` service: memory and time of a model on each configured target."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

from sezoo.audio.stft import stft_of
from sezoo.base.errors import UserError
from sezoo.base.files import display_path
from sezoo.benchmarking.emulated import check_emulated, measure_emulated
from sezoo.benchmarking.ethos_u import Npus
from sezoo.benchmarking.figure import save_benchmark_figure
from sezoo.benchmarking.host import HOST, measure_host
from sezoo.benchmarking.table import print_benchmark
from sezoo.config.npus import NPUS
from sezoo.config.sections import Config
from sezoo.denoising.latency import latency_samples
from sezoo.denoising.patch_lengths import patch_lengths
from sezoo.denoising.run_models import static_frames_of
from sezoo.models.onnx_file import load_onnx
from sezoo.results.benchmark import PATCH, Benchmark, LayerCost, Measurement
from sezoo.run.run import Run
from sezoo.targets.cores import CORES
from sezoo.targets.ethos_u import find_vela

__all__ = ["STEDGEAI", "benchmark", "check_benchmarking"]

log = logging.getLogger(__name__)

STEDGEAI, ALL = "stedgeai", "all"
FIGURE = "benchmark.png"


def check_benchmarking(config: Config) -> None:
    """Check what can be checked before there is a model.

    Raises
    ------
    UserError : a tool that is missing.
    """
    for target in config.benchmarking.targets:
        if target == ALL:
            continue
        if target == STEDGEAI:
            from sezoo.targets.stedgeai.measure import check_measurable

            check_measurable(config.tools.stedgeai)
        elif target not in NPUS and target != HOST:
            check_emulated(config)
    if any(target in NPUS for target in config.benchmarking.targets):
        find_vela()


def benchmark(run: Run) -> Benchmark:
    """Measure the run's static model, or the configured one, on every target.

    `benchmark.json` and `benchmark.png` appear in the run's folder, and the table on the terminal.

    Raises
    ------
    UserError : the model does not fit, or a tool is missing or fails.
    """
    settings = run.config.benchmarking
    check_benchmarking(run.config)
    model = run.artefacts.int8_static or run.config.model.onnx_path
    found: list[Measurement] = []
    failed: dict[str, UserError] = {}
    targets, npus = _expand_targets(settings.targets), Npus(run, model)
    for number, target in enumerate(targets, 1):
        if len(targets) > 1:
            log.info("measuring on %s (%d of %d)", target, number, len(targets))
        try:
            if target == HOST:
                found += measure_host(run)
            elif target == STEDGEAI:
                found.append(_by_st_edge_ai(run, model))
            elif target in NPUS:
                found.append(npus.measure(target))
            else:
                found.append(measure_emulated(run, model, target))
        except UserError as error:  # what the other targets measure is not lost
            if settings.targets == (target,):
                raise
            failed[target] = error
    if not found:
        raise next(iter(failed.values()))
    result = Benchmark(settings.board, tuple(found))
    path = result.write(run.folder)
    save_benchmark_figure(run.folder / FIGURE, result)
    if run.tables:
        print_benchmark(result)
    log.info("all figures: %s", display_path(path))
    for one in result.measurements:
        if one.milliseconds is not None:
            run.tracker.metrics({f"ms_{one.target}_{one.model}_{one.what}".replace(" ", "_"): one.milliseconds})
    run.tracker.artifact(path, "benchmark")
    for reason in _by_reason({target: error for target, error in failed.items() if target not in settings.targets}):
        log.warning("not measured: %s", reason)
    if asked_for := _by_reason({target: error for target, error in failed.items() if target in settings.targets}):
        raise UserError(f"benchmarking.targets: not measured: {'; '.join(asked_for)}")
    return result


def _by_reason(failed: Mapping[str, UserError]) -> list[str]:
    """Why targets were not measured; those with the same reason together."""
    found: dict[str, list[str]] = {}
    for target, error in failed.items():
        found.setdefault(str(error), []).append(target)
    return [f"{', '.join(targets)}: {reason}" for reason, targets in found.items()]


def _expand_targets(targets: Sequence[str]) -> dict[str, None]:
    """The targets one by one, each once: `all` is this computer, the emulated cores and the NPUs."""
    found: dict[str, None] = {}
    for target in targets:
        found |= dict.fromkeys((HOST, *CORES, *NPUS) if target == ALL else (target,))
    return found


def _by_st_edge_ai(run: Run, model: Path) -> Measurement:
    from sezoo.targets.stedgeai.measure import measure

    config = run.config
    result = measure(model, config.benchmarking.board, config.tools.stedgeai, run.folder / "stedgeai")
    new, lookahead = patch_lengths(config, static_frames_of(load_onnx(model)))
    stft, rate = stft_of(config.preprocessing), config.preprocessing.sample_rate
    return Measurement(
        target=STEDGEAI,
        model="int8",
        what=PATCH,
        macs=result.macs,
        flash=result.flash_bytes,
        ram=result.ram_bytes,
        milliseconds=result.milliseconds,
        audio_seconds=new * stft.hop_length / rate,
        latency_ms=1000 * latency_samples(lookahead, new, stft, patches=True) / rate,
        how=f"ST Edge AI {result.tool_version or ''}, {result.obtained}",
        layers=tuple(LayerCost(layer.name, "", layer.macs, milliseconds=layer.milliseconds) for layer in result.layers),
    )
