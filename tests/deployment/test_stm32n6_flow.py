"""The whole way onto the board, with stand-ins for ST's programs that check what they are called with."""

import logging
import os
import re
import shlex
from pathlib import Path

import numpy as np
import pytest

from sezoo.deployment.stm32n6.deploy import check_stm32n6
from sezoo.errors import UserError
from sezoo.spectrum import window_by_name
from stm32n6_stand_ins import (
    CONF,
    calls,
    configuration,
    contents,
    deploy,
    make_project,
    make_tools,
    write,
    write_static,
)

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the stand-ins are scripts that begin with #!")

VARIABLES = {
    "stedgeai": "STM32_AI_EXE",
    "stm32cubeide": "STM32_CUBE_IDE_EXE",
    "STM32_Programmer_CLI": "STM32_CUBE_PROG_EXE",
    "STM32_SigningTool_CLI": "STM32_SIGNINGTOOL_CLI",
}


@pytest.fixture(autouse=True)
def no_tools_of_the_machine(monkeypatch):
    for variable in VARIABLES.values():
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("PATH", "")


@pytest.fixture
def project(tmp_path):
    return make_project(tmp_path / "Entwürfe mit Ümlauten" / "C project")


@pytest.fixture
def model(tmp_path):
    return write_static(tmp_path / "Modelle für später" / "modell ü.onnx")


def refused(config, model, folder):
    with pytest.raises(UserError) as caught:
        deploy(config, model, folder)
    return str(caught.value)


def test_from_the_model_to_the_board(tmp_path, project, model):
    tools, run = make_tools(tmp_path / "Werkzeug ü"), tmp_path / "run"
    deploy(configuration(project, tools), model, run)
    folder = run / "deployment"
    assert [call[0] for call in calls(tools)] == [
        *("stedgeai", "stedgeai", "stm32cubeide", "STM32_SigningTool_CLI"),
        *["STM32_Programmer_CLI"] * 3,
    ]
    assert calls(tools, "flash.jsonl") == [
        ["ai_fsbl.hex"],
        ["Audio_BM_signed.bin", "0x70100000"],
        ["network_data.bin", "0x70180000"],
    ]
    assert (folder / "Audio_BM_signed.bin").read_bytes() == b"STM2" + b"\1" * 1000
    assert (folder / "network_data.bin").read_bytes() == b"weights" * 100
    names = ["version", "generate", "build", "sign", "flash_fsbl", "flash_application", "flash_weights"]
    logs = sorted((folder / "logs").iterdir())
    assert [log.name for log in logs] == [f"{number:02}_{name}.log" for number, name in enumerate(names, 1)]
    for log, (name, *arguments) in zip(logs, calls(tools), strict=True):
        first = log.read_text(encoding="utf-8").splitlines()[0]
        assert first.startswith("$ ") and name in first and arguments[-1] in first
    assert "Build Finished" in logs[2].read_text(encoding="utf-8")


def test_what_it_changes_in_the_project(tmp_path, project, model, caplog):
    before = contents(project)
    tools, run = make_tools(tmp_path / "tools"), tmp_path / "run"
    untouched = (project / "Projects/AI models/network.h").stat().st_mtime_ns
    with caplog.at_level(logging.INFO, "sezoo"):
        deploy(configuration(project, tools), model, run)
    after = contents(project)
    new = {
        "Projects/AI models/stai_network.c",
        *(f"Projects/Dpu/user_mel_tables.{ending}" for ending in "ch"),
    }
    assert set(after) - set(before) == new
    assert after["Projects/AI models/network.c"] == b"new network.c"
    assert (project / "Projects/AI models/network.h").stat().st_mtime_ns == untouched
    replaced = {
        *("Projects/AI models/network.c", "Projects/Dpu/ai_model_config.h"),
        *(f"Projects/CubeIDE/BM/Audio_BM.{ending}" for ending in ("bin", "elf")),
    }
    assert contents(run / "deployment/replaced") == {name: before[name] for name in replaced}
    log = (run / "stm32ai_main.log").read_text(encoding="utf-8")
    assert f"replaced in the C project: {Path('Projects', 'AI models', 'network.c')}" in log
    assert "stedgeai has not written network_ecblobs.h" in log


