"""`sezoo live --audio`: live denoising from microphone to headphones, with a status line."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sezoo.base.errors import UserError
from sezoo.base.terminal import console, write
from sezoo.base.text import latency_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sezoo.config.sections import Config
    from sezoo.deployment.live.audio import LiveModel, Reading

__all__ = ["print_devices", "run_live"]

SECONDS, SECONDS_OF_LINES = 0.1, 10.0
"""From reading to reading: on a terminal, where the line is written over, and elsewhere."""

CELLS, QUIETEST = 15, -60
"""Of a bar, from QUIETEST dBFS to full scale."""


def print_devices() -> None:
    """List the sound devices."""
    from rich import box
    from rich.table import Table

    from sezoo.audio.sound_devices import devices
    from sezoo.base.terminal import stdout_console

    table = Table("", "device", "microphones", "loudspeakers", "Hz", "default", box=box.SIMPLE_HEAD)
    for column in (0, 2, 3, 4):
        table.columns[column].justify = "right"
    for each in devices():
        channels = (str(count or "") for count in (each.microphones, each.loudspeakers))
        row = (f"{each.name}, {each.system}", *channels, f"{each.sample_rate:,}", ", ".join(each.default_for))
        table.add_row(str(each.index), *row)
    stdout_console().print(table)


def run_live(config: Config, microphone: str | None, loudspeaker: str | None) -> None:
    """Denoise the microphone until Ctrl-C.

    Parameters
    ----------
    microphone, loudspeaker : number or part of the name of a device; None is the default.

    Raises
    ------
    UserError : sounddevice is missing; a device, or the model, is not fit for it; a device was unplugged.
    """
    from sezoo.audio.sound_devices import Duplex
    from sezoo.deployment.live.audio import live_model

    model = live_model(config)
    sound = Duplex(model.process, model.rate, model.samples, microphone=microphone, loudspeaker=loudspeaker)
    began = time.monotonic()
    with sound:
        write(f"{sound.names[0]} -> {config.model.onnx_path.stem} -> {sound.names[1]}")
        write(
            f"latency {latency_text(model.latency_ms)}, and {sound.buffers_ms:.0f} ms of the devices' buffers; "
            "use headphones; Ctrl-C ends"
        )
        try:
            with _line_writer() as show:
                while sound.is_active:
                    time.sleep(SECONDS if console().is_terminal else SECONDS_OF_LINES)
                    show(_line(model.read(), sound.underruns))
        except KeyboardInterrupt:
            pass
        else:
            _raise_why(sound.error)
    write(_summary(model, sound.underruns, time.monotonic() - began))


def _raise_why(error: Exception | None) -> None:
    if error is not None:
        raise error
    raise UserError("the sound has ended: was a device unplugged?")


@contextmanager
def _line_writer() -> Iterator[Callable[[str], None]]:
    """Return a function that displays a line, which on a terminal replaces the previous one."""
    if not console().is_terminal:
        yield write
        return
    from rich.live import Live

    with Live(console=console(), auto_refresh=False, transient=True) as live:
        yield lambda line: live.update(line, refresh=True)


def _line(reading: Reading, underruns: int) -> str:
    return (
        f"noisy {_level(reading.noisy)}  denoised {_level(reading.denoised)}  load {reading.load:4.0%} "
        f"(longest call {reading.longest:.0%})  under-runs {underruns}"
    )


def _level(decibels: float | None) -> str:
    level = QUIETEST if decibels is None else decibels
    cells = round(CELLS * min(max(1 - level / QUIETEST, 0), 1))
    figure = " silence" if decibels is None else f"{decibels:4.0f} dBFS"
    return f"{'█' * cells}{'·' * (CELLS - cells)} {figure:9}"


def _summary(model: LiveModel, underruns: int, seconds: float) -> str:
    return (
        f"{seconds:.1f} s, {model.calls:,} calls of {1000 * model.call_seconds:g} ms: load {model.load:.0%}, longest "
        f"call {model.longest / model.call_seconds:.0%}, under-runs {underruns}"
    )
