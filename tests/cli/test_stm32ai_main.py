"""`python -m sezoo.stm32ai_main`, the model zoo's command where there is no clone."""

import runpy
import sys
import warnings

import pytest

from sezoo.base.version import __version__


@pytest.mark.parametrize(("words", "code", "said"), [
    (["--version"], 0, f"sezoo {__version__}\n"),
    (["--config-name", "nothing"], 2, "nothing"),
])  # fmt: skip
def test_the_module_is_the_command(words, code, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["stm32ai_main.py", *words])
    found = 0
    with warnings.catch_warnings():  # sezoo.__main__ may have been imported here already
        warnings.simplefilter("ignore", RuntimeWarning)
        try:
            runpy.run_module("sezoo.stm32ai_main", run_name="__main__")
        except SystemExit as end:
            found = end.code
    assert found == code
    assert said in "".join(capsys.readouterr())
