import io
import json
import logging
import os
import sys

import pytest

from sezoo.base.errors import UserError
from sezoo.config.sections_board import STEdgeAI
from sezoo.targets.stedgeai.cloud import Patience
from sezoo.targets.stedgeai.measure import check_measurable, measure
from st_cloud import C_INFO, PASSWORD, USER, Clock, connected_cloud

BOARD = "STM32N6570-DK"
POLL = r"^/api/benchmark/benchmark/b\d+$"

PROGRAM = """#!/bin/sh
exec "{python}" -c '
import json, pathlib, sys
if sys.argv[1] == "--version":
    print("ST Edge AI Core v2.0.0")
else:
    folder = pathlib.Path(sys.argv[sys.argv.index("--output") + 1])
    (folder / "network_report.json").write_text(json.dumps({{"rom_size": 7, "ram_size": 5, "rom_n_macc": 3}}))
' "$@"
"""


@pytest.fixture
def cloud(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", os.pathsep.join(["/usr/bin", "/bin"]))
    monkeypatch.delenv("STM32_AI_EXE", raising=False)
    with connected_cloud(monkeypatch, tmp_path) as cloud:
        yield cloud


@pytest.fixture
def program(tmp_path):
    if os.name == "nt":
        pytest.skip("the stand-in for the program is a shell script")
    path = tmp_path / "stedgeai"
    path.write_text(PROGRAM.format(python=sys.executable), encoding="utf-8")
    path.chmod(0o755)
    return path


@pytest.fixture
def measured(tmp_path):
    """Measure a model; keys of tools.stedgeai come with the call."""
    (tmp_path / "model.onnx").write_bytes(b"ONNX")
    clock = Clock()

    def call(request=5, **settings):
        patience = Patience(request=request, upload=request, sleep=clock.sleep, clock=clock)
        return measure(tmp_path / "model.onnx", BOARD, STEdgeAI(**settings), tmp_path / "run", patience)

    return call


def kept(tmp_path):
    return sorted(path.name for path in (tmp_path / "run").glob("*"))


def test_the_benchmark_is_the_first_choice(cloud, measured, tmp_path, caplog):
    found = measured(optimization="time")
    assert (found.obtained, found.tool_version, found.milliseconds) == ("cloud benchmark", "10.0.0", 53.76)
    assert (found.flash_bytes, found.ram_bytes, found.macs) == (1050, 500, 1000)
    assert cloud.arguments["benchmark"]["optimization"] == "time" and "analyze" not in cloud.arguments
    assert list(cloud.sent_models.values()) == [b"ONNX"] and cloud.models == {}
    assert kept(tmp_path) == ["cloud_benchmark.json"]
    assert json.loads((tmp_path / "run" / "cloud_benchmark.json").read_text(encoding="utf-8"))["state"] == "done"
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_a_benchmark_without_a_time_is_told(cloud, measured, caplog):
    cloud.states[:] = [{"state": "done", "info": {"memory_footprint": C_INFO["memory_footprint"]}}]
    found = measured()
    assert (found.obtained, found.milliseconds) == ("cloud benchmark", None)
    assert "the answer has no time in it" in caplog.text


@pytest.mark.parametrize(
    "states, reason",
    [
        ([{"state": "error", "message": "flashing failed"}], "flashing failed"),
        (["in_queue"], "not done within 2500 s"),
        ([{"state": "done"}], "found no report of ST Edge AI"),
        ([{"state": "done", "memory_footprint": {"weights": "?"}}], 'weights: found "?"'),
    ],
)
def test_the_analysis_is_the_second(cloud, measured, tmp_path, caplog, states, reason):
    cloud.states[:] = states
    found = measured()
    assert (found.obtained, found.milliseconds, found.macs) == ("cloud analyze", None, 1000)
    assert len(cloud.sent_models) == 1 and cloud.models == {}
    assert kept(tmp_path) == ["cloud_analyze.json"]
    (warning,) = [record.message for record in caplog.records if "no result" in record.message]
    assert warning.startswith("cloud benchmark: no result: ") and reason in warning


def test_a_board_that_the_cloud_has_not_is_analysed(cloud, measured):
    del cloud.boards[BOARD]
    assert measured().obtained == "cloud analyze"


def test_the_program_is_the_third(cloud, measured, program, tmp_path, caplog):
    cloud.states[:] = cloud.run_states[:] = [{"state": "error", "message": "out of order"}]
    found = measured(path_to_stedgeai=str(program))
    assert (found.obtained, found.tool_version, found.flash_bytes) == ("local generate", "2.0.0", 7)
    assert [record.message.split(":")[0] for record in caplog.records if "no result" in record.message] == [
        "cloud benchmark",
        "cloud analyze",
    ]
    assert cloud.models == {}


@pytest.mark.parametrize("answer", [404, 500, b"garbage", "silence"])
def test_without_the_cloud_there_is_the_program(cloud, measured, program, caplog, answer):
    cloud.fails("GET", "versions.json", answer)
    found = measured(path_to_stedgeai=str(program), request=0.6 if answer == "silence" else 5)
    assert found.obtained == "local generate" and "cloud: no result: " in caplog.text
    assert not any(method == "POST" for method, _, _ in cloud.asked)


def test_with_on_cloud_off_the_cloud_is_not_asked(cloud, measured, program, tmp_path):
    found = measured(on_cloud=False, path_to_stedgeai=str(program))
    assert found.obtained == "local generate" and cloud.asked == []
    assert kept(tmp_path) == ["network_report.json", "stedgeai_generate.log", "stedgeai_version.log"]


@pytest.mark.parametrize("answer", [401, 404, 500, b"garbage", "silence"])
@pytest.mark.parametrize(
    "method, path", [("GET", "versions.json"), ("POST", "login/callback"), ("POST", "files/models"), ("GET", POLL)]
)
def test_if_all_fail_one_message_says_what_each_said(cloud, measured, tmp_path, method, path, answer):
    cloud.run_states[:] = [{"state": "error", "message": "analysis out of order"}]
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "cloud_benchmark.json").write_text("earlier", encoding="utf-8")
    cloud.fails(method, path, answer, ...)
    with pytest.raises(UserError) as caught:
        measured(request=0.6 if answer == "silence" else 5)
    message = str(caught.value)
    assert message.startswith(f"ST Edge AI cannot measure model.onnx for {BOARD}: cloud")
    assert "local generate: stedgeai was not found" in message and "\n" not in message
    assert ("analysis out of order" in message) == (path == POLL)
    assert kept(tmp_path) == ["cloud_benchmark.json"]
    assert (tmp_path / "run" / "cloud_benchmark.json").read_text(encoding="utf-8") == "earlier"
    assert not any(secret in message for secret in cloud.secrets)
    assert cloud.models == {} or answer == "silence"


