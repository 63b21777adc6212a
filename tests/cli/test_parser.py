"""Words that begin with a dash and are no options."""

from pathlib import Path

import pytest

from sezoo.base.errors import UserError
from sezoo.cli.main import main
from sezoo.cli.parser import Parser


@pytest.fixture
def parser():
    made = Parser("sezoo test")
    made.add_argument("model", type=Path)
    made.add_argument("others", nargs="*")
    made.add_argument("--data", type=Path)
    return made


def test_behind_two_dashes_are_files(parser):
    options = parser.parse(["--data", "d", "--", "-m.onnx", "--data", "a.b=1"])
    assert options.model == Path("-m.onnx")
    assert options.data == Path("d")
    assert options.others == ["./--data", "a.b=1"]


def test_without_them_it_is_an_option(parser):
    with pytest.raises(UserError, match=r"required: model.*; is -m\.onnx a file\? Put -- before it"):
        parser.parse(["-m.onnx"])


def test_a_model_that_is_called_like_an_option(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit):
        main(["model", "--", "--debug"])
    assert "--debug" in capsys.readouterr().err
