"""What a benchmark and a deployment measured, as tables: costs of each target, facts of the program, its kernels."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from sezoo.base.text import bytes_text, count_text, latency_text
from sezoo.report.blocks import Block, Cell, Heading, Notes, Table
from sezoo.report.formatting import join_words, percent_text
from sezoo.results.benchmark import Benchmark, LayerCost, Measurement
from sezoo.results.deployment import Application, Deployment, Emulated, TfliteModel
from sezoo.results.run_results import RunFacts

__all__ = ["deployment_table", "kernel_tables", "measurement_tables"]

MOST_KERNELS = 12
"""A longer table of kernels is folded."""


def measurement_tables(found: Benchmark) -> Iterator[Block]:
    """Yield a benchmark's table, a row for each target, and how they were measured."""
    if not found.measurements:
        return
    on_board = any(one.cycles is None for one in found.measurements)  # an NPU is not the board's
    yield Heading(f"Benchmark, compared with {found.board}" if on_board else "Benchmark")

    def row(one: Measurement) -> list[Cell]:
        about = "~" if one.is_estimate else ""
        time = "" if one.milliseconds is None else f"{about}{one.milliseconds:.3g}"
        factor = one.real_time_factor
        return [
            Cell(one.target, detail=f"{one.model}, {one.what}"),
            Cell(time, detail=f"at {one.clock_mhz:g} MHz" if one.clock_mhz else ""),
            Cell(_audio_text(one.audio_seconds)),
            Cell("" if factor is None else f"{about}{factor:.2g}", "bad" if factor and factor > 1 else ""),
            Cell(count_text(one.instructions)),
            Cell(count_text(one.macs)),
            Cell(bytes_text(one.flash)),
            Cell(bytes_text(one.ram), detail=f"stack {bytes_text(one.stack)}" if one.stack else ""),
            Cell("" if one.latency_ms is None else latency_text(one.latency_ms)),
        ]

    rows = [row(one) for one in found.measurements]
    headings = [
        "target", "ms per step", "for audio of", "real-time factor", "instructions", "MAC", "flash", "RAM", "latency",
    ]  # fmt: skip
    caption = (
        f"A real-time factor below 1 keeps up. ~ is an estimate. {_ram_text(found)}Latency: look-ahead, window and "
        "block of a step."
    )
    yield _without_empty(headings, "tnnnnnnnn", rows, caption)
    ways: dict[str, list[str]] = defaultdict(list)
    for one in found.measurements:
        if one.how and one.target not in ways[one.how]:
            ways[one.how].append(one.target)
    yield Notes([*(f"{join_words(targets)}: {how}." for how, targets in ways.items() if targets), *_left_to_cpu(found)])


def _ram_text(found: Benchmark) -> str:
    """Return what the column RAM counts, which for an NPU is the network's SRAM alone."""
    with_ram = [one for one in found.measurements if one.ram is not None]
    kinds = []
    if any(one.cycles is None for one in with_ram):
        kinds.append("all that is written to, stack included")
    if any(one.cycles is not None for one in with_ram):
        kinds.append(f"{'on an NPU ' * bool(kinds)}the SRAM that vela plans for the network's tensors")
    return f"RAM: {'; '.join(kinds)}. " if kinds else ""


def _audio_text(seconds: float | None) -> str:
    if seconds is None:
        return ""
    return f"{seconds:.3g} s" if seconds >= 1 else f"{1000 * seconds:.4g} ms"


def _left_to_cpu(found: Benchmark) -> Iterator[str]:
    """Yield lines on the operators that NPUs leave to the processor; NPUs without any are listed together."""
    npus = [one for one in found.measurements if one.cycles is not None]
    if whole := [one.target for one in npus if not one.left_to_cpu]:
        yield f"No operator of the network is left to the processor on {join_words(whole)}."
    for one in npus:
        if one.left_to_cpu:
            yield f"{one.target} leaves {join_words([each.name for each in one.left_to_cpu])} to the processor."


def _without_empty(headings: Sequence[str], kinds: str, rows: Sequence[Sequence[Cell]], caption: str) -> Table:
    """A table without the columns that no row has anything in."""
    kept = [index for index in range(len(headings)) if any(row[index].text for row in rows)]
    return Table(
        [headings[index] for index in kept],
        "".join(kinds[index] for index in kept),
        [[row[index] for index in kept] for row in rows],
        caption,
    )


