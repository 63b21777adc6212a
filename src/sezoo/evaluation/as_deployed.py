"""The cost of deployment in scores: a look-ahead that is too short for the model, and each of the board's settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sezoo.base.text import pluralize
from sezoo.config.metric_facts import facts_of_metric
from sezoo.denoising import Board, Patches, WholeClip, silence_threshold
from sezoo.denoising.run_models import RunModel
from sezoo.denoising.silence_gate import MutedFrames, gate_warning
from sezoo.evaluation.scoring import ScoredClip
from sezoo.evaluation.versions import Version
from sezoo.models.input_quantizer import input_quantizer_of
from sezoo.models.onnx_file import load_onnx, quantized_nodes
from sezoo.models.source import OnnxSource
from sezoo.models.states import with_states
from sezoo.results.evaluation_parts import LookAhead, SettingCost, SilenceGate
from sezoo.results.margins import is_worse
from sezoo.results.scores import NOISY, ClipScores, Mean, change

__all__ = [
    "BoardLoss",
    "board_losses",
    "gate_losses",
    "incompatible_boards",
    "lookahead_advice",
    "setting_costs",
]


@dataclass(frozen=True)
class BoardLoss:
    """A version as the board runs it that is clearly worse than the first one.

    Attributes
    ----------
    loss : the metric on the board minus that of the first version.
    below_noisy : whether the mean is even worse than that of the noisy clips.
    explained : whether each of the board's settings was scored.
    """

    label: str
    first: str
    metric: str
    loss: Mean
    below_noisy: bool
    explained: bool

    def __str__(self) -> str:
        facts = facts_of_metric(self.metric)
        amount = facts.form.format(abs(self.loss.value))
        side = "below" if facts.higher_is_better else "above"
        text = f"{self.label}: {facts.label} is {amount} {side} {self.first}"
        if self.below_noisy:
            text += f", and {side} the noisy clips"
        if self.explained:
            return f"{text}; the table of the board's settings shows why"
        return f"{text}; evaluation.explain_deployment: True shows which of the board's settings cost it"


def board_losses(
    versions: Sequence[Version],
    clips: Sequence[ClipScores],
    means: Mapping[str, Mapping[str, Mean]],
    metric: str | None,
    *,
    explained: bool,
) -> list[BoardLoss]:
    """The versions on the board that lose more than the margin of the first metric that was scored, for certain."""
    first, found = versions[0], []
    for version in versions[1:]:
        if not metric or not isinstance(version.play, Board) or metric not in means[version.name]:
            continue
        loss = change(clips, version.name, first.name, metric)
        if loss is None or loss.clips < 2 or not is_worse(loss, metric):
            continue
        sign = 1 if facts_of_metric(metric).higher_is_better else -1
        noisy = means[NOISY].get(metric)
        below = noisy is not None and sign * (means[version.name][metric].value - noisy.value) < 0
        found.append(BoardLoss(version.label, first.label, metric, loss, below, explained))
    return found


def lookahead_advice(
    models: Sequence[RunModel], versions: Sequence[Version], clips: Sequence[ClipScores], metric: str | None
) -> list[LookAhead]:
    """Return advice on the look-ahead of each model that runs in patches.

    Parameters
    ----------
    metric : metric of the reported loss; None if nothing was scored.
    """
    found = []
    for model in models:
        played = [version for version in versions if version.model == model.name]
        in_patches = [version for version in played if isinstance(version.play, Patches)]
        # Patches before the board, which has other costs as well.
        patches = min(in_patches, key=lambda version: isinstance(version.play, Board), default=None)
        if patches is None or patches.play.lookahead >= model.needed_lookahead:
            continue
        whole = next((version for version in played if isinstance(version.play, WholeClip)), None)
        play, needed, cost = patches.play, model.needed_lookahead, None
        if metric and whole and not isinstance(play, Board):
            cost = change(clips, whole.name, patches.name, metric)
        length = play.frames + 2 * needed
        found.append(
            LookAhead(
                model=model.name,
                frames=play.frames,
                lookahead=play.lookahead,
                needed=needed,
                metric=metric,
                cost=cost,
                static_length=length,
                told=f"{model.name}: a look-ahead of {pluralize(play.lookahead, 'frame')} is less than the {needed} "
                f"that the model's receptive field needs{_cost_text(metric, cost)}: lookahead_frames: {needed} with "
                f"static_sequence_length: {length} is the shortest setting that covers it, for the same "
                f"{pluralize(play.frames, 'new frame')}",
            )
        )
    return found


def _cost_text(metric: str | None, cost: Mean | None) -> str:
    if cost is None:
        return ""
    facts = facts_of_metric(metric)
    if (cost.value > 0) != facts.higher_is_better:
        return "; on these clips it costs nothing"
    return f"; in patches it loses {facts.form.format(abs(cost.value))} {facts.label} here"


def gate_losses(versions: Sequence[Version], clips: Sequence[ScoredClip]) -> list[SilenceGate]:
    """Return, for each version with a silence gate, the share of speech that the gate mutes."""
    found = []
    for version in versions:
        if (threshold := silence_threshold(version.play)) is None:
            continue
        muted = sum((clip.muted[version.name] for clip in clips), MutedFrames())
        warning = gate_warning(threshold, muted, f"{version.label}, {pluralize(len(clips), 'clip')}")
        found.append(
            SilenceGate(
                version=version.name,
                threshold_dbfs=threshold,
                muted_share=muted.share,
                of_speech=muted.of_speech,
                told=warning,
            )
        )
    return found


def incompatible_boards(versions: Sequence[Version]) -> list[str]:
    """Return messages on versions for the STM32N6 whose int8 model ST's application cannot run.

    The application rounds the magnitudes to int8 itself. A model that first computes something of them in float is
    scored all the same, for what the framing, the input gain and the silence gate do to it.
    """
    found = []
    for version in versions:
        is_application = isinstance(version.play, Board) and version.play.half_away
        if not is_application or not isinstance(version.source, OnnxSource):
            continue
        model = load_onnx(version.source.path)
        quantizer = input_quantizer_of(with_states(model, version.source.states))
        is_int8 = quantizer is not None and (quantizer.low, quantizer.high) == (-128, 127)
        if quantized_nodes(model) and not is_int8:
            name = (version.source.display_name or version.source.path).name
            found.append(
                f"{version.label}: ST's application for the STM32N6 cannot run {name}, which does not begin with one "
                "int8 tensor; quantization.target: stm32n6 makes a model that it can run"
            )
    return found


def setting_costs(
    explaining: Sequence[Version], clips: Sequence[ClipScores], metrics: Sequence[str]
) -> list[SettingCost]:
    """The costs of the settings that `explaining_versions` turned off."""
    found = []
    for version in explaining:
        board, _, setting = version.name.partition(".")
        costs = {metric: change(clips, version.name, board, metric) for metric in metrics}
        found.append(SettingCost(version.model, setting, {m: cost for m, cost in costs.items() if cost is not None}))
    return found
