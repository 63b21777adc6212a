"""`sezoo completion`: scripts of all shells, and what they get from sezoo."""

import io
import os
import shutil
import subprocess
import sys

import argcomplete
import pytest

from sezoo.cli.completion import SHELLS, complete
from sezoo.cli.main import main
from sezoo.cli.table import COMMANDS


@pytest.fixture
def completed(tmp_path, monkeypatch):
    """What is offered for the last word of a line."""
    (tmp_path / "model.onnx").touch()
    (tmp_path / "noisy clips").mkdir()
    monkeypatch.chdir(tmp_path)
    # It writes to the file 9 where there is one, which the tests may have opened.
    monkeypatch.setattr(argcomplete.CompletionFinder, "_init_debug_stream", lambda self: None)

    def ask(line, cursor=None):
        monkeypatch.setenv("_ARGCOMPLETE", "1")
        monkeypatch.setenv("_ARGCOMPLETE_SUPPRESS_SPACE", "1")
        monkeypatch.setenv("COMP_LINE", line)
        monkeypatch.setenv("COMP_POINT", str(len(line) if cursor is None else cursor))
        answer = io.StringIO()
        complete(output_stream=answer, exit_method=lambda code: None)
        return answer.getvalue().split("\013")

    return ask


@pytest.mark.parametrize("shell", SHELLS)
def test_the_script_asks_sezoo(shell, capsys):
    main(["completion", shell])
    text = capsys.readouterr().out
    assert "sezoo" in text
    assert "COMP_LINE" in text


@pytest.mark.parametrize(
    ("shell", "check"), [("bash", ["bash", "-n"]), ("zsh", ["zsh", "-n"]), ("fish", ["fish", "-n"])]
)
def test_the_shell_can_read_it(shell, check, capsys, tmp_path):
    if shutil.which(shell) is None:
        pytest.skip(f"there is no {shell} here")
    main(["completion", shell])
    path = tmp_path / "script"
    path.write_text(capsys.readouterr().out, encoding="utf-8", newline="\n")
    subprocess.run([*check, str(path)], check=True)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_is_offered(name, completed):
    flags = {flag for action in COMMANDS[name].parser()._actions for flag in action.option_strings}
    assert set(completed(f"sezoo {name} --")) == {flag for flag in flags if flag.startswith("--")}


def test_commands_and_values(completed):
    assert completed("sezoo ") == list(COMMANDS)
    assert completed("sezoo qua") == completed("sezoo quantize") == ["quantize"]
    assert completed("sezoo --con") == ["--config-path", "--config-name"]
    assert completed("sezoo quantize --tar") == ["--target"]
    assert completed("sezoo quantize --target c") == ["cortex-m"]
    assert completed("sezoo benchmark model.onnx --on cortex-m5") == ["cortex-m55"]
    assert completed("sezoo benchmark model.onnx --on host,cortex-m5") == ["host,cortex-m55"]
    assert completed("sezoo zoo sh") == ["show"]
    assert completed("sezoo zoo get utcn_") == ["utcn_live", "utcn_live_small", "utcn_small"]
    assert completed("sezoo completion f") == ["fish"]
    assert completed("sezoo deploy --backend stm") == ["stm32n6"]
    assert completed("sezoo evaluate --noisy x --no") == ["--noisy"]
    assert completed("sezoo zoo get utcn_small", cursor=len("sezoo zo")) == ["zoo"]


@pytest.mark.skipif(shutil.which("bash") is None, reason="files are listed by bash")
def test_files(completed):
    assert completed("sezoo quantize mod") == ["model.onnx"]
    assert completed("sezoo evaluate other.onnx mod") == ["model.onnx"]
    assert completed("sezoo quantize model.onnx --data noi") == ["noisy\\ clips/"]


@pytest.mark.skipif(os.name == "nt", reason="the shell hands over a file descriptor")
def test_a_shell_gets_its_answer(tmp_path):
    """From the program as it is started, in the file that the shell's script names."""
    answer = tmp_path / "answer"
    line = "sezoo quan"
    asked = {"_ARGCOMPLETE": "1", "_ARGCOMPLETE_STDOUT_FILENAME": str(answer), "COMP_LINE": line}
    environment = {**os.environ, **asked, "COMP_POINT": str(len(line))}
    done = subprocess.run([sys.executable, "-m", "sezoo"], env=environment, capture_output=True, check=True)
    assert done.stdout == b""
    assert answer.read_text(encoding="utf-8") == "quantize "


def test_another_shell(capsys):
    with pytest.raises(SystemExit):
        main(["completion", "tcsh"])
    assert "invalid choice: 'tcsh'" in capsys.readouterr().err
