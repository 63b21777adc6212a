import logging
import re

import pytest

from sezoo.base.errors import UserError
from sezoo.targets.stedgeai.cloud import Cloud, Patience, tool_arguments
from st_cloud import C_INFO, PASSWORD, Clock, connected_cloud

BENCHMARK_POLL, RUN_POLL = r"^/api/benchmark/benchmark/b\d+$", r"/stm32ai/run/\d+$"
N6 = "STM32N6570-DK"


@pytest.fixture
def cloud(monkeypatch, tmp_path):
    with connected_cloud(monkeypatch, tmp_path) as cloud:
        yield cloud


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def session(cloud, clock):
    """A client whose time passes only when it waits."""
    return Cloud(Patience(request=5, sleep=clock.sleep, clock=clock))


@pytest.fixture
def model(tmp_path):
    path = tmp_path / 'quantized "model" ü.onnx'
    path.write_bytes(b"\x08\x00ONNX\r\n--\xff")
    return path


def benchmark(session, board=N6):
    return session.benchmark(board, {"model": "m.onnx", **tool_arguments(board, "time")}, "10.0.0")


def test_versions(session, cloud, caplog):
    assert session.version("9.1.0") == "9.1.0" and caplog.text == ""
    assert session.version("7.0.0") == "10.0.0"  # the newest
    assert "found 7.0.0, which ST's developer cloud does not offer (but 9.1.0, 10.0.0): 10.0.0" in caplog.text
    assert cloud.bearers == [] and cloud.count("POST", "") == 0  # nobody had to log in for that


@pytest.mark.parametrize(
    "answer, words",
    [
        ([], "names none"),
        ({"a": 1}, "names none"),
        (b"<html>", "not answer with JSON"),
        (404, "answered 404 Not Found"),
        (500, "try again later"),
        ((302, "https://elsewhere.invalid/x?secret=1"), "it has moved to https://elsewhere.invalid/x"),
    ],
)
def test_versions_that_are_none(session, cloud, answer, words):
    cloud.fails("GET", "versions.json", answer)
    with pytest.raises(UserError) as caught:
        session.version("10.0.0")
    assert words in str(caught.value) and "secret" not in str(caught.value)


def test_a_model_is_there_as_long_as_it_is_needed(session, cloud, model):
    cloud.models["mine.onnx"] = b"a model of the user's own"
    with session.upload(model) as name:
        assert re.fullmatch(r"quantized__model____[0-9a-f]{12}\.onnx", name)
        assert cloud.models[name] == model.read_bytes()
        assert sorted(session.models()) == sorted(["mine.onnx", name])
    assert list(cloud.models) == ["mine.onnx"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, UserError, ZeroDivisionError])
def test_a_model_is_removed_whatever_happens(session, cloud, model, error):
    with pytest.raises(error), session.upload(model):
        raise error
    assert cloud.sent_models and not cloud.models


def test_a_model_that_cannot_be_removed_is_told(session, cloud, model, caplog):
    cloud.fails("DELETE", "models/", 500)
    with session.upload(model) as name:
        pass
    assert f"the model {name} stays in ST's developer cloud" in caplog.text


@pytest.mark.parametrize("status", [404, 413, 500])
def test_an_upload_that_is_refused(session, cloud, model, status):
    cloud.fails("POST", "files/models", status)
    with pytest.raises(UserError, match=f"upload of the model: .*answered {status}"), session.upload(model):
        pytest.fail("there is no model")
    assert cloud.count("DELETE", "") == 0


def test_an_upload_may_be_answered_with_nothing(session, cloud, model, caplog):
    cloud.fails("POST", "files/models", b"")
    with session.upload(model):
        pass
    assert "does not list the model that was sent to it" in caplog.text


def test_a_model_that_cannot_be_read(session, tmp_path):
    with pytest.raises(UserError, match="cannot read"), session.upload(tmp_path / "none.onnx"):
        pass


