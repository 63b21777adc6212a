"""Microphones and loudspeakers of this computer (package sounddevice, PortAudio)."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

from sezoo.audio.clip import Resampler
from sezoo.base.errors import UserError

__all__ = ["Duplex", "SoundDevice", "devices"]

log = logging.getLogger(__name__)

MICROPHONE, LOUDSPEAKER = "input", "output"
OPTIONS = {MICROPHONE: "--microphone", LOUDSPEAKER: "--loudspeaker"}
NAMES = {MICROPHONE: "microphone", LOUDSPEAKER: "loudspeaker"}


@dataclass(frozen=True)
class SoundDevice:
    """A device.

    Attributes
    ----------
    index : by which it can be chosen, as by a part of its name.
    system : the interface of the operating system that it is reached by; some devices have several.
    microphones, loudspeakers : channels.
    default_for : "microphone", "loudspeaker".
    """

    index: int
    name: str
    system: str
    microphones: int
    loudspeakers: int
    sample_rate: int
    default_for: tuple[str, ...] = ()


def devices() -> list[SoundDevice]:
    """All of them.

    Raises
    ------
    UserError : sounddevice is not installed, or there are none.
    """
    sounddevice = _sounddevice()
    systems = [system["name"] for system in sounddevice.query_hostapis()]
    defaults = zip(NAMES.values(), sounddevice.default.device, strict=True)
    chosen = [(name, index) for name, index in defaults if index >= 0]
    found = [
        SoundDevice(
            index=index,
            name=each["name"],
            system=systems[each["hostapi"]],
            microphones=each["max_input_channels"],
            loudspeakers=each["max_output_channels"],
            sample_rate=round(each["default_samplerate"]),
            default_for=tuple(name for name, default in chosen if default == index),
        )
        for index, each in enumerate(sounddevice.query_devices())
    ]
    if not found:
        raise UserError("this computer has no sound devices that PortAudio can find")
    return found


class Duplex:
    """Duplex audio stream: microphone, `process`, loudspeaker.

    Where a device cannot have the sample rate, its own is taken, and sound is resampled.

    Parameters
    ----------
    process : samples of a call in, as many out, (samples,) int16, at `rate`; called in a thread of PortAudio's.
    microphone, loudspeaker : index or part of the name; None is the default.

    Attributes
    ----------
    underruns : how often sound was missing at either end, because this computer was too slow.
    error : what `process` raised; it ends the sound.

    Raises
    ------
    UserError : sounddevice is not installed; there is no such device; it cannot be opened.
    """

    def __init__(
        self,
        process: Callable[[np.ndarray], np.ndarray],
        rate: int,
        samples: int,
        *,
        microphone: str | None = None,
        loudspeaker: str | None = None,
    ):
        self.sounddevice = _sounddevice()
        chosen = [
            _find_device(self.sounddevice, kind, name)
            for kind, name in ((MICROPHONE, microphone), (LOUDSPEAKER, loudspeaker))
        ]
        self.names = tuple(each["name"] for each in chosen)
        # Not every device can be opened with one channel; sound is that of the first.
        channels = tuple(min(2, each[f"max_{kind}_channels"]) for kind, each in zip(NAMES, chosen, strict=True))
        self.rate = _common_rate(self.sounddevice, chosen, channels, rate)
        self.underruns, self.error = 0, None
        self.process = process if self.rate == rate else _Resampled(process, rate, samples, self.rate, self)
        try:
            self.stream = self.sounddevice.Stream(
                samplerate=self.rate,
                blocksize=samples if self.rate == rate else 0,
                device=tuple(each["index"] for each in chosen),
                channels=channels,
                dtype="int16",
                latency="low",
                callback=self._callback,
            )
        except (self.sounddevice.PortAudioError, ValueError) as error:
            raise UserError(
                f"{self.names[0]} and {self.names[1]} cannot be opened at {self.rate} Hz: {_reason(error)}; "
                "sezoo live --devices lists others"
            ) from error

    def __enter__(self) -> Duplex:
        try:
            self.stream.start()
        except self.sounddevice.PortAudioError as error:
            self.stream.close()
            raise UserError(f"{self.names[0]} and {self.names[1]} do not start: {_reason(error)}") from error
        return self

    def __exit__(self, *raised: object) -> None:
        self.stream.stop()
        self.stream.close()

    @property
    def is_active(self) -> bool:
        """Return whether the stream is running: False after an error, or when a device was unplugged."""
        return self.stream.active

    @property
    def buffers_ms(self) -> float:
        """Latency of the devices' buffers, as they report it."""
        return 1000 * sum(self.stream.latency)

    def _callback(self, inside: np.ndarray, outside: np.ndarray, frames: int, time: Any, status: Any) -> None:
        self.underruns += bool(status.input_overflow or status.output_underflow)
        try:
            outside[:] = self.process(inside[:, 0])[:, None]
        except Exception as error:
            self.error = error
            outside[:] = 0
            raise self.sounddevice.CallbackAbort from error


