"""The robustness bench: test pairs played in many conditions, every version against the noisy clips."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from sezoo.audio.clip import BadClipError
from sezoo.data.dataset import sample
from sezoo.data.pairs import Pair
from sezoo.evaluation.conditions import CLEAN, ChangedPair, conditions_for
from sezoo.evaluation.scored import outcomes_of
from sezoo.evaluation.scoring import Scoring
from sezoo.results.names import SCORED_CONDITIONS
from sezoo.results.robustness import ConditionScores, Robustness
from sezoo.results.scores import NOISY, ClipScores
from sezoo.run.run import Run

__all__ = ["MOST_CLIPS", "robustness"]

log = logging.getLogger(__name__)

MOST_CLIPS = 50
"""Of a larger test set as many are drawn at random: means of the conditions need no more, and there are 17 of them."""

METRICS = ("pesq", "stoi", "si_snr")


def robustness(run: Run, scoring: Scoring, pairs: Sequence[Pair]) -> Robustness:
    """Score pairs in every condition that their sample rate allows.

    The metrics are PESQ, STOI and SI-SNR, or those of them that the scoring has, and the figures of `speech_guard`.

    Parameters
    ----------
    scoring : of the evaluation, with the versions.
    pairs : of the test set, all with clean speech.
    """
    metrics = tuple(metric for metric in METRICS if metric in scoring.metrics) or METRICS
    scoring = replace(scoring, metrics=metrics, speech_guard=True)
    amount = min(MOST_CLIPS, len(pairs))
    drawn = sample(pairs, amount, run.config.dataset.random_seed, "evaluation.robustness")
    conditions = conditions_for(scoring.sample_rate)
    tasks = [
        ChangedPair(pair.noisy, pair.clean, pair.label, condition.name) for condition in conditions for pair in drawn
    ]
    found: dict[str, list[ClipScores]] = {condition.name: [] for condition in conditions}
    left_out: dict[str, BadClipError] = {}
    for index, clip in outcomes_of(run, scoring, tasks, SCORED_CONDITIONS, "robustness").items():
        if isinstance(clip, ClipScores):
            found[tasks[index].condition].append(clip)
        else:
            left_out[clip.reason] = clip
    for reason, clip in left_out.items():
        log.warning("robustness: %s is left out of a condition: %s", clip.path, reason)
    labels = {version.name: version.label for version in scoring.versions}
    return Robustness(
        labels=labels,
        clips=amount,
        of_clips=len(pairs),
        conditions=[
            ConditionScores(
                name=condition.name,
                label=condition.label,
                clips=len(clips),
                is_clean=condition.name == CLEAN,
                noisy=_means(clips, NOISY),
                versions={version: _means(clips, version) for version in labels},
                stoi_below=_stoi_below(clips, labels),
            )
            for condition in conditions
            if (clips := sorted(found[condition.name], key=lambda clip: clip.name))
        ],
    )


def _means(clips: Sequence[ClipScores], version: str) -> dict[str, float]:
    """Return means over the clips that the metric scored in all versions, so that the means are comparable."""
    means = {}
    for metric in dict.fromkeys(metric for clip in clips for metric in clip.scores[version]):
        able = {name for clip in clips for name, scores in clip.scores.items() if metric in scores}
        values = [clip.scores[version][metric] for clip in clips if all(metric in clip.scores[name] for name in able)]
        if values:
            means[metric] = float(np.mean(values))
    return means


def _stoi_below(clips: Sequence[ClipScores], labels: Mapping[str, str]) -> dict[str, float]:
    shares = {}
    for version in labels:
        below = [
            clip.scores[version]["stoi"] < clip.scores[NOISY]["stoi"]
            for clip in clips
            if "stoi" in clip.scores[version] and "stoi" in clip.scores[NOISY]
        ]
        if below:
            shares[version] = float(np.mean(below))
    return shares
