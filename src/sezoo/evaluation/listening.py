"""Clips of an evaluation that are saved for listening: those that int8 and the board changed most."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from sezoo.audio.clip import write_clip
from sezoo.base.files import atomic_folder
from sezoo.base.foreign_text import to_encodable
from sezoo.config.metric_facts import facts_of_metric
from sezoo.data.pairs import Pair
from sezoo.denoising import Stream, WholeClip, normalization_peak
from sezoo.denoising.masking import MaskStream
from sezoo.denoising.run_models import BOARD, STREAM
from sezoo.evaluation.scoring import ClipScorer, ClipWaves
from sezoo.evaluation.versions import Version
from sezoo.results.listening import FOLDER, MASKS, ListenedClip, ListenedVersion, ListeningIndex
from sezoo.results.scores import NOISY, ClipScores

__all__ = ["SECONDS", "choose_clips", "save_listening"]

SECONDS = 8.0
"""What is kept of a longer clip."""

FRAMES_AT_ONCE = 2048

LARGEST_GAIN = 4.0
"""Of the change that is shown for complex spectra, which have no bound where the noisy one is all but silent."""

PLACES = ("best", "median", "worst", "board", "first")
"""The names of the clips' folders: why they were chosen."""


def save_listening(
    folder: Path, scorer: ClipScorer, clips: Sequence[ClipScores], pairs: Mapping[str, Pair]
) -> list[ListenedClip]:
    """Denoise the chosen clips once more, and keep their waveforms and masks in the run's folder, all or nothing.

    Parameters
    ----------
    folder : of the run.
    scorer : of the versions to keep.
    pairs : by the clips' names.

    Raises
    ------
    UserError, BadClipError : as for `ClipScorer.waveforms`; the files cannot be written.
    """
    versions = scorer.scoring.versions
    kept = []
    with atomic_folder(folder / FOLDER) as temporary:
        for choice in choose_clips(clips, versions, tuple(scorer.metrics)):
            kept.append(_save(temporary / choice.place, scorer, choice, pairs[choice.clip.name]))
        ListeningIndex(kept).write(temporary)
        for place in PLACES:  # of a run in the same folder before this one
            shutil.rmtree(folder / FOLDER / place, ignore_errors=True)
    return kept


@dataclass(frozen=True)
class Choice:
    """A clip that is kept.

    Attributes
    ----------
    place : name of its folder, one of `PLACES`.
    why : in words.
    metric, change : by what it was chosen; None where nothing was scored.
    compared : names of the versions whose difference is to be heard, or of the one where there is no other.
    """

    place: str
    clip: ClipScores
    why: str
    metric: str | None
    change: float | None
    compared: tuple[str, ...]