def test_the_tables_hold_the_window(tmp_path, project, model):
    settings = {"window": "hamming"}
    deploy(configuration(project, make_tools(tmp_path / "t"), preprocessing=settings), model, tmp_path / "run")
    source = (project / "Projects/Dpu/user_mel_tables.c").read_text(encoding="utf-8")
    table = re.search(r"user_win\[50\] = \{(.*)\};", source, re.DOTALL)[1]
    values = np.array([np.float32(text.strip().rstrip("F")) for text in table.split(",")])
    np.testing.assert_array_equal(values, window_by_name("hamming", 50).astype(np.float32))
    header = (project / "Projects/Dpu/ai_model_config.h").read_text(encoding="utf-8")
    macros = dict(re.findall(r"#define (\w+) +(.+)", header))
    assert macros["CTRL_X_CUBE_AI_MODEL_NAME"] == '"modell _"'
    assert macros["CTRL_X_CUBE_AI_SENSOR_ODR"] == "(16000.0F)"
    assert macros["CTRL_X_CUBE_AI_AUDIO_OUT_DB_THRESHOLD"] == "(-50.0F)"
    names = ("HOP_LENGTH", "NFFT", "WINDOW_LENGTH", "COL_NO_OVL", "COL_OVL", "WIN")
    values = [macros[f"CTRL_X_CUBE_AI_SPECTROGRAM_{name}"] for name in names]
    assert values == ["(20U)", "(64U)", "(50U)", "(4U)", "(2U)", "(user_win)"]


def test_tools_of_the_environment_and_another_configuration(tmp_path, project, model, monkeypatch):
    tools = make_tools(tmp_path / "tools of mine", application="GS Audio.bin", serial="0042")
    for name, variable in VARIABLES.items():
        if name != "STM32_SigningTool_CLI":  # it is beside the programmer
            monkeypatch.setenv(variable, str(tools[name]))
    hardware = {"stlink_serial_number": "0042"}
    config = configuration(project.parent, hardware=hardware, build_conf="N6 Audio Thread X")
    check_stm32n6(config)
    deploy(config, model, tmp_path / "run")
    assert ["GS Audio_signed.bin", "0x70100000"] in calls(tools, "flash.jsonl")


def test_tools_of_the_path_and_a_boot_loader_without_addresses(tmp_path, project, model, monkeypatch):
    tools = make_tools(tmp_path / "bin")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    write(project / "FSBL/own.bin", "boot")
    text = (project / CONF).read_text(encoding="utf-8").replace('"version"', '"fsbl_bin": "own.bin", "version"')
    write(project / CONF, text)
    loader = write(tmp_path / "bin/ExternalLoader/MX66UW1G45G_STM32N6570-DK.stldr", "loader")
    deploy(configuration(project), model, tmp_path / "run")
    assert calls(tools, "flash.jsonl")[0] == ["own.bin", "0x70000000"]
    assert calls(tools)[-1][-4] == str(loader)


