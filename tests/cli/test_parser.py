"""Words that begin with a dash and are no options."""

import re
from pathlib import Path

import pytest

from sezoo.base.errors import UserError
from sezoo.cli.main import main
from sezoo.cli.parser import Parser, add_overrides


@pytest.fixture
def parser():
    made = Parser("sezoo test", "%(prog)s MODEL")
    made.add_argument("model", type=Path)
    made.add_argument("others", nargs="*", default=[])
    made.add_argument("--data", type=Path)
    return made


def test_behind_two_dashes_are_files(parser):
    options = parser.parse(["--data", "d", "--", "-m.onnx", "--data", "a.b=1"])
    assert options.model == Path("-m.onnx")
    assert options.data == Path("d")
    assert options.others == ["./--data", "a.b=1"]


def test_without_them_it_is_an_option(parser):
    with pytest.raises(UserError, match=r"^model is missing: sezoo test MODEL; is -m\.onnx a file\? Put -- before it"):
        parser.parse(["-m.onnx"])


@pytest.mark.parametrize(
    ("words", "names"),
    [
        ("", "MODEL and --data are missing"),
        ("m.onnx a.b=1", "--data is missing"),
        ("--data=d", "MODEL is missing"),
        ("-dd a.b=1", None),
    ],
)
def test_all_that_is_missing_is_named_with_a_command_that_has_it(words, names):
    made = Parser("sezoo test", "%(prog)s MODEL --data DIR [options]", example="sezoo test utcn_small --data demo")
    made.add_argument("model", metavar="MODEL")
    made.add_argument("-d", "--data", required=True)
    add_overrides(made)
    if names is None:
        assert made.parse(words.split()).data == "d"
        return
    usage = "sezoo test MODEL --data DIR [options]; for example, sezoo test utcn_small --data demo"
    with pytest.raises(UserError, match=re.escape(f"{names}: {usage}; see sezoo test --help")):
        made.parse(words.split())


def test_a_model_that_is_called_like_an_option(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit):
        main(["model", "--", "--debug"])
    assert "--debug" in capsys.readouterr().err
