"""Clips scored once: here, by a run of this folder that was ended, or by the runs of other parts of the test set."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from sezoo.audio.clip import BadClipError
from sezoo.base.errors import UserError
from sezoo.base.text import pluralize
from sezoo.base.user_code import code_digest
from sezoo.data.dataset import bad_clip_error
from sezoo.data.pairs import Pair
from sezoo.denoising.function import DenoisingFunction, FunctionSource
from sezoo.evaluation.conditions import ChangedPair
from sezoo.evaluation.recordings import RecordingsSource
from sezoo.evaluation.scored_clips import ClipKey, Outcome, read_part, scored_clips
from sezoo.evaluation.scoring import Scoring
from sezoo.evaluation.workers import score_clips
from sezoo.metrics import METRICS, load_metrics
from sezoo.models.source import ModelSource, OnnxSource
from sezoo.run.executors import KEY, ConnectionLostError
from sezoo.run.run import Run

__all__ = ["outcomes_of", "select_shard"]

log = logging.getLogger(__name__)


def outcomes_of(run: Run, scoring: Scoring, pairs: Sequence[Pair], name: str, what: str) -> dict[int, Outcome]:
    """Score pairs that are not scored yet, and write a line for each as soon as it is.

    Parameters
    ----------
    name : of the file of lines, in the run's folder.
    what : is done, for the progress.

    Returns
    -------
    outcomes : by the index in `pairs`: scores, or the error of a clip that cannot be used.

    Raises
    ------
    UserError : a clip that cannot be used, where none may be left out; a part of another test set; what scoring raises.
    """
    settings = run.config.evaluation
    how, keys = _fingerprint(scoring), [_key(pair) for pair in pairs]
    with scored_clips(run.folder / name, how) as scored:
        if scored.known:
            log.info("%s: scored already by the run that was here", pluralize(len(scored.known), "clip"))
        known = dict(scored.known)
        for part in settings.parts:
            known |= _of_this_set(part, read_part(part, how), keys)
        found = {index: known[key] for index, key in enumerate(keys) if key in known}
        for index, outcome in found.items():
            if keys[index] not in scored.known:
                scored.add(keys[index], outcome)
        left = [index for index in range(len(pairs)) if index not in found]
        todo = [pairs[index] for index in left]
        with closing(score_clips(scoring, todo, settings.num_workers, run.config.general.executor)) as outcomes:
            try:
                for position, outcome in run.progress(outcomes, len(todo), what):
                    index = left[position]
                    if isinstance(outcome, BadClipError) and not run.config.dataset.skip_bad_files:
                        raise bad_clip_error(outcome) from outcome
                    found[index] = outcome
                    scored.add(keys[index], outcome)
            except ConnectionLostError as error:
                raise ConnectionLostError(
                    f"{error}; {len(found)} of {pluralize(len(pairs), 'clip')} are scored, and the same command with "
                    f"its results in {run.folder} goes on from there, with any {KEY}"
                ) from error
        scored.finish()
    return found


def select_shard(pairs: Sequence[Pair], shard: tuple[int, int] | None) -> list[Pair]:
    """Every n-th pair from the i-th on, so that parts take equally long; all where there is no `shard` (i, n).

    Raises
    ------
    UserError : there are fewer pairs than parts.
    """
    if shard is None:
        return list(pairs)
    number, of = shard
    if of > len(pairs):
        raise UserError(
            f"evaluation.shard: found {number}/{of}, but the test set has only {pluralize(len(pairs), 'clip')}"
        )
    return list(pairs[number - 1 :: of])


def _of_this_set(part: Path, known: dict[ClipKey, Outcome], keys: Sequence[ClipKey]) -> dict[ClipKey, Outcome]:
    there = set(keys)
    if foreign := [key for key in known if replace(key, condition=None) not in there]:
        raise UserError(
            f"evaluation.parts: {part} is of another test set: this one has no {foreign[0].noisy} of that size"
        )
    return known


def _key(pair: Pair) -> ClipKey:
    paths = [path for path in (pair.noisy, pair.clean) if path is not None]
    sizes = tuple(path.stat().st_size if path.is_file() else 0 for path in paths)
    clean = None if pair.clean is None else pair.clean.name
    return ClipKey(pair.name, clean, sizes, pair.condition if isinstance(pair, ChangedPair) else None)


def _fingerprint(scoring: Scoring) -> dict[str, object]:
    """Return a fingerprint of everything but the clip that its scores depend on."""
    return {
        "metrics": list(load_metrics(scoring.metrics)),
        "code of metrics": {
            name: code_digest(metric.compute)
            for name, metric in load_metrics(scoring.metrics).items()
            if name not in METRICS
        },
        "sample_rate": scoring.sample_rate,
        "stft": repr(scoring.stft),
        "peak_normalize": scoring.peak_normalize,
        "speech_guard": scoring.speech_guard,
        "versions": {
            version.name: {"played": repr(version.play), "model": _digest(version.source)}
            for version in scoring.versions
        },
    }


def _digest(source: ModelSource | FunctionSource | RecordingsSource) -> str:
    """A hash of a model's weights and settings, or of a function's code, wherever its file lies."""
    if isinstance(source, RecordingsSource):
        return source.digest
    if isinstance(source, FunctionSource):
        return code_digest(DenoisingFunction(source).function)
    if isinstance(source, OnnxSource):
        path, settings = source.path, repr(sorted(source.states.items()))
    else:
        path, settings = source.model.state_dict_path, repr((source.model, source.model_specific, source.n_fft))
    content = path.read_bytes() if path is not None and path.is_file() else b""
    return hashlib.sha256(content + settings.encode()).hexdigest()[:16]
