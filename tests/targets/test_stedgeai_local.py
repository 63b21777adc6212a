import json
import os
import sys
from pathlib import Path

import pytest

from sezoo.base.errors import UserError
from sezoo.config.boards import BOARDS
from sezoo.config.sections_board import STEdgeAI
from sezoo.targets.stedgeai.local import find_tool, measure_locally, run_tool, target_of
from sezoo.targets.stedgeai.measure import measure
from st_cloud import C_INFO

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the stand-in for the program is started by a shell script")

OLD = {"rom_size": 900, "ram_size": 410, "rom_n_macc": 1234}

STAND_IN = """
import json, pathlib, sys
plan = json.loads(pathlib.Path(__file__).with_name("plan.json").read_text(encoding="utf-8"))
arguments = sys.argv[1:]
if arguments == ["--version"]:
    print(plan["version"])
    sys.exit(plan.get("version_code", 0))
pathlib.Path(__file__).with_name("arguments.json").write_text(json.dumps(arguments), encoding="utf-8")
print("compiling", arguments[arguments.index("-m") + 1])
folder = pathlib.Path(arguments[arguments.index("--output") + 1])
(folder / "network.c").write_text("int network;", encoding="utf-8")
for name, text in plan.get("files", {}).items():
    (folder / name).write_text(text, encoding="utf-8")
if plan.get("code"):
    print("E103(CliRuntimeError): it does not fit", file=sys.stderr)
sys.exit(plan.get("code", 0))
"""


@pytest.fixture
def tool(tmp_path, monkeypatch):
    """Make a stand-in for the program; what it is to do comes with the call."""
    monkeypatch.delenv("STM32_AI_EXE", raising=False)
    monkeypatch.setenv("PATH", os.pathsep.join(["/usr/bin", "/bin"]))
    folder = tmp_path / "tools of ST"
    folder.mkdir()

    def make(version="ST Edge AI Core v2.1.0-20194 329b0e98d", **plan):
        (folder / "stand_in.py").write_text(STAND_IN, encoding="utf-8")
        (folder / "plan.json").write_text(json.dumps({"version": version, **plan}), encoding="utf-8")
        path = folder / "stedgeai"
        path.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{folder}/stand_in.py" "$@"\n', encoding="utf-8")
        path.chmod(0o755)
        return path

    return make


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "quantized model.onnx"
    path.write_bytes(b"ONNX")
    return path


def arguments_of(tool_path):
    return json.loads(tool_path.with_name("arguments.json").read_text(encoding="utf-8"))


def after(words, option):
    return words[words.index(option) + 1]


@pytest.mark.parametrize(
    "version, files, expected",
    [
        (
            "ST Edge AI Core v2.1.0-20194 329b0e98d",
            {"network_c_info.json": C_INFO, "network_report.json": OLD},
            ("2.1.0", 1050, 500, 1000),
        ),
        ("Python 3.9.13\nST Edge AI Core v2.0.0-20049", {"network_report.json": OLD}, ("2.0.0", 900, 410, 1234)),
        ("ST Edge AI Core 3.0.0", {"network_c_info.json": C_INFO}, ("3.0.0", 1050, 500, 1000)),
        ("stedgeai 4.0", {"network_c_info.json": C_INFO}, ("4.0", 1050, 500, 1000)),
    ],
)
def test_versions_and_their_reports(tool, model, tmp_path, version, files, expected):
    path = tool(version, files={name: json.dumps(content) for name, content in files.items()})
    found = measure_locally(model, "STM32H747I-DISCO", "balanced", path, tmp_path / "run")
    assert (found.tool_version, found.flash_bytes, found.ram_bytes, found.macs) == expected
    assert found.obtained == "local generate"
    kept = {file.name for file in (tmp_path / "run").iterdir()}
    assert kept == {*files, "stedgeai_version.log", "stedgeai_generate.log"}  # and not the C code
    assert "compiling" in (tmp_path / "run" / "stedgeai_generate.log").read_text(encoding="utf-8")


