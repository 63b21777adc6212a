"""Clips as players: every version's sound and spectrogram, the masks and what int8 did to them."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from sezoo.audio.file import BadClipError, open_recording
from sezoo.audio.stft import Stft
from sezoo.audio.stft_window import window_values
from sezoo.base.array_file import read_npz
from sezoo.base.errors import UserError
from sezoo.base.foreign_text import short_list
from sezoo.config.metric_facts import facts_of_metric
from sezoo.report.blocks import Player, PlayerImage, PlayerVersion
from sezoo.report.formatting import format_signed
from sezoo.report.images import mask_error_image, mask_image, spectrogram_image
from sezoo.report.sound import flac_uri, seconds_that_fit
from sezoo.results.listening import FOLDER, MASKS, ListenedClip
from sezoo.results.run_results import RunFacts
from sezoo.results.version_order import CLEAN, version_order

__all__ = [
    "HOW_TO_LISTEN",
    "MOST_VERSIONS",
    "Sound",
    "clip_masks",
    "listening_players",
    "read_masks",
    "read_sounds",
    "score_text",
    "sound_player",
    "stft_of_run",
]

log = logging.getLogger(__name__)

MOST_VERSIONS = 9

LARGEST_CHANGE = "largest change: "
"""In front of what the first of several players is about."""

LONGEST = 3600
"""Seconds of a sound."""

LARGEST_MASKS = 256 * 2**20
"""Bytes of a clip's masks."""

HOW_TO_LISTEN = (
    "Keys 1 to 9 switch between the versions of the clip used last and keep the position; space plays and pauses, left "
    "and right move by a second."
)


@dataclass(frozen=True)
class Sound:
    """A version of a clip to listen to."""

    name: str
    label: str
    waveform: np.ndarray
    rate: int
    bytes: int
    scores: str = ""


def stft_of_run(facts: RunFacts) -> Stft:
    """The transform of the run, for its spectrograms."""
    settings = facts.setting("preprocessing") or {}
    names = ("n_fft", "hop_length", "win_length")
    stft = Stft(**{name: settings[name] for name in names if name in settings})
    window = settings.get("window", stft.window)
    window = tuple(window) if isinstance(window, list) else window
    try:
        window_values(window, stft.win_length)
    except UserError:  # a file that is gone: a picture can do with the usual one
        return stft
    return replace(stft, window=window)


def read_sound(path: Path, name: str, label: str, scores: str = "") -> Sound:
    """Read a file of one channel.

    Raises
    ------
    UserError : it cannot be read, or is not what sezoo writes there.
    """
    try:
        with open_recording(path) as file:
            rate, channels, frames = file.samplerate, file.channels, file.frames
            if channels != 1 or not 0 < frames <= LONGEST * rate:
                found = f"{channels} channels, {frames} samples at {rate} Hz"
                raise UserError(f"{path}: found {found}; one channel of up to {LONGEST} s is expected")
            waveform = file.read(dtype="float32")
    except BadClipError as error:
        raise UserError(f"{path}: {error.reason}") from error
    if not len(waveform) or not np.isfinite(waveform).all():
        raise UserError(f"{path}: it holds no sound")
    return Sound(name, label, waveform, rate, path.stat().st_size, scores)


def read_sounds(paths: Iterable[tuple[Path, str, str, str]]) -> list[Sound]:
    """Read several versions of a clip: path, name, label and scores of each.

    Files that cannot be read, and those of another rate than the first, are left out with a warning.
    """
    sounds: list[Sound] = []
    for path, name, label, scores in paths:
        try:
            sound = read_sound(path, name, label, scores)
            if sounds and sound.rate != sounds[0].rate:
                raise UserError(f"{path}: found {sound.rate} Hz; the other versions of the clip have {sounds[0].rate}")
        except UserError as error:
            log.warning("not on the page: %s", error)
        else:
            sounds.append(sound)
    return sounds


def listening_players(facts: RunFacts, room: float) -> list[Player]:
    """A player for each clip that the evaluation has kept, the one that changed most first; lost files are left out.

    Parameters
    ----------
    room : bytes for their sounds.
    """
    ordered = sorted(facts.listened, key=lambda clip: -abs(clip.change or 0.0))
    clips = {clip.folder: (clip, _sounds(facts.folder / FOLDER / clip.folder, clip)) for clip in ordered}
    clips = {key: (clip, sounds) for key, (clip, sounds) in clips.items() if sounds}
    longest = seconds_that_fit(
        {key: (clip.seconds, sum(sound.bytes for sound in sounds)) for key, (clip, sounds) in clips.items()},
        room,
    )
    stft = stft_of_run(facts)
    return [
        sound_player(
            f"clip-{key}",
            clip.name,
            f"{LARGEST_CHANGE if leads else ''}{_about(clip, longest)}",
            sounds,
            stft,
            longest,
            _images(facts, clip, longest),
        )
        for (key, (clip, sounds)), leads in zip(clips.items(), [len(clips) > 1, *[False] * len(clips)], strict=False)
    ]


