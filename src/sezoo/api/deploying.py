"""`sezoo.deploy`."""

from __future__ import annotations

from sezoo.api.names import Backend, Engine, PathLike
from sezoo.api.results import DeployedModel
from sezoo.api.running import run_settings
from sezoo.api.sections import Settings, Spectrum
from sezoo.api.settings import deployment_settings
from sezoo.base.shipped import model_file

__all__ = ["deploy"]


def deploy(
    model: PathLike,
    *,
    board: str | None = None,
    backend: Backend | None = None,
    engine: Engine | None = None,
    frames: int | None = None,
    lookahead: int | None = None,
    emulate: bool = True,
    package: str | None = None,
    folder: PathLike | None = None,
    sample_rate: int = 16000,
    n_fft: int | None = None,
    hop_length: int = 160,
    win_length: int = 400,
    settings: Settings | None = None,
) -> DeployedModel:
    """Make of a static int8 model what runs on a board.

    Parameters
    ----------
    model : static int8 ONNX file, as `sezoo.quantize` writes it.
    board : None is STM32N6570-DK.
    backend : "portable-c" writes C sources for any Cortex-M, "tflite" a TensorFlow Lite model; "stm32n6" goes through
        ST's tools onto the board; None is by the model's target, portable-c where that is neither stm32n6 nor tflite.
    engine : "stream" computes every frame once, "patch" whole patches; None is a stream, of tflite patches.
    frames : new ones of a call; None is 1 for a stream, for patches 30 or what the model's length says.
    lookahead : context of a patch on each side; None is what the model's length says. Not of a stream.
    emulate : of portable-c: build it and run it on an emulated core.
    package : of portable-c: "arduino", "platformio", "zephyr", "cmsis-pack", "esp-idf" or "all", what it drops into
        besides CMake.
    folder, sample_rate, n_fft, hop_length, win_length, settings : as for `sezoo.quantize`.

    Raises
    ------
    UserError : the model is not fit for it, or a tool is missing.
    """
    made = deployment_settings(
        model_file(model, static=True),
        Spectrum(sample_rate, n_fft, hop_length, win_length),
        board=board,
        backend=backend,
        engine=engine,
        frames=frames,
        lookahead=lookahead,
        emulate=emulate,
        package=package,
        more=settings,
    )
    return DeployedModel.read(run_settings(made, folder))
