"""One recording through a model, block by block: an hour of it needs no more memory than a minute."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import soundfile

from sezoo.audio.clip import Resampler
from sezoo.audio.file import BadClipError, blocks_of, name_for_soundfile, open_recording
from sezoo.audio.stft import Stft
from sezoo.base.errors import UserError
from sezoo.base.files import atomic_write
from sezoo.denoising import DenoisingStream, InferenceMode, is_on_device, open_stream
from sezoo.models.mask_model import MaskFunction
from sezoo.prediction.targets import container_of

__all__ = ["BLOCK_SECONDS", "Denoiser", "WaveformStream", "blocks_in"]

BLOCK_SECONDS = 5
"""Of sound that is held at a time, in each of a few stages."""

BEYOND_FULL_SCALE = {"FLOAT", "DOUBLE"}
"""Subtypes that can hold samples beyond full scale; in others these are clipped, as every player would."""

OTHER_CONTAINER = ("wav", "w64")
"""What to try where a container cannot hold a recording, and where that is WAV."""


class WaveformStream:
    """Denoises a waveform that comes in pieces: each channel on its own, at the model's sample rate and back.

    Parameters
    ----------
    rate, channels : of the waveform, in Hz.
    model_rate : sample rate of the model, in Hz.
    immediate : each push gives all that is known, as live sound needs it.
    """

    def __init__(
        self, model: MaskFunction, stft: Stft, play: InferenceMode, model_rate: int, rate: int, channels: int,
        *, immediate: bool = False,
    ):  # fmt: skip
        self.down, self.up = Resampler(rate, model_rate, channels), Resampler(model_rate, rate, channels)
        self.streams = [open_stream(model, stft, play, immediate=immediate) for _ in range(channels)]
        self.left = 0  # samples that went in and have not come out
        self.channels = channels

    def push(self, block: np.ndarray) -> np.ndarray:
        """Push samples (n, channels) float32; return those that are ready: (m, channels) float32."""
        self.left += len(block)
        return self._emit(self.up.push(_push_channels(self.streams, self.down.push(block))))

    def finish(self) -> np.ndarray:
        """Return the rest, so that as many samples have come out as went in: (m, channels) float32."""
        rest = _push_channels(self.streams, self.down.finish())
        rest = np.concatenate([rest, np.stack([stream.finish() for stream in self.streams], axis=1)])
        rest = self._emit(np.concatenate([self.up.push(rest), self.up.finish()]))
        missing = np.zeros((self.left, self.channels), np.float32)
        self.left = 0
        return np.concatenate([rest, missing])

    def _emit(self, waveform: np.ndarray) -> np.ndarray:
        waveform = waveform[: self.left]
        self.left -= len(waveform)
        return waveform


class Denoiser:
    """Denoises recordings: each channel on its own, at the model's sample rate and back at the recording's.

    Parameters
    ----------
    sample_rate : of the model, in Hz. What a recording has above half of it is not in the result.
    peak_normalize : the model sees each recording scaled to a peak of 1, for which it is read twice; not as on the
        board, which knows no peak.
    """

    def __init__(
        self, model: MaskFunction, stft: Stft, play: InferenceMode, sample_rate: int, *, peak_normalize: bool = False
    ):
        self.model, self.stft, self.play, self.sample_rate = model, stft, play, sample_rate
        self.peak_normalize = peak_normalize and not is_on_device(play)

    def denoise(self, source: Path, target: Path) -> Iterator[None]:
        """Denoise a recording into a file of the same rate, channels and length; its extension selects the container.

        Yields
        ------
        None : after each block of `BLOCK_SECONDS`, and once at the end.

        Raises
        ------
        BadClipError : the recording cannot be used. UserError : the file cannot be written.
        """
        with open_recording(source) as file:
            if file.frames == 0:
                raise BadClipError(source, "it has no samples")
            peak = np.float32(_peak(source) if self.peak_normalize else 1)
            with atomic_write(target) as temporary, _open_output(temporary, target, file) as write:
                stream = self.stream(file.samplerate, file.channels)
                for block in blocks_of(file, BLOCK_SECONDS):
                    write(stream.push(block / peak) * peak)
                    yield
                write(stream.finish() * peak)
                yield

    def denoise_waveform(self, waveform: np.ndarray, rate: int) -> np.ndarray:
        """Denoise a waveform (samples, channels) float32 at `rate` Hz into one of the same shape."""
        peak = np.float32((np.abs(waveform).max(initial=0) if self.peak_normalize else 0) or 1)
        stream, step = self.stream(rate, waveform.shape[1]), max(1, BLOCK_SECONDS * rate)
        pieces = [stream.push(waveform[start : start + step] / peak) for start in range(0, len(waveform), step)]
        return np.concatenate([*pieces, stream.finish()]) * peak

    def stream(self, rate: int, channels: int) -> WaveformStream:
        """Return a stream for a waveform in pieces at `rate` Hz, whose output may be delayed until its end."""
        return WaveformStream(self.model, self.stft, self.play, self.sample_rate, rate, channels)

    def live_stream(self, rate: int, channels: int) -> WaveformStream:
        """Return a stream for live audio at `rate` Hz, which outputs as much as possible in each push."""
        return WaveformStream(self.model, self.stft, self.play, self.sample_rate, rate, channels, immediate=True)


def _push_channels(streams: list[DenoisingStream], block: np.ndarray) -> np.ndarray:
    """Push each channel's samples, (n, channels), into its stream; what is ready of all: (m, channels)."""
    return np.stack([stream.push(block[:, channel]) for channel, stream in enumerate(streams)], axis=1)


