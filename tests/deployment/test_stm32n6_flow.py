"""The whole way onto the board, with stand-ins for ST's programs that check what they are called with."""

import logging
import re
import shlex
import sys
from pathlib import Path

import numpy as np
import pytest

from sezoo.audio.stft_window import window_values
from sezoo.base.errors import UserError
from sezoo.deployment.stm32n6.deploy import check_stm32n6
from sezoo.results.deployment import Application, Deployment
from stm32n6_stand_ins import (
    CONF,
    DPU,
    GS,
    MODELS,
    OLDER_CONF_TEXT,
    RUNTIME_FOLDERS,
    VARIABLES,
    calls,
    configuration,
    contents,
    deploy,
    make_project,
    make_tools,
    write,
    write_static,
)

FLASHED = [
    ["GS_Audio_N6_signed.bin", "0x70100000"],
    ["network_atonbuf.xSPI2.bin", "0x70180000"],
    ["fsbl_fw_lrun_v1.2.0.bin", "0x70000000"],
]
"""In ST's order: the application, the weights, the first-stage boot loader."""


@pytest.fixture(autouse=True)
def no_tools_of_the_machine(monkeypatch):
    for variable in (*VARIABLES.values(), "STEDGEAI_CORE_DIR"):
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


@pytest.mark.parametrize(
    ("version", "builder", "build", "output"),
    [
        ("2.2.0", "cubeide", None, "STM32CubeIDE/BM"),
        ("3.0.0", "cubeide", "FREERTOS_LP", "STM32CubeIDE/FREERTOS_LP"),
        ("3.0.0", "make", "BM_LP", "BuildGCC/BM_LP"),
        ("2.2.0", "make", "BM", "BuildGCC/BM"),
    ],
)
def test_from_the_model_to_the_board(tmp_path, project, model, version, builder, build, output):
    tools, run = make_tools(tmp_path / "Werkzeug ü", version=version), tmp_path / "run"
    before = contents(project)
    deploy(configuration(project, tools, builder=builder, build_conf=build), model, run)
    folder, after = run / "deployment", contents(project)
    made = Deployment.required(run)
    assert (made.model, made.backend, made.engine, made.frames_per_call) == (model.name, "stm32n6", "patch", 4)
    assert made.latency_samples == (2 + 4) * 20 + 50 - 20 + 7
    assert made.application == Application(
        board="STM32N6570-DK",
        stedgeai=version,
        folder="deployment",
        program_bytes=1004,
        weights_bytes=700,
        flashed=True,
    )
    assert [call[0] for call in calls(tools)] == [
        *("stedgeai", "stedgeai", {"cubeide": "stm32cubeide"}.get(builder, builder), "STM32_SigningTool_CLI"),
        *["STM32_Programmer_CLI"] * 3,
    ]
    assert calls(tools, "flash.jsonl") == FLASHED
    assert (folder / "GS_Audio_N6_signed.bin").read_bytes() == b"STM2" + b"\1" * 1000
    names = ["version", "generate", "build", "sign", "flash_application", "flash_weights", "flash_fsbl"]
    logs = sorted((folder / "logs").iterdir())
    assert [log.name for log in logs] == [f"{number:02}_{name}.log" for number, name in enumerate(names, 1)]
    for log, (name, *arguments) in zip(logs, calls(tools), strict=True):
        first = log.read_text(encoding="utf-8").splitlines()[0]
        assert first.startswith("$ ") and name in first and arguments[-1] in first

    # every file where the real build expects it
    networks = ["network.c", *(["network.h", "stai_network.c", "stai_network.h"] if version >= "3" else [])]
    for name in networks:
        assert after[f"{MODELS}/{name}"].decode() == f"/* {name}, compiled by {version} */"
    weights = {f"{MODELS}/network_atonbuf.xSPI2.{ending}" for ending in ("raw", "bin")}
    assert {after[name] for name in weights} == {b"weights" * 100}
    runtime = contents(tmp_path / "Werkzeug ü/STEdgeAI/installed")
    for name in RUNTIME_FOLDERS:
        is_in = f"{name}/"
        installed = {path: text for path, text in runtime.items() if path.startswith(is_in)}
        assert installed and {path: text for path, text in after.items() if path.startswith(is_in)} == installed
    device = "Middlewares/ST/AI/Npu/Devices/STM32N6XX/mcu_cache.h"
    assert after[device] == before[device]
    assert b"user_win[50]" in after[f"{DPU}/user_mel_tables.c"]
    assert after[f"{GS}/{output}/GS_Audio_N6.bin"] == b"\1" * 1000
    # and nothing else
    built = {f"{GS}/{output}/{name}" for name in ("main.o", "GS_Audio_N6.bin")}
    gone = {name for name in before if name.startswith(f"{GS}/{output}/")} | {f"{RUNTIME_FOLDERS[2]}/ll_aton_old.c"}
    assert set(after) == set(before) - gone | {f"{MODELS}/{name}" for name in networks} | weights | built


