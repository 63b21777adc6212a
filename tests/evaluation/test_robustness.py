"""The robustness bench: scores in every condition, the warnings, the file, the table and the section of the page."""

import json
import logging
import re

import numpy as np
import pytest
import soundfile

from builders import evaluation_config, noise, write_clips, write_model
from sezoo.base.errors import UserError
from sezoo.config.validation import build_config
from sezoo.evaluation.conditions import CONDITIONS
from sezoo.evaluation.service import check_evaluation, evaluate
from sezoo.report.page import report_of
from sezoo.report.robustness_table import print_robustness
from sezoo.results.robustness import ConditionScores, Robustness
from sezoo.results.scores import NOISY
from sezoo.run.run import Run
from sezoo.run.tracking import Trackers


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A working directory with a model and three pairs, and `run(**changes)` for the run of an evaluation in out/."""
    monkeypatch.chdir(tmp_path)
    write_model(tmp_path / "model.onnx")
    write_clips(tmp_path / "clean", "a.wav b.wav c.wav")
    (tmp_path / "noisy").mkdir()
    for index, path in enumerate(sorted((tmp_path / "clean").iterdir())):
        wave = soundfile.read(path, dtype="float32")[0] + 0.2 * noise(0.5, seed=100 + index)
        soundfile.write(tmp_path / "noisy" / path.name, wave, 16000, subtype="FLOAT")

    def make(**changes):
        evaluation = {"metrics": ["si_snr", "stoi"], "robustness": True, **changes.pop("evaluation", {})}
        return Run(build_config(evaluation_config(evaluation=evaluation, **changes)), tmp_path / "out", Trackers())

    return make


def condition(name="level_65", label="-65 dBFS", noisy=(1.7, 0.91), made=(1.1, 0.7), is_clean=False):
    scores = [dict(zip(("pesq", "stoi"), each, strict=True)) for each in (noisy, made)]
    return ConditionScores(name, label, 3, is_clean, scores[0], {"float": {**scores[1], "speech_cut": 0.25}}, {})


def bench(*conditions):
    return Robustness({"float": "float"}, 3, 40, conditions)


# -- the service -----------------------------------------------------------------------------------------------------


def test_every_condition_is_scored_and_written(run, tmp_path, caplog):
    with caplog.at_level(logging.INFO, "sezoo"):
        results = evaluate(run())
    found = results.robustness
    assert [each.name for each in found.conditions] == list(CONDITIONS)
    assert {each.clips for each in found.conditions} == {3} and (found.clips, found.of_clips) == (3, 3)
    as_recorded = found.conditions[0]
    for version, scores in ((NOISY, as_recorded.noisy), ("float", as_recorded.versions["float"])):
        for metric in ("si_snr", "stoi"):
            assert scores[metric] == pytest.approx(results.means[version][metric].value, rel=1e-6)
    by_name = {each.name: each for each in found.conditions}
    # A model that knows no level gives the same at every one; more noise is worse.
    assert by_name["level_25"].noisy["si_snr"] == pytest.approx(as_recorded.noisy["si_snr"], abs=1e-3)
    snrs = [by_name[f"snr_{snr}"].noisy["si_snr"] for snr in (0, 5, 10, 15, 20)]
    np.testing.assert_allclose(np.diff(snrs), 5, atol=0.1)
    assert by_name["clean"].noisy["stoi"] == pytest.approx(1) and "si_snr" not in by_name["clean"].noisy
    assert 0 <= as_recorded.versions["float"]["speech_cut"] <= 1
    assert set(as_recorded.stoi_below) == {"float"}

    written = json.loads((tmp_path / "out" / "robustness.json").read_text(encoding="utf-8"))
    assert written["warnings"] == found.warnings and len(written["conditions"]) == 17
    assert Robustness.read(tmp_path / "out") == found


def test_the_same_with_several_processes(run):
    one, two = (evaluate(run(evaluation={"num_workers": workers})).robustness for workers in (1, 2))
    assert one == two


def test_it_is_off_unless_it_is_asked_for(run, tmp_path):
    assert evaluate(run(evaluation={"robustness": False})).robustness is None
    assert not (tmp_path / "out" / "robustness.json").exists()


@pytest.mark.parametrize("start", [evaluate, lambda run: check_evaluation(run.config)], ids=["first", "in a chain"])
def test_clean_speech_is_needed(run, tmp_path, start):
    with pytest.raises(UserError, match=r"evaluation\.robustness: its conditions are made of clean speech"):
        start(run(dataset={"clean_test_files_path": None}, evaluation={"metrics": None}))
    assert not (tmp_path / "out").exists()


# -- what is worse ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("made", "worse"),
    [
        ((1.69, 0.91), []),
        ((1.67, 0.91), ["pesq"]),
        ((2.5, 0.906), []),
        ((2.5, 0.904), ["stoi"]),
        ((1.1, 0.7), ["pesq", "stoi"]),
    ],
)
def test_how_much_counts_as_worse(made, worse):
    assert condition(made=made).worse("float") == worse


def test_a_line_for_each_version_that_is_worse_somewhere():
    good, bad = condition("clipped", "clipped", made=(2.0, 0.93)), condition()
    clean = condition("clean", "clean speech", noisy=(4.64, 1.0), made=(4.3, 0.98), is_clean=True)
    assert bench(good, clean).warnings == []  # nothing can be better than clean speech
    assert bench(good, clean, bad).warnings == [
        "float makes clips worse than they were: -65 dBFS (PESQ 1.100 instead of 1.700, STOI 0.7000 instead of 0.9100)"
    ]


# -- files, terminal, page -------------------------------------------------------------------------------------------


def test_a_file_that_is_torn_is_told(tmp_path):
    assert Robustness.read(tmp_path) is None
    for text in ("{", "[]", '{"clips": 3}', '{"clips": 3, "of_clips": 3, "labels": [], "conditions": {}}'):
        (tmp_path / "robustness.json").write_text(text, encoding="utf-8")
        with pytest.raises(UserError, match=r"robustness\.json: .*(JSON|object|not what sezoo writes)"):
            Robustness.read(tmp_path)


def test_the_table_fits_a_terminal(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "80")
    names = [(each.name, each.label) for each in CONDITIONS.values()]
    full = [condition(*name) for name in names]
    for each in full:
        each.noisy["si_snr"], each.versions["float"]["si_snr"] = -1.46, 12.34
    print_robustness(bench(*full))
    said = capsys.readouterr().out
    lines = said.splitlines()
    assert "robustness of float, 3 test clips, drawn from 40" in lines[0]
    assert max(map(len, (line.rstrip() for line in lines))) <= 80
    assert all(any(line.strip().startswith(label) for line in lines) for _, label in names)
    assert re.search(r"-65 dBFS +1\.700 +1\.100 +0\.9100 +0\.7000 +-1\.46 +12\.34 +25 %", said)


def test_the_section_of_the_page(tmp_path):
    (tmp_path / "resolved_config.yaml").write_text("operation_mode: evaluation\n", encoding="utf-8")
    bench(condition(), condition("clipped", "clipped", made=(2.0, 0.93))).write(tmp_path)
    page = report_of(tmp_path).read_text(encoding="utf-8")
    assert 'id="robustness"' in page and "float makes clips worse than they were: -65 dBFS" in page
    assert "PESQ in each condition" in page and "STOI in each condition" in page
    assert "float: -65 dBFS 1.100 (1.700 noisy); clipped 2.000 (1.700 noisy)." in page  # for those who do not see it
    assert "drawn from 40" in page and "25 %" in page