def _peak(path: Path) -> float:
    with open_recording(path) as file:
        return max(float(np.abs(block).max(initial=0)) for block in blocks_of(file)) or 1.0


@contextmanager
def _open_output(temporary: Path, target: Path, like: soundfile.SoundFile) -> Iterator[Callable[[np.ndarray], None]]:
    """A file to write samples (n, channels) to, as the recording is but for what its container cannot hold."""
    name = name_for_soundfile(temporary)
    temporary.touch()  # a folder that cannot be written has a reason in Python's errors, none in libsndfile's
    container = container_of(target.suffix, str(target))
    for subtype in (subtypes := _subtypes(container, target.suffix, like.subtype)):
        try:
            file = soundfile.SoundFile(name, "w", like.samplerate, like.channels, subtype, format=container)
            break
        except soundfile.LibsndfileError as error:
            if subtype == subtypes[-1]:
                raise UserError(
                    f"{target}: {container} cannot hold {like.samplerate} Hz in {like.channels} channels "
                    f"({error.error_string.rstrip('.')}); another format can, {OTHER_CONTAINER[container == 'WAV']} "
                    "for example"
                ) from error

    def write(waveform: np.ndarray) -> None:
        try:
            file.write(waveform if subtype in BEYOND_FULL_SCALE else np.clip(waveform, -1, 1))
        except soundfile.LibsndfileError as error:  # not the recording's fault, which is open as well
            reason = error.error_string.rstrip(".")
            raise UserError(f"cannot write {target}: {reason} (is the disk full?)") from error

    with file:
        yield write


def _subtypes(container: str, ending: str, like: str) -> list[str]:
    """Return the sample formats to try: that of the recording, then that of the container.

    libsndfile reads encodings in containers that it does not write them to, such as MP3 in a WAV.
    """
    if ending.lower() == ".opus":
        return ["OPUS"]
    usual = soundfile.default_subtype(container)
    return [like, usual] if soundfile.check_format(container, like) and like != usual else [usual]


def blocks_in(source: Path) -> int:
    """Return the number of blocks that `Denoiser.denoise` yields for a recording; 1 if it is unknown."""
    try:
        with open_recording(source) as file:
            return -(-file.frames // max(1, round(BLOCK_SECONDS * file.samplerate))) + 1
    except BadClipError:  # reported when it is denoised
        return 1
