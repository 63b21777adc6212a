"""The service `evaluation`: models and test clips in, scores out, as a PC runs the models and as the board does."""

from __future__ import annotations

import logging
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from sezoo.audio.clip import BadClipError
from sezoo.audio.stft import stft_of
from sezoo.base.errors import UserError
from sezoo.base.files import display_path
from sezoo.base.text import pluralize
from sezoo.base.user_code import absolute_reference
from sezoo.config.metric_facts import facts_of_metric
from sezoo.config.modes import steps
from sezoo.config.sections import Config
from sezoo.data.dataset import log_skipped_clips, test_pairs
from sezoo.data.pairs import Pair
from sezoo.denoising import NO_PEAK, is_on_device
from sezoo.denoising.function import FunctionSource
from sezoo.denoising.patch_lengths import patch_lengths
from sezoo.denoising.run_models import RunModel, models_of
from sezoo.evaluation.as_deployed import board_losses, gate_losses, incompatible_boards, lookahead_advice, setting_costs
from sezoo.evaluation.listening import save_listening
from sezoo.evaluation.model_arrays import save_arrays
from sezoo.evaluation.noisy_scores import default_folder
from sezoo.evaluation.plausibility import warn_of_delay, warn_of_worse_than_noisy
from sezoo.evaluation.recordings import check_recordings, log_delays
from sezoo.evaluation.results import results_of
from sezoo.evaluation.robustness import robustness
from sezoo.evaluation.scored import outcomes_of, select_shard
from sezoo.evaluation.scoring import ClipScorer, Scoring
from sezoo.evaluation.versions import Version, explaining_versions, function_version, recordings_version, versions_of
from sezoo.metrics import NO_REFERENCE_METRICS, REFERENCE_METRICS, load_metrics
from sezoo.models.onnx_file import load_onnx
from sezoo.models.states import states_of
from sezoo.results.evaluation import Evaluation
from sezoo.results.margins import gain, margin
from sezoo.results.names import SCORED_CLIPS
from sezoo.results.scores import ClipScores, Mean, mean_scores
from sezoo.run.run import ClipCount, Run

__all__ = ["check_evaluation", "evaluate", "metrics_to_score"]

log = logging.getLogger(__name__)


def check_evaluation(config: Config) -> None:
    """Check what an evaluation needs besides a model, before anything is started.

    Raises
    ------
    UserError : test clips, metrics, or lengths of patches that will not do.
    """
    metrics_to_score(config, test_pairs(config.dataset))
    if config.model.function is not None or config.model.denoised_path is not None:
        return
    if _has_states(config):
        patch_lengths(config, None, stateful=True)  # a length of the model's own would come before the settings'
    else:
        patch_lengths(config, config.quantization and config.quantization.static_sequence_length)


def _has_states(config: Config) -> bool:
    """Whether the model that the run begins with has states, by the configuration or by its file."""
    if config.quantization is not None and config.quantization.states:
        return True
    is_trained, path = "t" in steps(config.operation_mode), config.model and config.model.onnx_path
    return not is_trained and path is not None and path.is_file() and bool(states_of(load_onnx(path)))


def metrics_to_score(config: Config, pairs: Sequence[Pair]) -> tuple[str, ...]:
    """The metrics that are asked for, or those that the test set allows.

    Raises
    ------
    UserError : metrics or a robustness bench that need clean speech where there is none; DNSMOS without its package.
    """
    asked, has_clean = config.evaluation.metrics, pairs[0].clean is not None
    if config.evaluation.robustness and not has_clean:
        raise UserError("evaluation.robustness: its conditions are made of clean speech, but the test set has none")
    if asked is None:
        asked = REFERENCE_METRICS if has_clean else NO_REFERENCE_METRICS
    for metric in load_metrics(asked).values():
        if metric.needs_clean and not has_clean:
            raise UserError(
                f"evaluation.metrics: {metric.name} needs clean speech, but the test set has none; dnsmos needs none"
            )
        if not metric.is_installed:
            install = f"pip install '{metric.install or metric.needs}'"
            if not has_clean and config.evaluation.metrics is None:
                raise UserError(
                    "dataset.clean_test_files_path: no clean speech to compare with; name its folder, or install "
                    f"DNSMOS, which needs none: {install}"
                )
            raise UserError(f"evaluation.metrics: {metric.name} needs the package {metric.needs}: {install}")
    if not has_clean:
        log.info("the test set has no clean clips: only DNSMOS can score it")
    return tuple(dict.fromkeys(asked))


