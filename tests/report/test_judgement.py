"""The judgement that a page begins with: what int8 and a device cost, why, and whether the clips can tell."""

import dataclasses

import numpy as np
import pytest

from sezoo.report.judgement import judgement
from sezoo.results.evaluation import Evaluation
from sezoo.results.evaluation_parts import LookAhead, SettingCost, SilenceGate, VersionScores
from sezoo.results.quantization import Layer, LayerReport, StepOutcome, Weakness
from sezoo.results.run_record import RunRecord
from sezoo.results.run_results import RunFacts
from sezoo.results.scores import ClipScores, Mean

CLIPS = 40
LABELS = {
    "float": "float",
    "int8": "int8",
    "int8_board": "int8 (ST's N6 application)",
    "int8_stream": "int8 (C package)",
}
LIKE = {"int8_board": "board", "int8_stream": "stream"}


def mean(value, spread=0.01):
    return Mean(value, value - spread, value + spread, CLIPS)


def evaluation(changes, *, clips=CLIPS, spread=0.01, metric="pesq", more=None, **fields):
    """Scores whose means differ by `changes`, from the noisy clips (float) or from float (the others)."""
    rng = np.random.default_rng(3)
    noise = {name: rng.normal(0, spread, clips) if clips > 1 else [0.0] for name in changes}
    noise = {name: values - np.mean(values) for name, values in noise.items()}
    base = {name: 2.0 + (0 if name == "float" else changes["float"]) for name in changes}
    scores = [
        ClipScores(
            f"{index}.wav", 3.0,
            {"noisy": {metric: 2.0}}
            | {name: {metric: base[name] + changes[name] + noise[name][index], **(more or {}).get(name, {})}
               for name in changes},
        )
        for index in range(clips)
    ]  # fmt: skip
    versions = [
        VersionScores(name, LABELS[name], "m.onnx", {"like": LIKE.get(name, "whole")}, name, {metric: mean(2.0)}, {})
        for name in changes
    ]
    return Evaluation(
        clips=clips, seconds=1.0, metrics=(metric, *(("si_snr",) if more else ())), noisy={metric: mean(2.0)},
        versions=versions, scores=scores, **fields,
    )  # fmt: skip


@pytest.fixture
def judged(tmp_path):
    facts = RunFacts(tmp_path, {}, "", RunRecord(), {}, {}, None, None, None, None, None, None, ())
    return lambda found=None, layers=None: judgement(dataclasses.replace(facts, evaluation=found, quantization=layers))


def test_int8_as_good_and_a_board_that_loses_to_its_silence_gate(judged):
    costs = [
        SettingCost("int8", "rounding", {"pesq": mean(0.001, 0.002)}),
        SettingCost("int8", "silence gate", {"pesq": mean(0.065)}),
    ]
    told = judged(evaluation({"float": 0.5, "int8": -0.002, "int8_board": -0.07}, cost_of_board_settings=costs))
    good, bad = told.split(". ", 1)
    assert good.startswith("Int8 is as good as float: PESQ −0.002 (95 % interval −0.00")  # noqa: RUF001
    assert bad.startswith("ST's N6 application loses 0.068 PESQ against int8 on a PC (95 % interval −0.07")  # noqa: RUF001
    assert bad.endswith("): the silence gate (0.065).")


def test_causes_that_were_found_without_explaining(judged):
    changes = {"float": 0.5, "int8": 0.0, "int8_board": -0.2}
    found = evaluation(changes)
    assert "; --explain-deployment measures" in judged(found)
    short = LookAhead(model="int8", frames=30, lookahead=5, needed=14, told="")
    assert judged(dataclasses.replace(found, look_ahead=[short])).endswith(
        ": a look-ahead of 5 frames where the network needs 14."
    )
    gate = SilenceGate(version="int8_board", threshold_dbfs=-50.0, muted_share=0.12, told="")
    told = judged(dataclasses.replace(found, look_ahead=[short], silence_gate=[gate]))
    assert told.endswith(": the silence gate mutes 12 % of the frames with speech.")


def test_int8_that_loses_names_what_is_rounded_worst(judged):
    worst = Weakness("/net/conv", what="weights", made_by="Conv", sqnr=17.8)
    found = evaluation({"float": 0.5, "int8": -0.2, "int8_stream": -0.2})
    told = judged(found, LayerReport(worst=(worst,)))
    assert told.startswith("Int8 loses 0.200 PESQ against float (95 % interval ")
    cause = "): the weights of '/net/conv' (Conv) are rounded worst, 18 dB SQNR"
    assert f"{cause}; quantization.accuracy_recovery: auto may win it back. The C package is as good as int8" in told
    assert f"{cause}. The" in judged(found, LayerReport(worst=(worst,), steps=(StepOutcome("ranges"),)))


