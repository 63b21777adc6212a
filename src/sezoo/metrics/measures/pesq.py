"""PESQ, the listeners' opinion of a clip as ITU-T P.862 predicts it."""

from __future__ import annotations

import numpy as np

from sezoo.metrics.checks import MetricError, check_clips, check_not_silent
from sezoo.metrics.definition import cache_per_clip, metric

__all__ = ["pesq"]

PESQ_MODES = {16_000: "wb", 8_000: "nb"}

# P.862's reference code, which the package `pesq` compiles, cuts the clean clip into windows of 4 ms and
# keeps its utterances in tables of 50 entries, whose end it does not check: a long clip with more of them is
# scored from overwritten memory or ends the process. We count them beforehand, without the code's input
# filter, hence the margin.
P862_WINDOW_S = 0.004
P862_MIN_SPEECH = 4  # windows; a shorter burst is not speech
P862_JOIN = 50  # windows; a shorter pause joins two bursts
P862_MIN_UTTERANCE = 50  # windows
P862_PADDING = 75  # windows of zeros that the code puts on either side
P862_MAX_UTTERANCES = 50
UTTERANCE_MARGIN = 10


@metric("PESQ", form="{:.3f}")
@cache_per_clip
def pesq(clean: np.ndarray, denoised: np.ndarray, sample_rate: int) -> float:
    """PESQ as MOS-LQO, about 1.0 to 4.64: wide-band (ITU-T P.862.2) at 16 kHz, narrow-band at 8 kHz.

    The package `pesq` computes it. Raises MetricError for another sample rate; for a silent clip; when PESQ
    finds no speech in the clean clip or the clips are shorter than 1/4 s; when the clean clip has more
    utterances than PESQ's code can hold (not below 16 s, and minutes in most speech);
    and for clips that are not finite, not 1-D float or of different lengths.
    """
    if sample_rate not in PESQ_MODES:
        raise MetricError(f"PESQ scores clips at 16000 or 8000 Hz, not at {sample_rate} Hz: resample first")
    clean, denoised = check_clips(clean, denoised)
    check_not_silent(clean, "clean")
    check_not_silent(denoised, "denoised")
    utterances = _p862_utterances(clean, sample_rate)
    if utterances > P862_MAX_UTTERANCES - UTTERANCE_MARGIN:
        raise MetricError(
            f"the clip is too long for PESQ: about {utterances} utterances in "
            f"{clean.size / sample_rate:.0f} s, PESQ's code holds {P862_MAX_UTTERANCES}; cut it into "
            "shorter clips"
        )
    from pesq import PesqError
    from pesq import pesq as pesq_package

    try:
        score = float(pesq_package(sample_rate, clean, denoised, PESQ_MODES[sample_rate]))
    except PesqError as error:
        reason = error.args[0] if error.args else type(error).__name__
        text = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
        raise MetricError(f"PESQ cannot score the clip: {text}") from error
    except ValueError as error:
        # The package takes a score that is NaN for an error code and fails to look that up.
        raise MetricError("PESQ gave no finite score for the clip") from error
    if not np.isfinite(score):
        raise MetricError("PESQ gave no finite score for the clip")
    return score


def _p862_utterances(clean: np.ndarray, sample_rate: int) -> int:
    """Number of utterances that P.862's voice activity detector finds in the clean clip, or a few more."""
    window = round(P862_WINDOW_S * sample_rate)
    if clean.size / sample_rate < (P862_JOIN + P862_MIN_UTTERANCE) * P862_WINDOW_S * (
        P862_MAX_UTTERANCES - UTTERANCE_MARGIN
    ):
        return 0  # too short for that many, whatever is in it
    count = clean.size // window
    power = np.mean(np.square(clean[: count * window].reshape(count, window)), axis=1)
    power = np.pad(power, P862_PADDING)
    threshold = float(power.mean())
    power = np.maximum(power, 1e-4 * power.max())
    for _ in range(12):
        quiet = power[power <= threshold]
        if quiet.size == 0:
            return 1
        threshold = 1.001 * float(quiet.mean() + 2.0 * quiet.std())
    speech = np.concatenate(([0], power > threshold, [0])).astype(np.int8)
    edges = np.flatnonzero(np.diff(speech)).reshape(-1, 2)
    edges = edges[edges[:, 1] - edges[:, 0] > P862_MIN_SPEECH]
    if len(edges) == 0:
        return 0
    apart = edges[1:, 0] - edges[:-1, 1] > P862_JOIN
    starts = edges[np.concatenate(([True], apart)), 0]
    ends = edges[np.concatenate((apart, [True])), 1]
    return int(np.sum(ends - starts >= P862_MIN_UTTERANCE))
