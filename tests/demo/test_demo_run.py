import subprocess
import sys
from pathlib import Path

import pytest

from sezoo.base.errors import UserError
from sezoo.demo.run import demo_config, run_demo

VERSIONS = ("noisy", "float", "int8")


def test_the_demo_quantizes_scores_and_says_where_everything_is(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "sezoo", "demo", "-o", "out"],
        cwd=tmp_path, capture_output=True, text=True, encoding="utf-8", check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    rows = {name: next(line.split()[1:] for line in lines if line.startswith(f" {name}  ")) for name in VERSIONS}
    noisy, float32, int8 = (float(rows[name][0]) for name in VERSIONS)
    assert 1 < noisy < float32 < 4.6
    assert noisy < int8 < 4.6
    for name in ("saved_models/quantized_model_int8.onnx", "saved_models/quantized_model_int8_static.onnx"):
        assert (tmp_path / "out" / name).is_file()
        assert str(Path("out") / name) in done.stdout
    assert (tmp_path / "out" / "comparison.png").read_bytes().startswith(b"\x89PNG")
    listen = tmp_path / "out" / "listen"
    assert {path.name for path in listen.iterdir()} - {"board"} == {"index.json", "best", "median", "worst"}
    assert sorted(path.name for path in (listen / "median").glob("*.flac")) == [
        *("1_noisy.flac", "2_float.flac", "3_int8.flac"),
        *("4_int8_patches.flac", "5_int8_board.flac", "6_int8_stream.flac", "7_clean.flac"),
    ]
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert page.count("<audio") == len(list(listen.glob("*/masks.npz"))) * 7
    assert str(Path("out") / "report.html") in done.stdout


def test_a_folder_with_something_in_it_is_not_written_to(tmp_path):
    (tmp_path / "mine.txt").write_text("precious", encoding="utf-8")
    with pytest.raises(UserError, match="choose another with -o"):
        run_demo(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_the_demos_model_is_where_its_configuration_says():
    assert demo_config().model.onnx_path.is_file()