def test_a_benchmark_through_its_states(session, cloud, clock, caplog):
    caplog.set_level(logging.INFO)
    queue = [{"state": "in_queue", "position": place} for place in (2, 2, 1)]
    cloud.states[:-1] = ["waiting_for_build", *queue, "generating_sources", "building", "flashing", "validation"]
    assert benchmark(session)["benchmark"]["info"] == C_INFO
    told = [
        record.message.split(": ")[1].split(" (")[0] for record in caplog.records if ", benchmark: " in record.message
    ]
    assert told == [
        "waiting for build",
        "in queue, position 2",
        "in queue, position 1",
        "generating sources",
        "building",
        "flashing",
        "validation",
    ]
    assert clock.pauses == [5] * 8


def test_what_a_benchmark_is_asked_with(session, cloud):
    benchmark(session)
    assert cloud.count("POST", "/benchmark/stm32n6570-dk$") == 1
    assert cloud.arguments["benchmark"] == {
        "model": "m.onnx",
        "version": "10.0.0",
        "target": "stm32n6",
        "optimization": "time",
        "allocateInputs": True,
        "allocateOutputs": True,
        "stNeuralArt": "default",
        "atonnOptions": {"enable_epoch_controller": True},
    }
    benchmark(session, "STM32H747I-DISCO")
    assert cloud.arguments["benchmark"]["target"] == "stm32h7"
    assert not {"stNeuralArt", "atonnOptions"} & set(cloud.arguments["benchmark"])


@pytest.mark.parametrize("action", ["analyze", "generate", "validate"])
def test_a_run_of_the_tool(session, cloud, clock, model, action):
    with session.upload(model) as name:
        found = session.run(action, {"model": name, "optimization": "ram"}, "10.0.0")
    assert found["result"]["info"]["memory_footprint"] == C_INFO["memory_footprint"]
    assert cloud.arguments[action] == {"model": name, "optimization": "ram"} and clock.pauses == [2]


def test_an_answer_without_a_state_that_has_the_report_is_the_end(session, cloud):
    cloud.states[:] = [{"info": C_INFO}]
    assert benchmark(session) == {"info": C_INFO}


def test_a_board_that_the_cloud_has_not(session, cloud):
    with pytest.raises(UserError, match="it has no NUCLEO-F401RE, but STM32H747I-DISCO, STM32N6570-DK"):
        benchmark(session, "NUCLEO-F401RE")
    cloud.boards[N6]["boardCount"] = 0
    with pytest.raises(UserError, match="none of its STM32N6570-DK can be used at present"):
        benchmark(session)
    assert cloud.count("POST", "/benchmark/") == 0


@pytest.mark.parametrize(
    "states, words",
    [
        ([{"state": "error", "message": "does not\n fit"}], "it ended with the state 'error': does not fit"),
        ([{"state": "ERROR", "result": {"error": {"message": "no RAM"}}}], "'error': no RAM"),
        (["in_queue", {"state": "error", "error": ["E1", "E2"]}], '\'error\': ["E1", "E2"]'),
        (["error"], "no reason given"),
        ([["a", "list"]], "answered with something else than a state"),
    ],
)
def test_a_benchmark_that_fails(session, cloud, states, words):
    cloud.states[:] = states
    with pytest.raises(UserError) as caught:
        benchmark(session)
    assert words in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("what, limit", [("benchmark", 2500), ("analyze", 300)])
def test_an_endless_queue_comes_to_an_end(session, cloud, clock, caplog, what, limit):
    caplog.set_level(logging.INFO)
    cloud.states[:] = cloud.run_states[:] = [{"state": "in_queue", "position": 7}]
    cloud.models["m.onnx"] = b""
    session.patience = Patience(run_pause=50, benchmark_pause=400, sleep=clock.sleep, clock=clock)
    with pytest.raises(UserError, match=f"{what}: not done within {limit} s, at last: in queue, position 7"):
        benchmark(session) if what == "benchmark" else session.run("analyze", {"model": "m.onnx"}, "10.0.0")
    assert clock.now == limit
    assert caplog.text.count("in queue, position 7") >= limit // 400  # told now and then, though nothing changes