def _is_calibrated_on(config: Config, pairs: Sequence[Pair]) -> bool:
    """Whether the run quantizes a model with the very recordings that it scores."""
    folder = config.quantization and config.quantization.noisy_quantization_files_path
    if folder is None or "q" not in steps(config.operation_mode):
        return False
    return folder.absolute() == pairs[0].noisy.parent.absolute()


def evaluate(run: Run) -> Evaluation:
    """Score every model that the run has, and the noisy clips themselves, in one pass over the test set.

    The files appear when all is scored: `metrics_dict.json` and `detailed_metrics.csv` of each version in a folder
    of its own, `evaluation.json` with all of it, and in the folder `listen` a few clips to listen to.

    Raises
    ------
    UserError : the models, the clips or the settings are not fit for it; a worker was killed.
    """
    pairs = select_shard(test_pairs(run.config.dataset), run.config.evaluation.shard)
    with tempfile.TemporaryDirectory(prefix="sezoo_") as scratch:
        models, versions = _versions_to_score(run, Path(scratch), pairs)
        explaining = explaining_versions(versions, models) if run.config.evaluation.explain_deployment else []
        if run.config.evaluation.explain_deployment and not explaining:
            log.warning(
                "evaluation.explain_deployment: no setting of a board is in use here; deployment.backend: stm32n6 "
                "(--backend) scores as ST's N6 application runs the model, whose settings cost"
            )
        scoring = _scoring(run.config, [*versions, *explaining], pairs)
        if scoring.peak_normalize and any(is_on_device(version.play) for version in versions):
            log.warning("%s", NO_PEAK)
        for line in incompatible_boards(versions):
            log.warning("%s", line)
        labels = ", ".join(version.label for version in versions)
        log.info("scoring %s on %s", labels, pluralize(len(pairs), "clip"))
        for version in versions:
            if is_on_device(version.play):
                masks = "; its masks are float ones, a device has an int8 model's" if version.model == "float" else ""
                log.info("%s is scored %s%s", version.label, version.play, masks)
        if _is_calibrated_on(run.config, pairs):
            log.info(
                "int8 was calibrated on these clips: others (dataset.noisy_test_files_path, --noisy) would show what "
                "it does on recordings that it has not seen"
            )
        metrics = tuple(load_metrics(scoring.metrics))
        clips, left_out = _score_pairs(run, scoring, pairs)
        means = mean_scores(clips)
        warn_of_delay(means, pairs, scoring.sample_rate, scoring.stft)
        floats = {version.name: version.label for version in versions if version.name.startswith("float")}
        warn_of_worse_than_noisy(means, floats)
        results = results_of(
            versions,
            metrics,
            clips,
            means,
            preprocessing=run.config.preprocessing,
            look_ahead=lookahead_advice(models, versions, clips, next(iter(means[versions[0].name]), None)),
            gates=gate_losses(versions, clips),
            settings=setting_costs(explaining, clips, metrics),
            left_out=left_out,
        )
        path = results.write(run.folder)
        run.clips["evaluation"] = ClipCount(len(clips), results.seconds, len(left_out))
        if run.config.evaluation.robustness and run.config.evaluation.shard is not None:
            log.info("evaluation.robustness: scored when the parts are joined (evaluation.parts)")
        elif run.config.evaluation.robustness:
            found = robustness(run, replace(scoring, versions=tuple(versions)), pairs)
            found.write(run.folder)
            results = replace(results, robustness=found)
        compared = ClipScorer(replace(scoring, versions=tuple(versions)))
        by_name = {pair.name: pair for pair in pairs}
        save_listening(run.folder, compared, clips, by_name)
        wanted = {"inputs": run.config.evaluation.gen_npy_input, "outputs": run.config.evaluation.gen_npy_output}
        if any(wanted.values()):
            save_arrays(run.folder, compared, (by_name[clip.name] for clip in clips), **wanted)
    _log_results(run, results, versions, means, path)
    return results