def test_how_the_program_is_called(tool, model, tmp_path):
    path = tool(files={"network_c_info.json": json.dumps(C_INFO)})
    measure_locally(model, "STM32H747I-DISCO", "ram", path, tmp_path)
    words = arguments_of(path)
    assert words[0] == "generate" and after(words, "-m") == str(model)
    assert after(words, "--target") == "stm32h7" and after(words, "--optimization") == "ram"
    assert after(words, "--workspace") == after(words, "--output")
    assert {"--allocate-inputs", "--allocate-outputs"} <= set(words) and "--st-neural-art" not in words
    assert not Path(after(words, "--output")).exists()


@pytest.mark.parametrize("neural_art", [None, "user_neural_art.json"])
def test_the_n6_has_its_own_compiler(tool, model, tmp_path, neural_art):
    path = tool()
    (tmp_path / "out").mkdir()
    run_tool(
        find_tool(path, tmp_path),
        model,
        "STM32N6570-DK",
        tmp_path / "out",
        tmp_path / "log",
        action="analyze",
        neural_art=None if neural_art is None else tmp_path / neural_art,
    )
    words = arguments_of(path)
    assert words[0] == "analyze" and after(words, "--target") == "stm32n6"
    expected = "default" if neural_art is None else f"default@{tmp_path / neural_art}"
    assert after(words, "--st-neural-art") == expected
    assert (tmp_path / "out" / "network.c").is_file()


def test_every_board_has_a_target():
    families = {"stm32n6", "stm32h7", "stm32f4", "stm32f7", "stm32g4", "stm32l4", "stm32u5"}
    assert {target_of(board) for board in BOARDS} == families


@pytest.mark.parametrize("by", ["key", "variable", "path"])
def test_where_the_program_is_looked_for(tool, tmp_path, monkeypatch, by):
    path = tool()
    if by == "variable":
        monkeypatch.setenv("STM32_AI_EXE", str(path))
    elif by == "path":
        monkeypatch.setenv("PATH", str(path.parent), prepend=os.pathsep)
    assert find_tool(path if by == "key" else None, tmp_path).path == path


def test_no_program(tool, tmp_path):
    with pytest.raises(UserError) as caught:
        find_tool(None, tmp_path)
    message = str(caught.value)
    assert "stedgeai was not found" in message and "install ST Edge AI Core 2.0 or later" in message
    assert "tools.stedgeai.path_to_stedgeai" in message and "STM32_AI_EXE" in message


@pytest.mark.parametrize("version, shown", [("ST Edge AI Core v1.0.0-19899", "1.0.0"), ("stedgeai 1.9", "1.9")])
def test_too_old_a_program(tool, tmp_path, version, shown):
    path = tool(version)
    with pytest.raises(UserError) as caught:
        find_tool(path, tmp_path)
    assert f"{path} is version {shown}, which is too old" in str(caught.value)
    assert "2.0 or later" in str(caught.value)


@pytest.mark.parametrize("version", ["", "hello", "abc1.2.3def"])
def test_a_program_that_says_no_version(tool, tmp_path, version):
    with pytest.raises(UserError, match="names no version: is it ST Edge AI Core"):
        find_tool(tool(version), tmp_path)


def test_a_program_that_cannot_say_its_version(tool, tmp_path):
    with pytest.raises(UserError, match=r"failed \(exit code 3\)"):
        find_tool(tool("no licence", version_code=3), tmp_path)


@pytest.mark.parametrize(
    "plan, words",
    [
        ({"code": 1}, "E103(CliRuntimeError): it does not fit"),
        ({}, "wrote neither network_c_info.json nor network_report.json"),
        ({"files": {"network_c_info.json": "garbage"}}, "invalid JSON"),
        ({"files": {"network_c_info.json": "{}"}}, "found no report of ST Edge AI"),
    ],
)
def test_a_run_that_fails_leaves_earlier_reports_as_they_were(tool, model, tmp_path, plan, words):
    settings = {"on_cloud": False, "path_to_stedgeai": tool(files={"network_c_info.json": json.dumps(C_INFO)})}
    settings = STEdgeAI(**settings)
    measure(model, "STM32H747I-DISCO", settings, tmp_path / "run")
    before = (tmp_path / "run" / "network_c_info.json").read_bytes()
    tool(**plan)
    with pytest.raises(UserError) as caught:
        measure(model, "STM32H747I-DISCO", settings, tmp_path / "run")
    assert words in str(caught.value)
    assert (tmp_path / "run" / "network_c_info.json").read_bytes() == before
