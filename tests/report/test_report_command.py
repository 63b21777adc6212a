import json
import logging
import re
import sys
from pathlib import Path

import pytest
import yaml

from sezoo.base.errors import UserError
from sezoo.cli import report as report_command
from sezoo.cli.parser import Parser
from sezoo.report.run_report import write_run_report


@pytest.fixture
def report(monkeypatch, tmp_path, capsys):
    """Call the command in an empty folder: what it prints."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    parser = Parser("sezoo report")
    report_command.add_arguments(parser)

    def call(*words):
        report_command.run(parser.parse_args([str(word) for word in words]))
        return capsys.readouterr().out

    return call


@pytest.fixture
def two_runs(bare_run, tmp_path, writers):
    """Runs that differ in what int8 scored, and in a key of their YAML."""
    other = tmp_path / "other <run>"
    other.mkdir()
    config = yaml.safe_load((bare_run / "resolved_config.yaml").read_text(encoding="utf-8"))
    config["quantization"]["calibration_method"] = "Percentile"
    (other / "resolved_config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    writers["evaluation"](bare_run)
    writers["evaluation"](other, int8=1.95)
    writers["quantization"](other)
    return bare_run, other


def test_the_page_of_a_run_is_made_again(report, bare_run):
    (bare_run / "report.html").write_text("old", encoding="utf-8")
    assert report(bare_run).endswith("report.html\n")
    assert "How it was made" in (bare_run / "report.html").read_text(encoding="utf-8")


def test_a_run_is_not_the_best_by_a_metric_that_no_other_has(report, two_runs, tmp_path):
    (two_runs[1] / "evaluation.json").unlink()
    report(*two_runs)
    page = (tmp_path / "here" / "report.html").read_text(encoding="utf-8")
    assert "No metric was scored in more than one of these runs; PESQ of" in page
    assert "has the best PESQ" not in page


def test_scripts_get_the_path_of_the_page(report, bare_run):
    assert json.loads(report(bare_run, "--json")) == {"report": (bare_run / "report.html").as_posix()}


def test_two_runs_are_compared(report, two_runs, tmp_path):
    assert report(*two_runs) == "report.html\n"
    page = (tmp_path / "here" / "report.html").read_text(encoding="utf-8")
    assert re.findall(r'<section id="(\w+)"', page) == ["verdicts", "scores", "costs", "differences"]
    assert "other &lt;run&gt;" in page
    assert "other <run>" not in page
    assert "has the best PESQ, 1.700 (int8 on the board)" in page
    differences = page[page.index('<section id="differences"') :]
    assert "quantization.<wbr>calibration_<wbr>method" in differences
    assert "Percentile" in differences
    assert "random_seed" not in differences


def test_runs_with_the_same_name_and_configuration_are_told_apart(report, bare_run, tmp_path):
    (tmp_path / "x").mkdir()
    twin = bare_run.rename(tmp_path / "x" / "run")
    bare_run.mkdir()
    (bare_run / "resolved_config.yaml").write_bytes((twin / "resolved_config.yaml").read_bytes())
    report(bare_run, twin, "-o", "page.html")
    page = (tmp_path / "here" / "page.html").read_text(encoding="utf-8")
    assert "x/run" in page
    assert "None: the configurations are the same." in page


def test_a_page_that_is_there_is_not_replaced_unasked(report, two_runs, tmp_path):
    mine = tmp_path / "here" / "report.html"
    mine.write_text("mine", encoding="utf-8")
    with pytest.raises(UserError, match=r"report\.html already exists; .* --overwrite"):
        report(*two_runs)
    with pytest.raises(UserError, match="already exists"):
        report(two_runs[0], "-o", "report.html")
    assert mine.read_text(encoding="utf-8") == "mine"
    report(*two_runs, "--overwrite")
    assert mine.read_text(encoding="utf-8") != "mine"


def test_folders_are_no_pages_and_no_runs(report, bare_run, tmp_path):
    with pytest.raises(UserError, match=r"-o: .* is a folder; name the file"):
        report(bare_run, "-o", tmp_path)
    with pytest.raises(UserError, match="the folder of a run is expected"):
        report(bare_run, tmp_path / "here")


class Run:
    """Of a run what the hook needs."""

    def __init__(self, folder):
        self.folder, self.tracked = folder, []
        self.tracker = self

    def artifact(self, path, folder):
        self.tracked.append((path.name, folder))


def test_a_run_gets_its_report_which_is_told_and_tracked(bare_run, caplog):
    run = Run(bare_run)
    with caplog.at_level(logging.INFO, "sezoo"):
        path = write_run_report(run)
    assert path == bare_run / "report.html"
    assert run.tracked == [("report.html", "report")]
    assert "report.html" in caplog.text
    assert "numpy" in (bare_run / "environment.json").read_text(encoding="utf-8")
    assert "onnxruntime" in path.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("program", "told"),
    [("/bin/sezoo", "sezoo quantize"), ("/x/__main__.py", "python -m sezoo quantize"), ("ipy", None)],
)
def test_the_command_and_where_it_was_called_are_told(bare_run, monkeypatch, program, told):
    monkeypatch.setattr(sys, "argv", [program, "quantize", "model.onnx", "--data=noisy"])
    page = write_run_report(Run(bare_run)).read_text(encoding="utf-8")
    assert ("--data=noisy" in page) == (told is not None)
    if told:
        assert f"{told} model.onnx --data=noisy" in page
        assert str(Path.cwd()) in page
    assert "numpy" in page  # with the versions, which the command is not among
    assert ", command" not in page


@pytest.mark.parametrize(("level", "has_trace"), [(logging.INFO, False), (logging.DEBUG, True)])
def test_a_report_that_fails_does_not_fail_the_run(bare_run, caplog, monkeypatch, level, has_trace):
    def broken(folder):
        raise ZeroDivisionError("a bug in a figure")

    monkeypatch.setattr("sezoo.report.page.report_of", broken)
    run, shown = Run(bare_run), logging.NullHandler(level)
    logging.getLogger("sezoo").addHandler(shown)  # as --debug adds one
    with caplog.at_level(level, "sezoo"):
        assert write_run_report(run) is None
    assert "no report: a bug in a figure" in caplog.text
    assert ("Traceback" in caplog.text) == has_trace
    assert run.tracked == []