def deployment_table(found: Deployment) -> Iterator[Block]:
    """Yield the facts of a deployment, a row each."""
    yield Heading("Deployment")
    latency = (
        None
        if found.latency_ms is None
        else f"{latency_text(found.latency_ms)} ({found.latency_samples} samples): look-ahead, window, block of a call"
    )
    agreement = None
    if found.onnxruntime.differing_share is not None:
        agreement = f"{percent_text(found.onnxruntime.differing_share)} of the integers differ"
    pesq = None
    if {"core", "reference"} <= found.pesq.keys():
        pesq = f"{found.pesq['core']:.3f} on the core, {found.pesq['reference']:.3f} here"
    elif {"tflite", "reference"} <= found.pesq.keys():
        pesq = (
            f"{found.pesq['tflite']:.3f} as TFLite Micro computes, {found.pesq['reference']:.3f} as onnxruntime rounds"
        )
    facts: dict[str, object] = {
        "model": found.model,
        "engine": found.engine,
        "new frames per step": found.frames_per_call,
        "latency": latency,
        "working memory": f"{bytes_text(found.arena_bytes)}, free between calls" if found.arena_bytes else None,
        "state": found.state_bytes and f"{bytes_text(found.state_bytes)}, kept from call to call",
        "MAC per step": count_text(found.macs_per_call),
        "parameters": count_text(found.parameters),
        "against onnxruntime": agreement,
        **(_emulated_rows(found.emulated) if found.emulated else {}),
        **(_tflite_rows(found.tflite) if found.tflite else {}),
        **(_application_rows(found.application) if found.application else {}),
        "test recording": found.recording,
        "its PESQ": pesq,
    }
    rows = [[Cell(what), Cell(str(value))] for what, value in facts.items() if value not in (None, "", 0)]
    yield Table(["", ""], "tw", rows)


def _tflite_rows(file: TfliteModel) -> dict[str, object]:
    kinds = sorted(file.operators.items(), key=lambda each: -each[1])
    litert, tflm = file.integers_compared_with_litert, file.integers_compared_with_tflm
    return {
        ".tflite file": bytes_text(file.file_bytes),
        "operators": ", ".join(f"{count} {kind}" for kind, count in kinds),
        "LiteRT's reference kernels": litert and f"equal in all {count_text(litert)} integers",
        "TFLite Micro": tflm and f"equal in all {count_text(tflm)} integers",
        "its arena on a PC": file.tflm_arena_bytes and bytes_text(file.tflm_arena_bytes),
        "RAM": file.ram_bytes and f"{bytes_text(file.ram_bytes)}: the arena and the C package's memory, without stack",
    }


def _application_rows(made: Application) -> dict[str, object]:
    return {
        "board": made.board + (", written to its flash" if made.flashed else ", not written to it"),
        "ST Edge AI": made.stedgeai,
        "program": made.program_bytes and bytes_text(made.program_bytes),
        "weights": made.weights_bytes and bytes_text(made.weights_bytes),
    }


def _emulated_rows(run: Emulated) -> dict[str, object]:
    waveforms = "identical sample by sample" if run.waves_are_equal else None
    if run.wave_snr_db is not None:
        waveforms = f"SNR {run.wave_snr_db:.0f} dB"
    return {
        "emulated core": run.core and f"{run.core}, {run.kernels}, built with {run.compiler}",
        "program and weights": bytes_text(run.flash_bytes),
        "RAM": run.ram_bytes
        and f"{bytes_text(run.ram_bytes)}: working memory, state, buffers, and {bytes_text(run.stack_bytes)} of stack",
        "instructions per step": count_text(run.instructions_per_call),
        "output, core against host": waveforms,
    }


def kernel_tables(facts: RunFacts) -> Iterator[Block]:
    """Instructions by kind of kernel and by kernel, of the deployed program or of the first emulated core."""
    sources: list[tuple[str, Sequence[LayerCost]]] = []
    if facts.deployment and (run := facts.deployment.emulated):
        sources.append((run.core, _costs(run)))
    sources += [(one.target, one.layers) for one in (facts.benchmark.measurements if facts.benchmark else ())]
    found = next(((core, known) for core, each in sources if (known := [k for k in each if k.instructions])), None)
    if found is None:
        return
    core, kernels = found
    total = sum(kernel.instructions for kernel in kernels)
    kinds: dict[str, list[float]] = defaultdict(list)
    for kernel in kernels:
        kinds[kernel.kind].append(kernel.instructions)
    ordered = sorted(kinds.items(), key=lambda pair: -sum(pair[1]))
    most = sum(ordered[0][1])
    rows = [
        [Cell(kind), Cell(str(len(counts))), Cell(count_text(sum(counts)), bar=sum(counts) / most),
         Cell(percent_text(sum(counts) / total))]
        for kind, counts in ordered
    ]  # fmt: skip
    yield Heading("Instructions by kernel")
    headings = ["kernel", "in the model", "instructions per step", "share"]
    yield Table(headings, "tnbn", rows, f"{count_text(total)} instructions per step on {core}.")
    heaviest = max(kernel.instructions for kernel in kernels)
    rows = [
        [
            Cell(kernel.name, detail=kernel.kind),
            Cell(count_text(kernel.instructions), bar=kernel.instructions / heaviest),
            Cell(percent_text(kernel.instructions / total)),
        ]
        for kernel in kernels
    ]
    yield Table(
        ["operator", "instructions per step", "share"],
        "cbn",
        rows,
        f"All {len(rows)} operators, in the model's order",
        folded=len(rows) > MOST_KERNELS,
    )


def _costs(run: Emulated) -> list[LayerCost]:
    """Return the costs of the program's operators, and of the transforms before and after them."""
    spectra = run.instructions_of_spectra_per_call
    costs = [] if spectra is None else [LayerCost("spectra", "STFT", instructions=spectra)]
    return [
        *costs,
        *(LayerCost(each.name, each.kind, instructions=each.instructions_per_call) for each in run.operators),
    ]
