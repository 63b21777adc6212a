"""The test recording of a deployment as the emulated core has denoised it, to listen to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from sezoo.report.blocks import Block, Heading, Text
from sezoo.report.players import HOW_TO_LISTEN, Sound, read_sounds, sound_player, stft_of_run
from sezoo.report.sound import seconds_that_fit
from sezoo.results.run_results import RunFacts

__all__ = ["deployed_sounds", "has_deployed_sounds"]


def has_deployed_sounds(facts: RunFacts) -> bool:
    """Whether the samples that a core has computed are in the run's folder."""
    return _folder(facts) is not None


def deployed_sounds(facts: RunFacts, room: float) -> Iterator[Block]:
    """Return a player of the noisy recording and the core's output; nothing if a file is missing or unreadable.

    Parameters
    ----------
    room : bytes for both sounds.
    """
    folder = _folder(facts)
    if folder is None:
        return
    core, pesq = facts.deployment.emulated.core, facts.deployment.pesq
    scores = f"PESQ {pesq['core']:.3f}" if "core" in pesq else ""
    sounds: list[Sound] = read_sounds(
        [
            (folder / "noisy.wav", "noisy", "noisy", ""),
            (folder / "denoised.wav", "core", f"denoised on {core}", scores),
        ]
    )
    if len(sounds) < 2:
        return
    seconds = len(sounds[0].waveform) / sounds[0].rate
    # FLAC takes about half of what WAV takes.
    longest = seconds_that_fit({"": (seconds, sum(sound.bytes for sound in sounds) // 2)}, room)
    yield Heading("Test recording on the emulated core")
    if not facts.listened:
        yield Text(HOW_TO_LISTEN)
    about = "every sample was computed by the C package in an emulator"
    yield sound_player(
        "deployed", facts.deployment.recording or "test recording", about, sounds, stft_of_run(facts), longest
    )


def _folder(facts: RunFacts) -> Path | None:
    """Return the folder of the latest deployment's recordings."""
    core = facts.deployment.emulated.core if facts.deployment and facts.deployment.emulated else ""
    if not core or Path(core).name != core:
        return None
    found = [
        path
        for path in facts.folder.glob("emulated_*")
        if path.name.startswith(f"emulated_{core}")
        and (path / "noisy.wav").is_file()
        and (path / "denoised.wav").is_file()
    ]
    return max(found, key=lambda path: (path / "denoised.wav").stat().st_mtime, default=None)
