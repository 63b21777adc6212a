"""`sezoo.benchmark`."""

from __future__ import annotations

from collections.abc import Sequence

from sezoo.api.names import BenchmarkTarget, PathLike
from sezoo.api.results import Benchmark
from sezoo.api.running import run_settings
from sezoo.api.sections import Settings, Spectrum
from sezoo.api.settings import benchmarking_settings
from sezoo.base.shipped import model_file

__all__ = ["benchmark"]


def benchmark(
    model: PathLike,
    *,
    on: BenchmarkTarget | Sequence[BenchmarkTarget] = ("host",),
    board: str | None = None,
    clock_mhz: float | None = None,
    runs: int = 50,
    threads: int = 1,
    folder: PathLike | None = None,
    sample_rate: int = 16000,
    n_fft: int | None = None,
    hop_length: int = 160,
    win_length: int = 400,
    settings: Settings | None = None,
) -> Benchmark:
    """Measure what a call of a model takes of memory and time.

    Parameters
    ----------
    model : ONNX file; a static int8 one for everything but "host".
    on : "host" is onnxruntime here; "cortex-m55", "cortex-m7" and "cortex-m4" are the C package in an emulator;
        "stedgeai" is ST's tool; "ethos-u55-128" and the like are Arm's NPUs by vela's estimate; "all" is all of them.
    board : to fit into, which also says the clock; None is STM32N6570-DK.
    clock_mhz : for estimated times; None is the fastest of the board.
    runs : calls on the host that the median is of.
    threads : of onnxruntime on the host.
    folder, sample_rate, n_fft, hop_length, win_length, settings : as for `sezoo.quantize`.

    Raises
    ------
    UserError : the model is not fit for it, or a tool is missing.
    """
    made = benchmarking_settings(
        model_file(model, static=True),
        Spectrum(sample_rate, n_fft, hop_length, win_length),
        on=[on] if isinstance(on, str) else on,
        board=board,
        clock_mhz=clock_mhz,
        runs=runs,
        threads=threads,
        more=settings,
    )
    return Benchmark.required(run_settings(made, folder))