def test_what_was_replaced_is_kept(tmp_path, project, model, caplog):
    before, (tools, run) = contents(project), (make_tools(tmp_path / "tools"), tmp_path / "run")
    same = project / RUNTIME_FOLDERS[1] / "stai.h"
    write(same, "/* 2.2.0 */")
    age = same.stat().st_mtime_ns
    with caplog.at_level(logging.INFO, "sezoo"):
        deploy(configuration(project, tools), model, run)
    assert same.stat().st_mtime_ns == age
    replaced = {
        *(f"{MODELS}/network.c", f"{DPU}/ai_model_config.h"),
        *(f"{DPU}/user_mel_tables.{ending}" for ending in "ch"),
        *(name for name in before if name.startswith(f"{GS}/STM32CubeIDE/BM/")),
        *(name for name in before if name.startswith((RUNTIME_FOLDERS[0], RUNTIME_FOLDERS[2]))),
    }
    assert contents(run / "deployment/replaced") == {name: before[name] for name in replaced}
    log = (run / "stm32ai_main.log").read_text(encoding="utf-8")
    assert f"replaced in the C project: {Path(MODELS, 'network.c')}" in log
    assert f"replaced in the C project: {Path(RUNTIME_FOLDERS[2])}" in log
    assert "stedgeai has not written network_ecblobs.h" in log


def test_the_tables_hold_the_window(tmp_path, project, model):
    settings = {"window": "hamming"}
    deploy(configuration(project, make_tools(tmp_path / "t"), preprocessing=settings), model, tmp_path / "run")
    source = (project / DPU / "user_mel_tables.c").read_text(encoding="utf-8")
    table = re.search(r"user_win\[50\] = \{(.*)\};", source, re.DOTALL)[1]
    values = np.array([np.float32(text.strip().rstrip("F")) for text in table.split(",")])
    np.testing.assert_array_equal(values, window_values("hamming", 50).astype(np.float32))


def test_tools_of_the_environment_and_a_project_of_the_older_form(tmp_path, project, model, monkeypatch, caplog):
    tools = make_tools(tmp_path / "tools of mine", serial="0042")
    for name, variable in VARIABLES.items():
        if name != "STM32_SigningTool_CLI":  # it is beside the programmer
            monkeypatch.setenv(variable, str(tools[name]))
    make_tools_match(project)
    write(project / CONF, OLDER_CONF_TEXT)
    hardware = {"stlink_serial_number": "0042"}
    config = configuration(project.parent, hardware=hardware, build_conf="FREERTOS")
    check_stm32n6(config)
    with caplog.at_level(logging.WARNING, "sezoo"):
        deploy(config, model, tmp_path / "run")
    assert "'FREERTOS' is called 'N6 Audio Thread X'" in caplog.text
    assert calls(tools, "flash.jsonl") == FLASHED
    assert (project / GS / "STM32CubeIDE/FREERTOS/GS_Audio_N6.bin").is_file()


def make_tools_match(project):
    """An older form lists no runtime: it has to be that of the tool already."""
    write(project / RUNTIME_FOLDERS[2] / "ll_aton_version.h", "#define LL_ATON_VERSION 2.2.0")
    (project / RUNTIME_FOLDERS[2] / "ll_aton_old.c").unlink()


def test_tools_of_the_path_and_addresses_of_the_project(tmp_path, project, model, monkeypatch):
    tools = make_tools(tmp_path / "bin")
    folders = [tools[name].parent for name in ("stedgeai", "stm32cubeide")]
    monkeypatch.setenv("PATH", ";".join(map(str, folders)) if sys.platform == "win32" else ":".join(map(str, folders)))
    write(project / "FSBL/ai_fsbl.hex", ":00000001FF")
    text = (project / CONF).read_text(encoding="utf-8")
    text = text.replace("Binaries/fsbl_fw_lrun_v1.2.0.bin", "FSBL/ai_fsbl.hex").replace("0x70180000", "0x70400000")
    write(project / CONF, text)
    loader = write(tmp_path / "bin/ExternalLoader/MX66UW1G45G_STM32N6570-DK.stldr", "loader")
    deploy(configuration(project), model, tmp_path / "run")
    assert calls(tools, "flash.jsonl") == [
        ["GS_Audio_N6_signed.bin", "0x70100000"],
        ["network_atonbuf.xSPI2.bin", "0x70400000"],
        ["ai_fsbl.hex"],
    ]
    assert calls(tools)[-1][-4] == str(loader)


