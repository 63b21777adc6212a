"""The example of each operation mode runs as it is where its paths are."""

import subprocess
import sys
from pathlib import Path

import pytest

from builders import write_clips, write_model

EXAMPLES = Path(__file__).parents[1] / "src" / "config_file_examples"


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.stem)
def test_an_example(path, tmp_path):
    write_model(tmp_path / "denoiser.onnx")
    for folder in ("recordings", "noisy", "clean"):
        write_clips(tmp_path / folder, "a.wav b.wav")
    (tmp_path / path.name).write_bytes(path.read_bytes())
    done = subprocess.run(
        [sys.executable, "-m", "sezoo", "--config-name", path.stem, "hydra.run.dir=out"],
        cwd=tmp_path, capture_output=True, text=True, encoding="utf-8", check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    made = {file.name for file in (tmp_path / "out").rglob("*")}
    assert made & {"quantized_model_int8.onnx", "evaluation.json", "predictions"}
