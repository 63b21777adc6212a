"""Words that stand for what comes with sezoo, and other ways to say the same."""

import argparse
from pathlib import Path

import pytest

from sezoo.base.errors import UserError
from sezoo.base.shipped import DEMO_RECORDINGS
from sezoo.base.version import __version__
from sezoo.cli.main import main
from sezoo.cli.section_options import KeyValue
from sezoo.cli.shipped import demo_folder, is_demo, model_path, static_model_path
from sezoo.config.validation import build_config
from sezoo.demo.recordings_copy import copy_recordings
from sezoo.models.onnx_file import load_configured
from sezoo.zoo import zoo_model


@pytest.fixture(autouse=True)
def empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("word", "attribute"),
    [("utcn_small", "float_model"), ("utcn_small_int8", "int8"), ("utcn_small_int8_static", "int8_static")],
)
def test_a_shipped_model_by_its_name(word, attribute):
    assert model_path(word).samefile(getattr(zoo_model("utcn_small"), attribute))


def test_a_shipped_model_for_a_device_is_the_static_int8_one():
    static = zoo_model("utcn_small").int8_static
    assert static_model_path("utcn_small").samefile(static)
    assert static_model_path("utcn_small_int8_static").samefile(static)
    assert static_model_path("utcn_small.onnx") == Path("utcn_small.onnx")
    assert static_model_path("utcn_small_int8").samefile(zoo_model("utcn_small").int8)


@pytest.mark.parametrize("word", ["model.onnx", "folder/utcn_small", "./utcn_small", "..", "weights.pth"])
def test_a_path_stays_one(word):
    assert model_path(word) == Path(word)


def test_what_is_on_the_disk_comes_first(empty_folder):
    (empty_folder / "utcn_small").write_bytes(b"mine")
    (empty_folder / "demo").mkdir()
    assert model_path("utcn_small").read_bytes() == b"mine"
    assert demo_folder("noisy_testset")("demo").samefile(empty_folder / "demo")


def test_results_under_the_name_of_what_comes_with_sezoo_are_not_taken_for_it(empty_folder):
    """After `sezoo demo -o demo` and `sezoo zoo get utcn_small -o utcn_small` the names mean what they did before."""
    (empty_folder / "utcn_small").mkdir()
    (empty_folder / "demo").mkdir()
    (empty_folder / "demo" / "run.json").write_text("{}", encoding="utf-8")
    assert model_path("utcn_small").samefile(zoo_model("utcn_small").float_model)
    assert static_model_path("utcn_small").samefile(zoo_model("utcn_small").int8_static)
    assert demo_folder("noisy_testset")("demo").samefile(DEMO_RECORDINGS / "noisy_testset")


def test_a_name_that_is_nearly_one():
    with pytest.raises(argparse.ArgumentTypeError, match="utcn_smal; did you mean utcn_small"):
        model_path("utcn_smal")
    with pytest.raises(argparse.ArgumentTypeError, match="no model nothing_like_it; sezoo zoo list"):
        model_path("nothing_like_it")


def test_a_yaml_file_names_a_shipped_model(empty_folder):
    def path_of(word):
        return build_config({"operation_mode": "benchmarking", "model": {"onnx_path": word}}).model.onnx_path

    assert path_of("utcn_small_int8").samefile(zoo_model("utcn_small").int8)
    assert path_of("./utcn_small") == Path("utcn_small")
    with pytest.raises(UserError, match=r"no file utcn_smal .*; did you mean utcn_small, which comes with sezoo"):
        load_configured(path_of("utcn_smal"))
    with pytest.raises(UserError, match=r"no file utcn_small.onnx .*; did you mean utcn_small, which comes with sezoo"):
        load_configured(path_of("utcn_small.onnx"))
    (empty_folder / "utcn_mall.onnx").touch()
    with pytest.raises(UserError, match=r"no file utcn_smal.onnx .*; did you mean utcn_mall.onnx\?"):
        load_configured(path_of("utcn_smal.onnx"))  # a file of one's own comes before a name that is only similar
    (empty_folder / "utcn_small").write_bytes(b"mine")
    assert path_of("utcn_small") == Path("utcn_small")


def test_the_demos_recordings():
    assert demo_folder("noisy_trainset")("demo").samefile(DEMO_RECORDINGS / "noisy_trainset")
    assert is_demo(demo_folder("clean_testset")("demo")) and not is_demo(None) and not is_demo(Path("noisy_testset"))


def test_names_in_any_case():
    assert KeyValue("benchmarking.board")("stm32n6570-dk") == "STM32N6570-DK"
    assert KeyValue("evaluation.metrics", several=True)("PESQ, Si_SNR,") == ["pesq", "si_snr"]


@pytest.mark.parametrize(
    ("words", "start"), [(["help"], "usage: sezoo COMMAND"), (["version"], f"sezoo {__version__}")]
)
def test_help_and_version_as_words(words, start, capsys):
    main(words)
    assert capsys.readouterr().out.startswith(start)


def test_help_of_a_command(capsys):
    with pytest.raises(SystemExit):
        main(["help", "zoo"])
    assert capsys.readouterr().out.startswith("usage: sezoo zoo")


def test_a_yaml_file_as_the_first_word(empty_folder, capsys):
    (empty_folder / "settings.yaml").write_text("operation_mode: quantisation\n", encoding="utf-8")
    with pytest.raises(SystemExit) as caught:
        main(["settings.yaml"])
    assert caught.value.code == 2
    assert "did you mean quantization" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["other.yaml"])
    assert "there is no file other.yaml" in capsys.readouterr().err


def test_the_demos_recordings_are_copied_into_a_new_folder_only(tmp_path):
    folders = copy_recordings(tmp_path / "recordings")
    assert [path.name for path in folders] == [
        f"{kind}_{part}" for kind in ("clean", "noisy") for part in ("testset", "trainset")
    ]
    names = [sorted(path.name for path in folder.iterdir()) for folder in folders]
    assert names[0] == names[2] and names[1] == names[3] and names[0]
    with pytest.raises(UserError, match="recordings already exists and is not an empty folder"):
        copy_recordings(tmp_path / "recordings")