def test_a_network_that_does_no_good_is_told(judged):
    told = judged(evaluation({"float": -0.01, "int8": 0.0}))
    assert "Float does not improve on the noisy recordings, PESQ −0.010 (" in told  # noqa: RUF001
    assert judged(evaluation({"float": 0.5})).startswith("Float is better than the noisy recordings: PESQ +0.500 (")
    assert "noisy" not in judged(evaluation({"float": 0.5, "int8": 0.0}))


def test_few_and_noisy_clips_decide_nothing(judged):
    told = judged(evaluation({"float": 0.03}, clips=4, spread=0.4))
    assert told.startswith("Whether float improves on the noisy recordings cannot be told from 4 clips: PESQ +0.030 (")
    assert "does not improve" in judged(evaluation({"float": 0.0}))
    told = judged(evaluation({"float": 0.5, "int8": -0.03}, clips=4, spread=0.4))
    assert told.startswith("Whether int8 is as good as float cannot be told from 4 clips: PESQ −0.030 (")  # noqa: RUF001
    assert "single clip" in judged(evaluation({"float": 0.5, "int8": -0.3}, clips=1))


def test_a_loss_by_another_metric_is_not_hidden(judged):
    more = {"float": {"si_snr": 16.0}, "int8": {"si_snr": 14.5}}
    told = judged(evaluation({"float": 0.5, "int8": 0.0}, more=more))
    assert told.startswith("Int8 is as good as float by PESQ 0.000 (") and ", but loses 1.50 dB of SI-SNR" in told


@pytest.mark.parametrize("others", [{}, {"int8": 0.0}])
def test_a_network_that_loses_against_noisy_by_another_metric_says_so(judged, others):
    more = {"float": {"si_snr": 7.3}, "int8": {"si_snr": 7.3}}
    found = evaluation({"float": 0.5, **others}, more=more)
    for clip in found.scores:
        clip.scores["noisy"]["si_snr"] = 11.4
    told = judged(found)
    assert "Float is better than the noisy recordings by PESQ +0.500 (" in told
    assert ", but loses 4.10 dB of SI-SNR." in told


def test_the_squared_error_is_no_loss_beside_a_ratio(judged):
    more = {"float": {"si_snr": 16.0, "mse": 1e-4}, "int8": {"si_snr": 15.9, "mse": 2e-4}}
    found = evaluation({"float": 0.5, "int8": 0.0}, more=more)
    assert "MSE" in judged(dataclasses.replace(found, metrics=("pesq", "mse")))
    assert "but loses" not in judged(dataclasses.replace(found, metrics=("pesq", "si_snr", "mse")))


def test_less_is_better_of_an_error(judged):
    found = evaluation({"float": -0.5, "int8": 0.2}, metric="mse")
    assert judged(found).startswith("Int8 is worse than float: MSE +2.00e-01 (") and "improve" not in judged(found)


@pytest.mark.parametrize(("closeness", "word"), [(60.0, "close to"), (30.0, "near"), (12.0, "far from")])
def test_without_scores_the_output_decides(judged, closeness, word):
    told = judged(layers=LayerReport(closeness=closeness))
    assert told.startswith(f"Int8 is {word} float: SI-SNR of the int8 output to the float output is {closeness:.1f} dB")


def test_a_model_that_stays_mostly_in_float_is_told(judged):
    layers = (Layer("node", "Einsum", "float", macs=100.0),)
    report = LayerReport(closeness=60.0, layers=layers, macs_shares={"float": 0.62, "int8": 0.38})
    assert judged(layers=report).endswith("62 % of the multiply-accumulates stay in float, which no chip gains from.")
    assert "float, which" not in judged(layers=dataclasses.replace(report, macs_shares={"float": 0.38}))


def test_nothing_measured_is_nothing_said(judged):
    assert judged() == "" and judged(layers=LayerReport()) == ""


def test_recordings_have_the_name_of_their_folder(judged):
    found = evaluation({"float": 0.0})
    version = dataclasses.replace(found.versions[0], name="recordings", label="rnnoise")
    scores = [
        dataclasses.replace(clip, scores={**clip.scores, "recordings": clip.scores["float"]}) for clip in found.scores
    ]
    told = judged(dataclasses.replace(found, versions=[version], scores=scores))
    assert told.startswith("'rnnoise' does not improve on the noisy recordings, PESQ 0.000 (") and told.endswith(").")