def choose_clips(clips: Sequence[ClipScores], versions: Sequence[Version], metrics: Sequence[str]) -> list[Choice]:
    """The best, the median and the worst clip by what the last model changed, and the worst on the board, each once.

    The change is from the float to the int8 model; where there is one model, from the noisy clip to it. It is of
    PESQ, or of the first metric where that was not scored. Where nothing was scored it is the first clip alone.
    """
    first = next(version for version in versions if version.model == versions[-1].model)
    has_other = versions[0].model != first.model
    against, from_label = (versions[0].name, versions[0].label) if has_other else (NOISY, "noisy")
    board = _on_the_board(versions)
    for metric in sorted(metrics, key=lambda metric: metric != "pesq"):
        changes = _changes(clips, against, first, metric)
        if changes:
            break
    else:
        compared = (against, first.name) if has_other else (first.name,)
        return [
            Choice("first", clip, "the first clip; none could be scored", None, None, compared) for clip in clips[:1]
        ]
    sign = 1 if facts_of_metric(metric).higher_is_better else -1
    wanted = [(place, changes, first, index) for place, index in
              (("best", len(changes) - 1), ("median", len(changes) // 2), ("worst", 0))]  # fmt: skip
    if board is not None and board is not first and (on_board := _changes(clips, against, board, metric)):
        wanted.append(("board", on_board, board, 0))
    found: dict[str, Choice] = {}
    for place, ranked, version, index in wanted:
        change, clip = ranked[index]
        how = "worst" if place == "board" else place
        why = f"{how} of {len(ranked)} by {facts_of_metric(metric).label} from {from_label} to {version.label}"
        compared = (against, version.name) if has_other else (version.name,)
        choice = found.setdefault(clip.name, Choice(place, clip, why, metric, sign * change, compared))
        if choice.why != why and place in ("worst", "board"):  # the worst of both is told of both
            largest = max(choice.change, sign * change, key=abs)
            found[clip.name] = replace(choice, why=f"{choice.why}, and {why}", change=largest)
    return list(found.values())


def _on_the_board(versions: Sequence[Version]) -> Version | None:
    """The last model as its program on the board runs it, if that was scored."""
    of_last = (version for version in versions if version.model == versions[-1].model)
    return next((version for version in of_last if version.kind in (BOARD, STREAM)), None)


def _changes(
    clips: Sequence[ClipScores], against: str, version: Version, metric: str
) -> list[tuple[float, ClipScores]]:
    """Return the change of the score of each clip, in ascending order."""
    sign = 1 if facts_of_metric(metric).higher_is_better else -1
    scored = [
        (sign * (clip.scores[version.name][metric] - clip.scores[against][metric]), clip)
        for clip in clips
        if metric in clip.scores.get(version.name, {}) and metric in clip.scores[against]
    ]
    return sorted(scored, key=lambda pair: (pair[0], pair[1].name))


def _save(folder: Path, scorer: ClipScorer, choice: Choice, pair: Pair) -> ListenedClip:
    scoring, clip, metric = scorer.scoring, choice.clip, choice.metric
    rate, hop = scoring.sample_rate, scoring.stft.hop_length
    waveforms = scorer.waveforms(pair)
    shown: dict[str, Version] = {}  # whose masks are
    for version in scoring.versions:
        if version.name in scorer.players:  # a function has no masks
            shown.setdefault(version.model, version)
    if len(shown) > 1 and (board := _on_the_board(scoring.versions)) not in (None, *shown.values()):
        shown[board.name] = board
    start, stop = _choose_segment(waveforms, choice.compared, hop, rate)
    labels = {NOISY: "noisy", **{version.name: version.label for version in scoring.versions}, "clean": "clean"}
    kept = {NOISY: waveforms.noisy, **waveforms.denoised} | (
        {} if waveforms.clean is None else {"clean": waveforms.clean}
    )
    versions = []
    for order, (name, waveform) in enumerate(kept.items(), 1):
        file = f"{order}_{name}.flac"
        write_clip(folder / file, waveform[start:stop], rate)
        scores = clip.scores.get(name, {})
        versions.append(ListenedVersion(name, labels[name], file, scores))
    masks = {
        version.name: _mask(scorer, version, waveforms.noisy, start // hop, -(-stop // hop))
        for version in shown.values()
    }
    np.savez_compressed(folder / MASKS, **masks)
    return ListenedClip(
        folder=folder.name,
        name=to_encodable(clip.name),
        why=choice.why,
        metric=metric,
        change=choice.change,
        sample_rate=rate,
        start=start / rate,
        seconds=(stop - start) / rate,
        clip_seconds=len(waveforms.noisy) / rate,
        hop_length=hop,
        masks=list(masks),
        versions=versions,
    )


def _choose_segment(waveforms: ClipWaves, compared: Sequence[str], hop: int, rate: int) -> tuple[int, int]:
    """Return the segment of `SECONDS` where models differ most, or a single one is loudest; it starts at a frame.

    Returns
    -------
    start, stop : in samples.
    """
    samples, longest = len(waveforms.noisy), int(SECONDS * rate)
    if samples <= longest:
        return 0, samples
    last = waveforms.denoised[compared[-1]]
    signal = last if len(compared) < 2 else last - waveforms.denoised[compared[0]]
    energy = np.concatenate([[0.0], np.cumsum(np.square(signal, dtype=np.float64))])
    starts = np.arange(0, samples - longest + 1, hop)
    start = int(starts[np.argmax(energy[starts + longest] - energy[starts])])
    return start, start + longest


def _mask(scorer: ClipScorer, version: Version, noisy: np.ndarray, first: int, stop: int) -> np.ndarray:
    """The masks of these frames of a clip: (bins, frames) float16. On the board the input gain changes them a little.

    They are what a spectrum of ones becomes; of a model of complex spectra, by how much each bin has changed.
    """
    model, play = scorer.players[version.name]
    stft = scorer.scoring.stft
    peak = normalization_peak(noisy, play, normalize=scorer.scoring.peak_normalize)
    if isinstance(play, Stream):  # which has the whole clip's masks
        play = WholeClip(play.context)
    stream = MaskStream(model, play, stft.bins)
    kept, given = _Frames(first, stop), _Frames(first, stop)
    for spectrum in stft.analyse_blocks(noisy / peak, FRAMES_AT_ONCE):
        shown = np.ones_like(spectrum) if stream.of_magnitudes else spectrum  # a spectrum of ones becomes its mask
        given.add(shown)
        kept.add(stream.push(shown, stft.magnitude(spectrum)))
        if kept.seen >= stop:
            break
    else:
        kept.add(stream.finish())
    if stream.of_magnitudes:
        return kept.all.real.astype(np.float16)
    quiet = np.finfo(np.float16).tiny
    return np.minimum(np.abs(kept.all) / (np.abs(given.all) + quiet), LARGEST_GAIN).astype(np.float16)


class _Frames:
    """The frames from `first` to `stop` of those that come in pieces (bins, n)."""

    def __init__(self, first: int, stop: int):
        self.first, self.stop, self.seen = first, stop, 0
        self._pieces: list[np.ndarray] = []

    def add(self, piece: np.ndarray) -> None:
        self._pieces.append(piece[:, max(0, self.first - self.seen) : max(0, self.stop - self.seen)])
        self.seen += piece.shape[1]

    @property
    def all(self) -> np.ndarray:
        return np.concatenate(self._pieces, axis=1)
