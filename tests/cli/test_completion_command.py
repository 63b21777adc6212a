"""`sezoo completion`: scripts of all shells, and what bash makes of its own."""

import shutil
import subprocess

import pytest

from sezoo.cli.main import main
from sezoo.cli.shells import SCRIPTS
from sezoo.cli.table import COMMANDS

BASH = shutil.which("bash")
ASK = """
source {script}
COMP_WORDS=({words} {word})
COMP_CWORD={place}
_sezoo
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


@pytest.fixture
def script(capsys):
    def of(shell):
        main(["completion", shell])
        return capsys.readouterr().out

    return of


@pytest.fixture
def completed(script, tmp_path):
    """What bash offers for the last of some words."""
    if BASH is None:
        pytest.skip("there is no bash here")
    path = tmp_path / "completion.bash"
    path.write_text(script("bash"), encoding="utf-8", newline="\n")
    (tmp_path / "model.onnx").touch()
    (tmp_path / "noisy clips").mkdir()

    def ask(*words):
        *before, word = words
        text = ASK.format(script=path.as_posix(), words=" ".join(["sezoo", *before]), word=repr(word), place=len(words))
        done = subprocess.run(
            [BASH, "--norc", "-c", text], cwd=tmp_path, capture_output=True, text=True, encoding="utf-8", check=True
        )
        assert done.stderr == ""
        return done.stdout.split("\n")[:-1]

    return ask


@pytest.mark.parametrize("shell", SCRIPTS)
def test_every_command_and_option_is_there(shell, script):
    text = script(shell)
    for name, command in COMMANDS.items():
        assert name in text
        for action in command.parser()._actions:
            for flag in action.option_strings:
                assert (flag.lstrip("-") if shell == "fish" else flag) in text
    assert "cortex-m55" in text


@pytest.mark.parametrize(
    ("shell", "check"), [("bash", ["bash", "-n"]), ("zsh", ["zsh", "-n"]), ("fish", ["fish", "-n"])]
)
def test_the_shell_can_read_it(shell, check, script, tmp_path):
    if shutil.which(shell) is None:
        pytest.skip(f"there is no {shell} here")
    path = tmp_path / "script"
    path.write_text(script(shell), encoding="utf-8", newline="\n")
    subprocess.run([*check, str(path)], check=True)


def test_bash_completes(completed):
    assert completed("qua") == ["quantize"]
    assert completed("--con") == ["--config-path", "--config-name"]
    assert completed("quantize", "--tar") == ["--target"]
    assert completed("quantize", "--target", "c") == ["cortex-m"]
    assert completed("benchmark", "model.onnx", "--on", "cortex-m5") == ["cortex-m55"]
    assert completed("quantize", "mod") == ["model.onnx"]
    assert completed("quantize", "model.onnx", "--data", "noi") == ["noisy clips"]
    assert completed("zoo", "sh") == ["show"]
    assert completed("zoo", "get", "utcn_") == ["utcn_small"]
    assert completed("benchmark", "model.onnx", "--on", "host,cortex-m5") == ["host,cortex-m55"]
    assert completed("completion", "f") == ["fish"]
    assert completed("deploy", "--backend", "stm") == ["stm32n6"]
    assert completed("evaluate", "--noisy", "x", "--no") == ["--noisy"]


def test_another_shell(capsys):
    with pytest.raises(SystemExit):
        main(["completion", "tcsh"])
    assert "invalid choice: 'tcsh'" in capsys.readouterr().err
