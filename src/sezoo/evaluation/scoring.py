"""One clip through every version and every metric, in whichever process."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from sezoo.audio.stft import Stft
from sezoo.base.errors import UserError
from sezoo.data.pairs import Pair, read_pair
from sezoo.denoising import denoise_variants, normalization_peak, silence_threshold
from sezoo.denoising.function import DenoisingFunction, FunctionSource
from sezoo.denoising.silence_gate import MutedFrames, count_muted_frames
from sezoo.deployment.tflite.source import TfliteSource, open_tflite
from sezoo.evaluation.conditions import ChangedPair
from sezoo.evaluation.noisy_scores import NoisyScores
from sezoo.evaluation.recordings import RecordingsSource
from sezoo.evaluation.versions import Version
from sezoo.metrics import MetricError, load_metrics, score_clip, speech_guard
from sezoo.models.mask_model import MaskFunction
from sezoo.models.source import ModelSource, open_model
from sezoo.results.scores import NOISY, ClipScores

__all__ = ["ClipScorer", "ClipWaves", "ScoredClip", "Scoring"]


@dataclass(frozen=True)
class Scoring:
    """All that scoring a clip depends on besides the clip.

    Attributes
    ----------
    metrics : names, or where the code of one is; see `sezoo.metrics.load_metrics`.
    noisy_scores : the folder where the scores of noisy clips are remembered; None for none.
    speech_guard : the figures of `sezoo.metrics.speech_guard` are among the scores.
    """

    versions: tuple[Version, ...]
    stft: Stft
    sample_rate: int
    metrics: tuple[str, ...]
    peak_normalize: bool = False
    noisy_scores: Path | None = None
    speech_guard: bool = False


@dataclass(frozen=True)
class ClipWaves:
    """One clip: noisy, clean (None where there is none), and denoised by version; (samples,) float32 each."""

    noisy: np.ndarray
    clean: np.ndarray | None
    denoised: Mapping[str, np.ndarray]


@dataclass(frozen=True)
class ScoredClip(ClipScores):
    """A clip's scores, and what a silence gate has muted of it, by version; nothing where there is no gate."""

    muted: Mapping[str, MutedFrames] = field(default_factory=dict)


class ClipScorer:
    """Scores clips, with its models loaded once.

    Raises
    ------
    UserError : a model, or a metric, that cannot be loaded.
    """

    def __init__(self, scoring: Scoring):
        self.scoring = scoring
        self.functions = {
            version.name: source if isinstance(source, RecordingsSource) else DenoisingFunction(source)
            for version in scoring.versions
            if isinstance(source := version.source, FunctionSource | RecordingsSource)
        }
        opened: list[tuple[ModelSource, MaskFunction]] = []  # a user's settings in a source may not be hashable

        def model_of(source: ModelSource) -> MaskFunction:
            for known, model in opened:
                if known == source:
                    return model
            opener = open_tflite if isinstance(source, TfliteSource) else open_model
            opened.append((source, opener(source)))
            return opened[-1][1]

        self.players = {
            version.name: (model_of(version.source), version.play)
            for version in scoring.versions
            if version.name not in self.functions
        }
        self.metrics = load_metrics(scoring.metrics)
        self.noisy_scores = NoisyScores(scoring.noisy_scores)

    def score(self, pair: Pair) -> ScoredClip:
        """Score every version of a pair, and the noisy clip itself.

        Raises
        ------
        BadClipError : a clip that cannot be used, or clips that do not belong together.
        UserError : a model that gives no mask.
        """
        waveforms, rate = self.waveforms(pair), self.scoring.sample_rate
        has_noisy = pair.noisy != pair.clean  # recordings alone are compared with clean clips
        found = {
            NOISY: self.noisy_scores.of(waveforms.noisy, waveforms.clean, rate, self.metrics) if has_noisy else ({}, {})
        }
        for name, waveform in waveforms.denoised.items():
            found[name] = score_clip(waveforms.clean, waveform, rate, self.metrics)
        if self.scoring.speech_guard:
            for name, waveform in {NOISY: waveforms.noisy, **waveforms.denoised}.items():
                with suppress(MetricError):  # a clip in which no bin is speech alone
                    found[name][0].update(speech_guard(waveforms.clean, waveforms.noisy, waveform, rate))
        return ScoredClip(
            pair.name,
            len(waveforms.noisy) / rate,
            {name: scores for name, (scores, _) in found.items()},
            {name: reasons for name, (_, reasons) in found.items() if reasons},
            {
                name: count_muted_frames(waveform, waveforms.clean, self.scoring.stft.hop_length)
                for name, waveform in waveforms.denoised.items()
                if name in self.players and silence_threshold(self.players[name][1]) is not None
            },
        )

    def waveforms(self, pair: Pair) -> ClipWaves:
        """Read a pair and denoise it; errors as for `score`."""
        noisy, clean = read_pair(pair, self.scoring.sample_rate, self.scoring.stft)
        if isinstance(pair, ChangedPair):
            noisy, clean = pair.apply(noisy, clean, self.scoring.sample_rate)
        # The model sees the clip as loud as configured; what is compared with the clean clip has its own level.
        normalize = self.scoring.peak_normalize
        peaks = {name: normalization_peak(noisy, play, normalize=normalize) for name, (_, play) in self.players.items()}
        denoised = {}
        try:
            for peak in set(peaks.values()):
                players = {name: player for name, player in self.players.items() if peaks[name] == peak}
                denoised |= denoise_variants(noisy / peak, players, self.scoring.stft)
        except UserError as error:
            raise UserError(f"{error} (on {pair.noisy})") from error
        made = {name: denoised[name] * peak for name, peak in peaks.items()}
        made |= {name: function(noisy, pair.noisy) for name, function in self.functions.items()}
        return ClipWaves(noisy, clean, {version.name: made[version.name] for version in self.scoring.versions})