def sound_player(
    id: str,
    title: str,
    about: str,
    sounds: Sequence[Sound],
    stft: Stft,
    longest: float = math.inf,
    images: Sequence[PlayerImage] = (),
) -> Player:
    """A player of these sounds, cut to `longest` seconds; spectrograms are as loud as the loudest of the first."""
    rate = sounds[0].rate
    samples = min(min(len(sound.waveform) for sound in sounds), int(min(longest, 3600) * rate))
    waveforms = [sound.waveform[:samples] for sound in sounds]
    loudest = 20 * math.log10(float(np.abs(stft.analyse(waveforms[0])).max()) + 1e-6)
    versions = [
        PlayerVersion(sound.label, flac_uri(waveform, rate), spectrogram_image(waveform, stft, loudest), sound.scores)
        for sound, waveform in zip(sounds, waveforms, strict=True)
    ]
    return Player(id, title, about, samples / rate, rate / 2000, versions, images, _default_version(sounds))


def _default_version(sounds: Sequence[Sound]) -> int:
    """Return the default version: on the board, else in a stream, else the last that is neither patches nor clean."""
    names = [sound.name for sound in sounds]
    for mode in ("_board", "_stream", "_tflm"):
        if on_device := [name for name in names if name.endswith(mode)]:
            return names.index(on_device[-1])
    rest = [name for name in names if name != CLEAN and not name.endswith("_patches")]
    return names.index(rest[-1]) if rest else 0


def clip_masks(facts: RunFacts, clip: ListenedClip, *, level: int = logging.WARNING) -> dict[str, np.ndarray]:
    """Return the clip's masks by version, (bins, frames) float32; empty if they are missing or invalid.

    Parameters
    ----------
    level : of the message in the second case.
    """
    path = facts.folder / FOLDER / clip.folder / MASKS
    return read_masks(path, clip.masks, level=level) if path.is_file() else {}


def read_masks(path: Path, names: Sequence[str], *, level: int = logging.WARNING) -> dict[str, np.ndarray]:
    """Return the named masks in the file, (bins, frames) float32; none if the file is invalid."""
    try:
        arrays = read_npz(path, most=LARGEST_MASKS)
        masks = {name: arrays[name] for name in names if name in arrays}
        shapes = {mask.shape for mask in masks.values()}
        if any(mask.ndim != 2 or mask.dtype.kind != "f" or not mask.size for mask in masks.values()) or len(shapes) > 1:
            raise UserError(f"{path}: found {short_list(shapes)}; masks of one shape (bins, frames) are expected")
    except UserError as error:
        log.log(level, "not on the page: %s", error)
        return {}
    return {name: np.nan_to_num(mask.astype(np.float32), posinf=1.0, neginf=0.0) for name, mask in masks.items()}


def _sounds(folder: Path, clip: ListenedClip) -> list[Sound]:
    versions = {version.name: version for version in clip.versions}
    names = sorted(versions, key=version_order)
    if len(names) > MOST_VERSIONS:  # the clean clip is worth more than the last but one
        names = [*names[: MOST_VERSIONS - 1], names[-1]]
    return read_sounds(
        (folder / version.file, name, version.label, score_text(version.scores))
        for name, version in ((name, versions[name]) for name in names)
        if (folder / version.file).is_file()
    )


def score_text(scores: Mapping[str, float]) -> str:
    """Return the first three scores as text: `PESQ 2.025, STOI 0.9232`."""
    texts = []
    for name, value in list(scores.items())[:3]:
        metric = facts_of_metric(name)
        texts.append(f"{metric.label} {metric.form.format(value)} {metric.unit}".strip())
    return ", ".join(texts)


def _about(clip: ListenedClip, longest: float) -> str:
    text = clip.why
    if clip.metric and clip.change is not None:
        metric = facts_of_metric(clip.metric)
        text += f": {format_signed(clip.change, metric.form)} {metric.unit}".rstrip()
    if min(clip.seconds, longest) < clip.clip_seconds - 0.05:
        end = clip.start + min(clip.seconds, longest)
        text += f"; from {clip.start:.1f} to {end:.1f} s of its {clip.clip_seconds:.1f} s"
    return text


def _images(facts: RunFacts, clip: ListenedClip, longest: float) -> tuple[PlayerImage, ...]:
    frames = int(min(longest, clip.seconds) * clip.sample_rate / clip.hop_length) + 1
    masks = {name: mask[:, :frames] for name, mask in clip_masks(facts, clip).items()}
    labels = {version.name: version.label for version in clip.versions}
    images = [PlayerImage(f"mask, {labels.get(name, name)}", mask_image(mask), "mask") for name, mask in masks.items()]
    if len(masks) > 1:
        (_, exact), (_, rounded) = list(masks.items())[:2]
        error = rounded - exact
        limit = max(0.02, float(np.percentile(np.abs(error), 99.5)))
        caption = f"mask error, {list(masks)[1]}: RMS {np.sqrt(np.mean(np.square(error))):.3f}"
        images.append(PlayerImage(caption, mask_error_image(error, limit), f"error {limit:.2f}"))
    return tuple(images)
