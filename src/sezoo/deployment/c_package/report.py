"""Results of a C package: its sizes, its agreement with onnxruntime, and its run on the emulated core."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sezoo.base.text import latency_text, pluralize
from sezoo.config.boards import BOARDS
from sezoo.denoising.backend import PORTABLE_C
from sezoo.deployment.c_package.emulated_run import EmulatedRun
from sezoo.deployment.c_package.package import PackageSettings
from sezoo.deployment.c_package.program import Program
from sezoo.deployment.engine.agreement import Agreement
from sezoo.deployment.recording import Recording
from sezoo.metrics.checks import MetricError
from sezoo.metrics.measures.pesq import pesq
from sezoo.metrics.measures.snr import snr
from sezoo.results.deployment import Deployment, Emulated, OnnxruntimeAgreement, OperatorCost

__all__ = ["DeploymentReport", "deployment_of"]


@dataclass(frozen=True, eq=False)
class DeploymentReport:
    """Results of a deployment as a C package.

    Attributes
    ----------
    masks : number of the package's test vectors that can reveal a wrong build.
    reference : the recording denoised in numpy, (samples,) float32
    emulated : None if the package was not emulated.
    """

    model: str
    program: Program
    settings: PackageSettings
    masks: int
    agreement: Agreement
    recording: Recording
    reference: np.ndarray
    emulated: EmulatedRun | None

    @cached_property
    def pesq(self) -> dict[str, float]:
        """PESQ of the recording denoised in numpy and on the core; empty if it cannot be scored."""
        clean = self.recording.clean
        if clean is None:
            return {}
        waveforms = {"reference": self.reference}
        if self.emulated is not None:
            waveforms["core"] = self.emulated.denoised
        try:
            return {name: pesq(clean, waveform, self.settings.sample_rate) for name, waveform in waveforms.items()}
        except MetricError:
            return {}

    @cached_property
    def wave_snr(self) -> float | None:
        """SNR in dB of the core's output against numpy's, infinite if they are equal; None if nothing was emulated."""
        if self.emulated is None:
            return None
        if np.array_equal(self.reference, self.emulated.denoised):
            return float("inf")
        try:
            return snr(self.reference, self.emulated.denoised)
        except MetricError:
            return None

    @property
    def latency_ms(self) -> float:
        """Time in ms from the arrival of a sample to its output."""
        return 1000 * self.program.engine.latency(self.program.stft) / self.settings.sample_rate

    def log_lines(self) -> Iterator[str]:
        """Yield the results as lines for the log."""
        agreed, program = self.agreement, self.program
        if agreed.largest == 0 and agreed.mean_mask_difference == 0:
            yield "checked against onnxruntime: all operators and the mask are identical"
        else:
            yield (
                f"checked against onnxruntime: {100 * agreed.share:.2g} % of the operators' integers differ, by "
                f"at most {agreed.largest}; the mask differs by {agreed.mean_mask_difference:.1e} on average"
            )
        yield (
            f"{program.arena_bytes / 1024:.1f} KiB of working memory, {program.state_bytes / 1024:.1f} KiB of state; "
            f"{latency_text(self.latency_ms)} of latency"
        )
        if (run := self.emulated) is None:
            return
        figures = run.figures
        yield (
            f"{run.core.name} ({run.core.kernels}): {self.masks} masks equal numpy's bit by bit; "
            f"{figures.instructions / figures.calls / 1e6:.2f} million instructions a call of "
            f"{pluralize(program.engine.new, 'frame')}, {run.size.flash / 1024:.0f} KiB of flash"
        )
        if self.pesq and self.wave_snr is not None:
            agreement = "equal sample by sample" if np.isinf(self.wave_snr) else f"equal to {self.wave_snr:.0f} dB SNR"
            core, numpy = self.pesq["core"], self.pesq["reference"]
            name = self.recording.display_name
            yield f"{name}: PESQ {core:.3f} on the core, {numpy:.3f} in numpy; waveforms {agreement}"

    def too_much_for(self, board: str) -> Iterator[str]:
        """Yield the resources of a board that the package exceeds: memory, or time at one instruction per cycle."""
        facts, program = BOARDS[board], self.program
        ram = program.arena_bytes + program.state_bytes
        if self.emulated is not None:  # measured, including the stack and other writable memory
            ram = self.emulated.size.ram + self.emulated.figures.stack
        if ram > facts.ram:
            needs = f"the package needs {ram / 1024:.0f}: {self._less('fewer')}"
            yield f"{board} has {facts.ram / 1024:.0f} KiB of RAM, {needs}"
        if (run := self.emulated) is None:
            return
        if run.size.flash > facts.flash:
            yield f"{board} has {facts.flash / 1024:.0f} KiB of flash, the package needs {run.size.flash / 1024:.0f}"
        instructions = run.figures.instructions / run.figures.calls
        seconds = program.engine.new * program.stft.hop_length / self.settings.sample_rate
        if instructions > facts.clock_mhz * 1e6 * seconds:
            yield (
                f"{board} cannot keep up: {instructions / 1e6:.1f} million instructions for {1000 * seconds:.0f} ms of "
                f"sound, at {facts.clock_mhz:g} MHz: {self._less('more')}"
            )

    def _less(self, frames: str) -> str:
        """Return advice to save memory or time: other frames per call of a stream, or a stream instead of patches."""
        of_stream = f"{frames} frames a call (deployment.frames_per_patch)"
        instead = of_stream if self.program.engine.is_stream else "deployment.engine: stream"
        return f"take {instead}, or a smaller network"

    def metrics(self) -> dict[str, float]:
        """Return the metrics for the experiment tracker."""
        found: dict[str, float] = {
            "arena_bytes": self.program.arena_bytes,
            "integers_differing_share": self.agreement.share,
            "latency_ms": self.latency_ms,
        }
        if self.emulated is not None:
            figures = self.emulated.figures
            found["instructions_per_call"] = figures.instructions / figures.calls
            found["flash_bytes"] = self.emulated.size.flash
        return found | {f"pesq_{name}": value for name, value in self.pesq.items()}


def deployment_of(report: DeploymentReport) -> Deployment:
    """Return the report as the record in `deployment.json`."""
    program, run = report.program, report.emulated
    return Deployment(
        model=report.model,
        backend=PORTABLE_C,
        engine="stream" if program.engine.is_stream else "patch",
        frames_per_call=program.engine.new,
        latency_samples=program.engine.latency(program.stft),
        latency_ms=report.latency_ms,
        arena_bytes=program.arena_bytes,
        state_bytes=program.state_bytes,
        macs_per_call=program.graph.macs_per_frame * program.engine.frames_computed,
        parameters=program.graph.parameters,
        onnxruntime=OnnxruntimeAgreement(
            report.agreement.share,
            report.agreement.largest,
            report.agreement.mean_mask_difference,
            report.agreement.operators,
        ),
        recording=report.recording.display_name,
        pesq=report.pesq,
        emulated=None if run is None else _emulated_facts(report, run),
    )


def _emulated_facts(report: DeploymentReport, run: EmulatedRun) -> Emulated:
    figures, waves_are_equal = run.figures, report.wave_snr is not None and bool(np.isinf(report.wave_snr))
    return Emulated(
        core=run.core.name,
        kernels=run.core.kernels,
        compiler=run.compiler,
        flash_bytes=run.size.flash,
        ram_bytes=run.size.ram + figures.stack,
        stack_bytes=figures.stack,
        instructions_per_call=figures.instructions / figures.calls,
        instructions_of_the_longest_call=figures.worst,
        instructions_of_spectra_per_call=figures.spectra / figures.calls,
        operators=tuple(
            OperatorCost(operator.name, operator.kind, steps / figures.calls)
            for operator, steps in zip(report.program.steps, figures.steps, strict=True)
        ),
        masks_compared=report.masks,
        masks_equal_the_reference=report.masks > 0,  # run_emulated raises if any differs
        wave_snr_db=None if waves_are_equal else report.wave_snr,
        waves_are_equal=waves_are_equal,
    )