@pytest.mark.parametrize("answers", [[500, 503], ["silence"], [502, 429, 504, 500]])
def test_faults_that_pass_are_waited_for(cloud, clock, answers, caplog):
    session = Cloud(Patience(request=0.6 if "silence" in answers else 5, sleep=clock.sleep, clock=clock))
    cloud.fails("GET", BENCHMARK_POLL, *answers)
    assert benchmark(session)["state"] == "done"
    assert clock.pauses == [*(2, 5, 10, 20)[: len(answers)], 5, 5]
    assert caplog.text.count("asking again") == len(answers)


@pytest.mark.parametrize("answer, tries", [(500, 5), (404, 1), (403, 1), (b"<html>", 1), (b"", 1)])
def test_faults_that_do_not_pass_end_it(session, cloud, answer, tries):
    cloud.fails("GET", BENCHMARK_POLL, answer, ...)
    with pytest.raises(UserError):
        benchmark(session)
    assert cloud.count("GET", BENCHMARK_POLL) == tries


def test_an_interruption_goes_through_while_it_waits(session, cloud, clock, model):
    def interrupted(_):
        raise KeyboardInterrupt

    session.patience = Patience(sleep=interrupted, clock=clock)
    with pytest.raises(KeyboardInterrupt), session.upload(model):
        benchmark(session)
    assert cloud.sent_models and not cloud.models


def test_a_token_that_ends_while_it_waits_is_renewed(session, cloud):
    session.boards()
    cloud.expire()
    assert benchmark(session)["state"] == "done"
    assert cloud.count("POST", "login/refresh") == 1 and cloud.count("POST", "^/idp/login") == 1


def test_one_refusal_of_the_token_is_mended(session, cloud):
    cloud.fails("GET", BENCHMARK_POLL, 401)
    assert benchmark(session)["state"] == "done"


def test_a_login_that_is_never_accepted_ends_it(session, cloud):
    cloud.fails("GET", "boards$", 401, ...)
    with pytest.raises(UserError, match=r"list of boards: .*answered 401 Unauthorized.*does not accept the login"):
        benchmark(session)
    assert cloud.count("GET", "boards$") == 3  # with the first token, a refreshed one, that of a new login
    assert cloud.count("POST", "^/idp/login") == 2


@pytest.mark.parametrize(
    "method, path, answer, words",
    [
        ("GET", "boards$", b"garbage", "list of boards: .*not answer with JSON"),
        ("GET", "boards$", [], "the answer names none"),
        ("GET", "boards$", 403, "accept its terms"),
        ("POST", "/benchmark/stm32n6570-dk$", 404, "answered 404"),
        ("POST", "/benchmark/stm32n6570-dk$", {"id": 1}, "the answer has no benchmarkId"),
        ("POST", "/benchmark/stm32n6570-dk$", {"benchmarkId": [1]}, "the answer has no benchmarkId"),
        ("POST", "/benchmark/stm32n6570-dk$", b"", "the answer has no benchmarkId"),
    ],
)
def test_answers_that_are_not_as_they_should_be(session, cloud, method, path, answer, words):
    cloud.fails(method, path, answer)
    with pytest.raises(UserError, match=words):
        benchmark(session)


def test_no_message_holds_a_secret_that_the_server_tells(session, cloud, caplog):
    caplog.set_level(logging.DEBUG)
    token = session.login.bearer()
    told = []
    for answer in (500, b"x" * 35 + token.encode(), {"state": "error", "message": "x" * 490 + PASSWORD}):
        cloud.fails("GET", BENCHMARK_POLL, *[answer] * (5 if answer == 500 else 1))
        with pytest.raises(UserError) as caught:
            benchmark(session)
        told.append(str(caught.value))
    text = caplog.text + "".join(told)
    assert "status 500 for Bearer *** ***" in text
    assert not any(secret[:8] in text for secret in cloud.secrets)
