"""Clips that several runs have kept, to switch between their models while listening."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from sezoo.config.metric_facts import facts_of_metric
from sezoo.report.blocks import Player, Section, Text
from sezoo.report.compared_runs import ComparedRun
from sezoo.report.compared_scores import common_metric
from sezoo.report.players import HOW_TO_LISTEN, MOST_VERSIONS, Sound, read_sounds, score_text, sound_player, stft_of_run
from sezoo.report.sound import MOST_BYTES, seconds_that_fit
from sezoo.results.listening import FOLDER, ListenedClip
from sezoo.results.run_results import RunFacts

__all__ = ["sounds_section"]

SHORTEST = 1.0
"""Seconds that the excerpts of two runs have to have in common."""

MOST_CLIPS = 4


def sounds_section(runs: Sequence[ComparedRun]) -> Section | None:
    """A player for each clip that at least two runs have kept; None where there is none.

    The clip in which the runs differ most comes first, by the metric that most of them are told by.
    """
    metric = common_metric(runs)
    found = sorted(_common(runs, metric), key=lambda clip: -clip.difference)[:MOST_CLIPS]
    if not found:
        return None
    lengths = {clip.name: (len(clip.sounds[0].waveform) / clip.sounds[0].rate, sum(each.bytes for each in clip.sounds))
               for clip in found}  # fmt: skip
    longest = seconds_that_fit(lengths, MOST_BYTES)
    stft = stft_of_run(runs[0].facts)
    players: list[Player] = [
        replace(
            sound_player(f"clip-{index}", clip.name, _about(clip, metric, index == 1), clip.sounds, stft, longest),
            chosen=1,
        )
        for index, clip in enumerate(found, 1)
    ]
    return Section("listening", "Listening", [Text(f"{HOW_TO_LISTEN} Scores are of the whole clip."), *players])


@dataclass(frozen=True)
class _Clip:
    """A clip of several runs: its sounds, and by how much the runs' scores of it differ at most."""

    name: str
    sounds: list[Sound]
    difference: float


def _about(clip: _Clip, metric: str | None, is_first: bool) -> str:
    if metric is None or not clip.difference:
        return ""
    facts = facts_of_metric(metric)
    figure = f"{facts.label} differs by {facts.form.format(clip.difference)} {facts.unit}".strip()
    return f"largest difference: {figure}" if is_first else figure


def _difference(kept: Sequence[tuple[ComparedRun, ListenedClip]], metric: str | None) -> float:
    scores = [
        version.scores[metric]
        for run, clip in kept
        for version in clip.versions
        if version.name == run.version.name and metric in version.scores
    ]
    return max(scores) - min(scores) if scores else 0.0


def _common(runs: Sequence[ComparedRun], metric: str | None) -> Iterator[_Clip]:
    kept = [(run, {clip.name: clip for clip in run.facts.listened}) for run in runs if run.version]
    for name in dict.fromkeys(name for _, clips in kept for name in clips):
        both = [(run, clips[name]) for run, clips in kept if name in clips][: MOST_VERSIONS - 2]
        if len(both) > 1 and (sounds := _sounds(both)):
            yield _Clip(name, sounds, _difference(both, metric))


def _sounds(kept: Sequence[tuple[ComparedRun, ListenedClip]]) -> list[Sound]:
    """Return players of the same segment: the noisy clip, the output of each run, and the clean clip, if available."""
    start = max(clip.start for _, clip in kept)
    stop = min(clip.start + clip.seconds for _, clip in kept)
    if stop - start < SHORTEST:
        return []
    (first, clip), *_ = kept
    before = _of(first.facts, clip, "noisy", "noisy", start, stop)
    after = _of(first.facts, clip, "clean", "clean", start, stop)
    own = [
        sound
        for run, clip in kept
        for sound in _of(run.facts, clip, run.version.name, run.name, start, stop)
        if sound.rate == kept[0][1].sample_rate
    ]
    return [*before, *own, *after] if before and len(own) > 1 else []


def _of(run: RunFacts, clip: ListenedClip, name: str, label: str, start: float, stop: float) -> list[Sound]:
    """Return a version of a clip from `start` to `stop` seconds; empty if its file is missing."""
    folder = run.folder / FOLDER / clip.folder
    versions = [each for each in clip.versions if each.name == name and (folder / each.file).is_file()]
    sounds = read_sounds((folder / each.file, name, label, score_text(each.scores)) for each in versions)
    cut = []
    for sound in sounds:
        low, high = (round((second - clip.start) * sound.rate) for second in (start, stop))
        part = sound.waveform[max(0, low) : high]
        if len(part):
            cut.append(replace(sound, waveform=part, bytes=sound.bytes * len(part) // len(sound.waveform)))
    return cut
