"""The example of each operation mode runs as it is where its paths are."""

import subprocess
import sys
from pathlib import Path

import pytest

from builders import write_clips, write_model

EXAMPLES = Path(__file__).parents[1] / "src" / "config_file_examples"


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.stem)
def test_an_example(path, tmp_path):
    little = []
    if path.stem == "training_config":
        pytest.importorskip("torch")
        little = ["model_specific.tcn_latent_dim=8", "training.epochs=1", "training.batch_size=2"]
        little += ["training.reference_metric=train_loss"]
    write_model(tmp_path / "denoiser.onnx")
    for folder in ("recordings", "noisy", "clean"):
        write_clips(tmp_path / folder, "a.wav b.wav c.wav d.wav")
    (tmp_path / path.name).write_bytes(path.read_bytes())
    done = subprocess.run(
        [sys.executable, "-m", "sezoo", "--config-name", path.stem, "hydra.run.dir=out", *little],
        cwd=tmp_path, capture_output=True, text=True, encoding="utf-8", check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    made = {file.name for file in (tmp_path / "out").rglob("*")}
    assert made & {"quantized_model_int8.onnx", "evaluation.json", "predictions", "trained_model.onnx"}