class _Resampled:
    """Run `process` at a device's own sample rate: N samples in, N samples out."""

    def __init__(
        self, process: Callable[[np.ndarray], np.ndarray], rate: int, samples: int, device_rate: int, counting: Duplex
    ):
        self.process, self.samples, self.counting = process, samples, counting
        self.down, self.up = Resampler(device_rate, rate, 1), Resampler(rate, device_rate, 1)
        self.inside, self.outside = np.zeros(0, np.float32), np.zeros(0, np.float32)
        self.reserve = -(-2 * samples * device_rate // rate)  # in samples of the device: calls do not come evenly
        self.is_waiting = True

    def __call__(self, samples: np.ndarray) -> np.ndarray:
        """Samples (n,) int16 to as many of earlier ones; silent until there is enough in reserve."""
        self.inside = np.append(self.inside, self.down.push(samples[:, None].astype(np.float32))[:, 0])
        while len(self.inside) >= self.samples:
            call, self.inside = np.split(self.inside, [self.samples])
            made = self.process(_int16(call)).astype(np.float32)
            self.outside = np.append(self.outside, self.up.push(made[:, None])[:, 0])
        count = len(samples)
        if self.is_waiting and len(self.outside) < self.reserve + count:
            return np.zeros(count, np.int16)
        if len(self.outside) < count:
            self.counting.underruns += not self.is_waiting
            self.is_waiting = True
            return np.zeros(count, np.int16)
        self.is_waiting = False
        given, self.outside = np.split(self.outside, [count])
        return _int16(given)


def _int16(samples: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(samples), -32768, 32767).astype(np.int16)


def _sounddevice() -> ModuleType:
    try:
        import sounddevice
    except ImportError as error:
        raise UserError("sound devices need the package sounddevice: pip install 'sezoo[live]'") from error
    except OSError as error:  # wheels for Linux come without it
        raise UserError(
            f"sounddevice cannot be used: {_reason(error)}; on Debian and Ubuntu: apt install libportaudio2"
        ) from error
    return sounddevice


def _find_device(sounddevice: ModuleType, kind: str, name: str | None) -> dict[str, Any]:
    """Find a device by name."""
    wanted = int(name) if name is not None and name.isdecimal() else name
    try:
        return sounddevice.query_devices(wanted, kind)
    except (sounddevice.PortAudioError, ValueError) as error:
        if wanted is None:
            raise UserError(
                f"this computer has no {NAMES[kind]} that PortAudio can find; sezoo live --devices lists what there is"
            ) from error
        raise UserError(f"{OPTIONS[kind]} {name}: {_reason(error)}; sezoo live --devices lists them") from error


def _common_rate(sounddevice: ModuleType, chosen: list[dict[str, Any]], channels: tuple[int, int], rate: int) -> int:
    """The wanted sample rate if both devices can have it, else the loudspeaker's own."""
    checks = (sounddevice.check_input_settings, sounddevice.check_output_settings)
    try:
        for check, each, count in zip(checks, chosen, channels, strict=True):
            check(device=each["index"], channels=count, dtype="int16", samplerate=rate)
    except (sounddevice.PortAudioError, ValueError):
        own = round(chosen[1]["default_samplerate"])
        log.info("the devices do not have %d Hz: sound is resampled from and to %d Hz", rate, own)
        return own
    return rate


def _reason(error: Exception) -> str:
    return str(error.args[0] if error.args else error).rstrip(".")