def test_dry_run_shows_the_commands_and_does_nothing(tmp_path, project, model, capsys, caplog):
    before, tools = contents(project), make_tools(tmp_path / "tools")
    known = {name: tools[name] for name in ("stedgeai", "STM32_SigningTool_CLI")}
    config = configuration(project, known, dry_run=True)
    check_stm32n6(config)
    with caplog.at_level(logging.WARNING, "sezoo"):
        deploy(config, model, tmp_path / "run")
    commands = [shlex.split(line) for line in capsys.readouterr().out.splitlines()]
    programs = [str(tools["stedgeai"])] * 2 + ["stm32cubeide", str(tools["STM32_SigningTool_CLI"])]
    assert [command[0] for command in commands] == programs + ["STM32_Programmer_CLI"] * 3
    assert [record.getMessage().partition(" ")[0] for record in caplog.records] == [
        "stm32cubeide",
        "STM32_Programmer_CLI",
    ]
    assert calls(tools) == [] and contents(project) == before
    assert set(contents(tmp_path / "run/deployment")) == {
        "headers/ai_model_config.h",
        *(f"headers/user_mel_tables.{ending}" for ending in "ch"),
    }
    # They are the ones that are run without it.
    (tmp_path / "run/deployment").rename(tmp_path / "dry")
    deploy(configuration(project, tools), model, tmp_path / "run")
    run = [[name.rpartition("/")[2], *arguments] for name, *arguments in commands]
    assert run == calls(tools)


@pytest.mark.parametrize(("step", "number"), [("generate", "02"), ("build", "03"), ("sign", "04"), ("flash", "05")])
def test_a_step_that_fails(tmp_path, project, model, step, number):
    run, before = tmp_path / "run", contents(project)
    message = refused(configuration(project, make_tools(tmp_path / "tools", fail=step)), model, run)
    log = next((run / "deployment/logs").glob(f"{number}_*.log"))
    assert "failed (exit code 1)" in message and log.name in message
    assert message.endswith(f"{step}.c:12:3: error: expected expression before return")
    assert "line 29" in message and "line 5\n" not in message and "line 5 of" in log.read_text(encoding="utf-8")
    files = contents(run / "deployment")
    if step in ("generate", "build"):
        assert contents(project) == before
    assert not any("signed" in name for name in files) or step == "flash"
    assert any(name.startswith("generated") for name in files) == (step != "generate")


def test_a_failing_build_leaves_earlier_results_alone(tmp_path, project, model):
    run = tmp_path / "run"
    deploy(configuration(project, make_tools(tmp_path / "tools")), model, run)
    earlier, built = contents(run / "deployment"), contents(project)
    write(project / "Projects/AI models/network.c", "changed by hand")
    built["Projects/AI models/network.c"] = b"changed by hand"
    refused(configuration(project, make_tools(tmp_path / "tools", fail="build")), model, run)
    assert contents(run / "deployment") == earlier and contents(project) == built
    assert (run / "deployment_1/logs/03_build.log").is_file()


def test_a_file_that_cannot_be_written_changes_none(tmp_path, project, model):
    (project / "Projects/Dpu/user_mel_tables.h").mkdir()
    write(project / "Projects/Dpu/user_mel_tables.h/file", "in the way")
    before = contents(project)
    message = refused(configuration(project, make_tools(tmp_path / "tools")), model, tmp_path / "run")
    assert message.startswith("cannot write") and "user_mel_tables.h" in message
    assert contents(project) == before


@pytest.mark.parametrize(
    ("behaviour", "words"),
    [
        ({"without": ["application"]}, "the build ended well, but made no such file"),
        ({"without": ["weights"]}, "has written no weights"),
        ({"without": ["network.c"]}, "templates: stedgeai has not written network.c; it wrote network.h"),
        ({"size": 0x80000 - 3}, "has 524289 bytes; after 524288 the weights follow: nothing was flashed"),
    ],
)
def test_a_program_that_ends_well_but_gives_something_else(tmp_path, project, model, behaviour, words):
    tools, before = make_tools(tmp_path / "tools", **behaviour), contents(project)
    assert words in refused(configuration(project, tools), model, tmp_path / "run")
    assert calls(tools, "flash.jsonl") == []
    if "size" not in behaviour:
        assert contents(project) == before


def test_an_application_of_another_name(tmp_path, project, model):
    tools = make_tools(tmp_path / "tools", application="other.bin")
    deploy(configuration(project, tools), model, tmp_path / "run")
    assert ["other_signed.bin", "0x70100000"] in calls(tools, "flash.jsonl")
