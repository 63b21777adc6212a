"""`sezoo zoo`: the table, the cards, and copies that replace nothing."""

import json
from pathlib import Path

import pytest

from sezoo.base.errors import UserError
from sezoo.cli.main import main
from sezoo.zoo import copy_model, zoo_model, zoo_models


def sezoo(capsys, *words):
    main(list(words))
    return capsys.readouterr().out


def test_every_card_has_the_numbers_of_the_table():
    for model in zoo_models():
        assert model.title
        assert model.float_model.is_file()
        assert model.int8.is_file()
        assert model.int8_static.is_file()
        assert 100_000 < model.parameters < 10_000_000
        assert 100_000 < model.macs_per_frame < 10_000_000
        assert 1 < model.pesq_noisy < model.pesq_int8 < model.pesq_float + 0.01 < 4.5
        assert model.pesq_stream is None or model.pesq_noisy < model.pesq_stream < model.pesq_int8 + 0.01
        on_board = model.pesq_board is not None  # networks of short latency are for streams
        assert on_board == (model.latency_ms > 35) and (not on_board or model.pesq_noisy < model.pesq_board < 4.5)
        assert f"| float | {model.pesq_float:.3f} |" in model.card


def test_list(capsys):
    out = sezoo(capsys, "zoo")
    assert out == sezoo(capsys, "zoo", "list")
    (line,) = [line for line in out.splitlines() if "utcn_small" in line]
    assert line.split() == ["utcn_small", "0.43", "0.21", "0.30", "M", "185", "2.91", "2.91", "2.89", "2.79"]
    told = json.loads(sezoo(capsys, "zoo", "--json"))
    assert list(told) == [model.name for model in zoo_models()]
    assert told["utcn_small"]["pesq"] == {
        "noisy": 2.165,
        "float": 2.908,
        "int8": 2.908,
        "int8_stream": 2.891,
        "int8_board": 2.789,
    }


def test_show(capsys):
    out = sezoo(capsys, "zoo", "show", "utcn_small")
    assert "108,108" in out
    assert "**" not in out  # Markdown that is set, not printed
    assert "─" not in out.partition("utcn_small.onnx")[0]  # the first table has no head, so no line below it
    assert "─" in out
    assert json.loads(sezoo(capsys, "zoo", "show", "utcn_small", "--json"))["card"].startswith("# U-TCN small")


def test_get(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    out = sezoo(capsys, "zoo", "get", "utcn_small")
    names = {path.name for path in Path("utcn_small").iterdir()}
    assert names == {
        *("utcn_small.onnx", "utcn_small_int8.onnx", "utcn_small_int8_static.onnx", "utcn_small_stm32n6.onnx"),
        *("README.md", "guarded.yaml", "quantization.yaml", "quantization_stm32n6.yaml", "training.yaml"),
    }
    assert all(name in out for name in names)
    assert Path("utcn_small/utcn_small.onnx").read_bytes() == zoo_model("utcn_small").float_model.read_bytes()
    copied = json.loads(sezoo(capsys, "zoo", "get", "utcn_small", "-o", "a/b", "--json"))["copied"]
    assert all(Path(path).is_file() for path in copied)


def test_get_replaces_nothing(tmp_path):
    (tmp_path / "README.md").write_text("mine", encoding="utf-8")
    with pytest.raises(UserError, match=r"README.md already exists, and is not replaced; .* with -o"):
        copy_model("utcn_small", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["README.md"]
    assert (tmp_path / "README.md").read_text(encoding="utf-8") == "mine"
    with pytest.raises(UserError, match="is a file; choose a folder"):
        copy_model("utcn_small", tmp_path / "README.md")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["show", "utcn_smal"], "did you mean utcn_small? (sezoo zoo list)"),
        (["get", "x"], "there are stft_tcnn_medium, "),
        (["get"], "the name of a model is missing: sezoo zoo get "),
        (["list", "utcn"], "sezoo zoo show utcn shows its card"),
        (["shw"], "did you mean show?"),
    ],
)
def test_errors(words, message, capsys):
    with pytest.raises(SystemExit) as end:
        main(["zoo", *words])
    assert end.value.code == 2
    assert message in capsys.readouterr().err
