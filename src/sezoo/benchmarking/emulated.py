"""Instructions on an emulated Cortex-M: the C package of the model, built and run there."""

from __future__ import annotations

import tempfile
from pathlib import Path

from sezoo.base.progress import working
from sezoo.config.boards import BOARDS
from sezoo.config.sections import Config, Deployment
from sezoo.denoising.backend import PORTABLE_C
from sezoo.deployment.c_package.deploy import package_for, tools_of
from sezoo.deployment.c_package.emulated_run import run_emulated
from sezoo.deployment.c_package.program import Program
from sezoo.deployment.engine.operators import Loop, Sweep
from sezoo.deployment.recording import recording_of
from sezoo.models.onnx_file import load_onnx
from sezoo.results.benchmark import PATCH, STREAM, LayerCost, Measurement
from sezoo.run.run import Run
from sezoo.targets.cores import CORES

__all__ = ["check_emulated", "measure_emulated"]

SECONDS = 2
"""Of audio that are denoised: every call takes as many instructions as the others."""


def check_emulated(config: Config) -> None:
    """Check that compiler and emulator are installed.

    Raises
    ------
    UserError : one is missing or too old.
    """
    tools_of(config, Path())


def measure_emulated(run: Run, model: Path, target: str) -> Measurement:
    """Build the C package of a static int8 model for a core, and count.

    Times are estimates: an instruction a cycle, at `benchmarking.clock_mhz` or the fastest clock of the board; at a
    usual one for a core that the board does not have.

    Raises
    ------
    UserError : the model does not fit, a tool is missing, or the package does not compile.
    """
    config, core = run.config, CORES[target]
    emulation = tools_of(config, run.folder / "benchmark_logs")
    recording = recording_of(config)
    stft, rate = config.preprocessing, config.preprocessing.sample_rate
    waveform = recording.noisy[: SECONDS * rate]
    with tempfile.TemporaryDirectory(prefix="sezoo_") as scratch:
        package = Path(scratch) / "package"
        package.mkdir()
        with working("writing the C package and its test vectors", in_log=True):
            program = package_for(load_onnx(model), model, _with_deployment(config), waveform, package)
        done = run_emulated(emulation, core, package, waveform, rate, Path(scratch) / core.name)
    figures = done.figures
    facts = BOARDS[config.benchmarking.board]
    fastest = facts.clock_mhz if facts.core == core.name else core.clock_mhz
    clock = config.benchmarking.clock_mhz or fastest
    instructions = figures.instructions / figures.calls
    return Measurement(
        target=target,
        model="int8",
        what=STREAM if program.engine.is_stream else PATCH,
        macs=program.graph.macs_per_frame * program.engine.frames_computed,
        parameters=program.graph.parameters,
        flash=done.size.flash,
        ram=done.size.ram + figures.stack,
        arena=program.arena_bytes,
        state=program.state_bytes,
        stack=figures.stack,
        milliseconds=instructions / clock / 1000,
        instructions=round(instructions),
        worst_instructions=figures.worst,
        audio_seconds=program.engine.new * stft.hop_length / rate,
        latency_ms=1000 * program.engine.latency(program.stft) / rate,
        is_estimate=True,
        clock_mhz=clock,
        how=f"the C package in QEMU, {core.kernels}, built with {done.compiler}",
        layers=(
            LayerCost("spectra", "STFT", instructions=round(figures.spectra / figures.calls)),
            *_layers(program, figures.steps, figures.calls),
        ),
    )


def _layers(program: Program, steps: tuple[int, ...], calls: int) -> list[LayerCost]:
    """Return the cost of each step; the multiplications of a loop are those of its operators.

    A sweep is counted as a whole, and the operators in it are not.
    """
    frames = program.engine.frames_computed
    in_sweeps = {id(each) for sweep in program.steps if isinstance(sweep, Sweep) for each in sweep.operators}
    macs = [
        0 if isinstance(operator, Loop) or id(operator) in in_sweeps else operator.macs * frames
        for operator in program.steps
    ]
    return [
        LayerCost(operator.name, operator.kind, its or None, instructions=round(count / calls))
        for operator, its, count in zip(program.steps, macs, steps, strict=True)
    ]


def _with_deployment(config: Config) -> Config:
    """The configuration as it deploys the C package, whatever the backend of its board is."""
    settings = (config.deployment or Deployment()).model_copy(update={"backend": PORTABLE_C})
    return config.model_copy(update={"deployment": settings})