def test_a_wrong_password_is_tried_once(cloud, measured, monkeypatch):
    monkeypatch.setenv("stmai_password", "wrong-word")
    with pytest.raises(UserError, match="does not accept the name and the password"):
        measured()
    assert cloud.count("POST", "^/idp/login") == 1 and cloud.count("DELETE", "") == 0


def test_an_interruption_is_no_reason_to_try_the_next(cloud, tmp_path):
    def interrupted(_):
        raise KeyboardInterrupt

    (tmp_path / "model.onnx").write_bytes(b"ONNX")
    with pytest.raises(KeyboardInterrupt):
        measure(tmp_path / "model.onnx", BOARD, STEdgeAI(), tmp_path / "run", Patience(sleep=interrupted))
    assert "analyze" not in cloud.arguments and cloud.models == {} and cloud.sent_models


def test_what_is_kept_and_logged_holds_no_secret(cloud, measured, tmp_path, caplog):
    caplog.set_level(logging.DEBUG)
    cloud.expire()
    token = {"state": "done", "info": C_INFO, "environment": {"password": PASSWORD}}
    cloud.states[:] = ["in_queue", token]
    cloud.fails("GET", POLL, 500, 401)
    measured()
    text = caplog.text + "".join(path.read_text(encoding="utf-8") for path in (tmp_path / "run").iterdir())
    assert '"password": "***"' in text and "status 500" in text
    assert len(cloud.issued) >= 5 and not any(secret in text for secret in [*cloud.secrets, USER])


def test_without_an_account_a_path_that_is_not_there_is_told_as_well(cloud, monkeypatch, tmp_path):
    monkeypatch.delenv("stmai_username")
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    placeholder = tmp_path / "<x.y>" / "stedgeai.exe"  # as in the model zoo's files, whose users have the cloud
    for path, words in (
        (placeholder, f"tools.stedgeai.path_to_stedgeai: {placeholder} is not there"),
        (None, "either"),
    ):
        with pytest.raises(UserError) as caught:
            check_measurable(STEdgeAI(path_to_stedgeai=path))
        assert "set stmai_username and stmai_password" in str(caught.value) and words in str(caught.value)