@pytest.mark.parametrize("builder", ["cubeide", "make"])
def test_dry_run_shows_the_commands_and_does_nothing(tmp_path, project, model, capsys, caplog, builder):
    before, tools = contents(project), make_tools(tmp_path / "tools")
    known = {name: tools[name] for name in ("stedgeai", "STM32_SigningTool_CLI", "make", "arm-none-eabi-gcc")}
    config = configuration(project, known, dry_run=True, builder=builder)
    check_stm32n6(config)
    with caplog.at_level(logging.INFO, "sezoo"):
        deploy(config, model, tmp_path / "run")
    assert f"{RUNTIME_FOLDERS[1].rpartition('/')[2]} of ST Edge AI's installation" in caplog.text
    lines = capsys.readouterr().out.splitlines()
    missing = [record.getMessage().partition(" ")[0] for record in caplog.records if record.levelname == "WARNING"]
    assert missing == [*(["stm32cubeide"] if builder == "cubeide" else []), "STM32_Programmer_CLI"]
    assert calls(tools) == [] and contents(project) == before
    assert set(contents(tmp_path / "run/deployment")) == {
        "headers/ai_model_config.h",
        *(f"headers/user_mel_tables.{ending}" for ending in "ch"),
    }
    made = Deployment.required(tmp_path / "run").application
    assert (made.stedgeai, made.program_bytes, made.flashed) == (None, None, False)
    if sys.platform == "win32":
        return
    # They are the ones that are run without it.
    (tmp_path / "run/deployment").rename(tmp_path / "dry")
    deploy(configuration(project, tools, builder=builder), model, tmp_path / "run")
    run = [[name.rpartition("/")[2], *arguments] for name, *arguments in map(shlex.split, lines)]
    assert run == calls(tools)


@pytest.mark.parametrize("builder", ["cubeide", "make"])
@pytest.mark.parametrize(
    ("step", "number"),
    [("generate", "02"), ("build", "03"), ("sign", "04"), ("flash", "05"), ("flash 0x70000000", "07")],
)
def test_a_step_that_fails(tmp_path, project, model, step, number, builder):
    run, before = tmp_path / "run", contents(project)
    ages = {path: path.stat().st_mtime_ns for path in project.rglob("*") if path.is_file()}
    tools = make_tools(tmp_path / "tools", fail=step, version="3.0.0")
    message = refused(configuration(project, tools, builder=builder), model, run)
    log = next((run / "deployment/logs").glob(f"{number}_*.log"))
    assert "failed (exit code 1)" in message and log.name in message
    assert message.endswith(f"{step}.c:12:3: error: expected expression before return")
    assert "line 29" in message and "line 5\n" not in message and "line 5 of" in log.read_text(encoding="utf-8")
    assert contents(project) == before
    assert {path: path.stat().st_mtime_ns for path in project.rglob("*") if path.is_file()} == ages
    assert [path.name for path in project.iterdir() if path.name.startswith(".")] == []
    files = contents(run / "deployment")
    assert not any("signed" in name for name in files) or step.startswith("flash")
    assert any(name.startswith("generated") for name in files) == (step != "generate")


def test_a_failing_build_leaves_earlier_results_alone(tmp_path, project, model):
    run = tmp_path / "run"
    deploy(configuration(project, make_tools(tmp_path / "tools")), model, run)
    earlier, built = contents(run / "deployment"), contents(project)
    write(project / MODELS / "network.c", "changed by hand")
    built[f"{MODELS}/network.c"] = b"changed by hand"
    refused(configuration(project, make_tools(tmp_path / "tools", fail="build")), model, run)
    assert contents(run / "deployment") == earlier and contents(project) == built
    assert (run / "deployment_1/logs/03_build.log").is_file()


@pytest.mark.parametrize(
    ("behaviour", "words"),
    [
        ({"without": ["application"]}, "the build ended well, but made no such file"),
        ({"without": ["weights"]}, "has written no weights"),
        ({"without": ["network.c"]}, "templates: stedgeai has not written network.c; it wrote network_atonbuf"),
        ({"size": 0x80000 - 3}, "has 524289 bytes; there is room for 524288 at 0x70100000"),
    ],
)
def test_a_program_that_ends_well_but_gives_something_else(tmp_path, project, model, behaviour, words):
    tools, before = make_tools(tmp_path / "tools", **behaviour), contents(project)
    assert words in refused(configuration(project, tools), model, tmp_path / "run")
    assert calls(tools, "flash.jsonl") == []
    assert contents(project) == before


def test_a_project_for_a_later_version_of_the_compiler(tmp_path, project, model):
    """Its own network would be built together with the new one."""
    write(project / MODELS / "stai_network.c", "of version 3")
    before = contents(project)
    message = refused(configuration(project, make_tools(tmp_path / "tools")), model, tmp_path / "run")
    assert "stedgeai has not written stai_network.c" in message and "another version of ST Edge AI?" in message
    assert contents(project) == before


def test_an_application_of_another_name(tmp_path, project, model):
    tools = make_tools(tmp_path / "tools", application="other.bin")
    deploy(configuration(project, tools), model, tmp_path / "run")
    assert ["other_signed.bin", "0x70100000"] in calls(tools, "flash.jsonl")
