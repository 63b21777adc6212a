"""The example of each operation mode runs as it is where its paths are."""

import shutil
from pathlib import Path

import pytest

from builders import write_clips, write_model

SOURCES = Path(__file__).parents[1] / "src"
EXAMPLES = SOURCES / "config_file_examples"
ZOO = SOURCES / "sezoo" / "zoo" / "stft_tcnn_medium"


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.stem)
def test_an_example(path, tmp_path, pythons):
    little = []
    if path.stem == "training_config":
        pytest.importorskip("torch")
        little = ["model_specific.tcn_latent_dim=8", "training.epochs=1", "training.batch_size=2"]
        little += ["training.reference_metric=train_loss"]
    write_model(tmp_path / "denoiser.onnx")
    shutil.copy(ZOO / "stft_tcnn_medium_int8_static.onnx", tmp_path / "denoiser_int8_static.onnx")
    if path.stem == "benchmarking_config":
        little = ["benchmarking.runs=2"]
    for folder in ("recordings", "noisy", "clean"):
        write_clips(tmp_path / folder, "a.wav b.wav c.wav d.wav")
    (tmp_path / path.name).write_bytes(path.read_bytes())
    words = ["-m", "sezoo", "--config-name", path.stem, "hydra.run.dir=out", "++general.report=False", *little]
    done = pythons.run(words, tmp_path)
    assert done.returncode == 0, done.stderr
    made = {file.name for file in (tmp_path / "out").rglob("*")}
    assert made & {
        *("quantized_model_int8.onnx", "evaluation.json", "predictions", "trained_model.onnx", "benchmark.json"),
        "sezoo_model.c",
    }