def _versions_to_score(run: Run, scratch: Path, pairs: Sequence[Pair]) -> tuple[list[RunModel], list[Version]]:
    """The run's models, and every way in which they are to be played; or recordings or a function in their place."""
    if (folder := run.config.model.denoised_path) is not None:
        test_set = test_pairs(run.config.dataset.model_copy(update={"num_test_samples": None}))
        source = check_recordings(folder, pairs, run.config.preprocessing.sample_rate, test_set)
        log_delays(source, pairs)
        return [], [recordings_version(source, run.config)]
    if run.config.model.function is None:
        models = models_of(run, scratch)
        return models, versions_of(models, run.config)
    return [], [function_version(FunctionSource(run.config.model.function, run.function), run.config)]


def _scoring(config: Config, versions: Sequence[Version], pairs: Sequence[Pair]) -> Scoring:
    return Scoring(
        versions=tuple(versions),
        stft=stft_of(config.preprocessing),
        sample_rate=config.preprocessing.sample_rate,
        metrics=tuple(map(absolute_reference, metrics_to_score(config, pairs))),
        peak_normalize=config.preprocessing.peak_normalize,
        noisy_scores=default_folder() if config.evaluation.remember_noisy_scores else None,
    )


def _score_pairs(run: Run, scoring: Scoring, pairs: Sequence[Pair]) -> tuple[list[ClipScores], dict[str, str]]:
    """The clips' scores in the order of the pairs, and the clips that were left out with the reasons."""
    outcomes = outcomes_of(run, scoring, pairs, SCORED_CLIPS, "scoring")
    found = {index: clip for index, clip in outcomes.items() if isinstance(clip, ClipScores)}
    left_out = {index: clip for index, clip in outcomes.items() if isinstance(clip, BadClipError)}
    log_skipped_clips([left_out[index] for index in sorted(left_out)], len(pairs))
    return [found[index] for index in sorted(found)], {pairs[index].name: left_out[index].reason for index in left_out}


def _log_results(
    run: Run, results: Evaluation, versions: Sequence[Version], means: Mapping[str, Mapping[str, Mean]], path: Path
) -> None:
    for line in _missing_scores(results):
        log.warning("%s", line)
    for advice in results.look_ahead:
        is_small = advice.cost is not None and gain(advice.cost, advice.metric) <= margin(advice.metric)
        log.log(logging.INFO if is_small else logging.WARNING, "%s", advice.told)
    for gate in results.silence_gate:
        log.warning("%s", gate.told)
    metric = next(iter(results.reference.means), None)
    explained = bool(results.cost_of_board_settings)
    for loss in board_losses(versions, results.scores, means, metric, explained=explained):
        log.warning("%s", loss)
    for line in results.robustness.warnings if results.robustness else ():
        log.warning("%s", line)
    log.info("scores of every clip: %s", display_path(path))
    run.tracker.metrics(
        {f"{name}_{metric}": mean.value for name, of_version in means.items() for metric, mean in of_version.items()}
    )
    run.tracker.artifact(path, "evaluation")


def _missing_scores(results: Evaluation) -> Iterator[str]:
    """Yield the missing scores, one line per metric and version, with the first clip and the reason."""
    clips: dict[tuple[str, str], list[tuple[str, str]]] = defaultdict(list)
    for each in results.not_scored:
        clips[each.version, each.metric].append((each.clip, each.reason))
    for (version, metric), found in clips.items():
        name, reason = found[0]
        yield (
            f"{facts_of_metric(metric).label} of {version}: {len(found)} of {pluralize(results.clips, 'clip')} could "
            f"not be scored and are left out of its means, {name} for example: {reason}"
        )
