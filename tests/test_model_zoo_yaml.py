"""The model zoo's YAML, its command and its file names, with only the paths changed."""

import json
from pathlib import Path

import onnx
import pytest
import soundfile

from builders import write_model
from every_key import EVERY_KEY, EVERY_KEY_OF_VERSION_4
from sezoo.base.shipped import DEMO_RECORDINGS
from sezoo.cli.hydra_run import compose_file
from sezoo.cli.hydra_words import config_file
from sezoo.config.upgrade import upgrade_text
from sezoo.config.validation import missing_paths

ROOT = Path(__file__).parents[1]
SAMPLE = ROOT.parent / "shared" / "data" / "valentini_48k_sample"


@pytest.fixture(scope="module")
def root_folder(tmp_path_factory):
    """Recordings in Valentini's layout: the real ones where they are there, else some of the demo's."""
    if SAMPLE.is_dir():
        return SAMPLE
    folder = tmp_path_factory.mktemp("valentini")
    for kind in ("noisy", "clean"):
        for half, name in (("train", f"{kind}_trainset_28spk_wav"), ("test", f"{kind}_testset_wav")):
            (folder / name).mkdir()
            for path in sorted((DEMO_RECORDINGS / f"{kind}_{half}set").glob("*.flac"))[:4]:
                soundfile.write(folder / name / f"{path.stem}.wav", *soundfile.read(path, dtype="int16"))
    return folder


FORMS = {
    "src": (EVERY_KEY, "./experiment_outputs"),
    "speech_enhancement": (EVERY_KEY_OF_VERSION_4, "./pt/src/experiment_outputs"),
}
"""The file with every key of version 3 and of version 4, by the folder that the command is run from."""


@pytest.fixture
def run_published(root_folder, tmp_path, pythons):
    """Runs the file with every published key by the published command: the run's folder, and what was logged."""

    def run(general, *overrides, folder="src"):
        text, outputs = FORMS[folder]
        for published, here in {
            "general:": general,
            "model.onnx": write_model(tmp_path / "model.onnx").as_posix(),
            "/path": root_folder.as_posix(),
            "n_speakers: 56": "n_speakers: 28",
            outputs: f"{tmp_path.as_posix()}/experiment_outputs",
        }.items():
            assert published in text
            text = text.replace(published, here)
        (tmp_path / "user_config.yaml").write_text(text, encoding="utf-8")
        words = ["stm32ai_main.py", "--config-path", tmp_path, "--config-name", "user_config", *overrides]
        done = pythons.run(words, ROOT / folder)
        assert done.returncode == 0, done.stderr
        (path,) = (path for path in (tmp_path / "experiment_outputs").iterdir() if path.name != "mlruns")
        return path, done.stderr

    return run


@pytest.mark.parametrize(("folder", "general"), [("src", "general:general:"), ("speech_enhancement", "general:")])
def test_every_published_key_runs(folder, general, run_published):
    run, told = run_published(general, folder=folder)
    assert ("'general:general'" in told) == (general == "general:general:")
    assert {path.name for path in run.iterdir()} >= {".hydra", "stm32ai_main.log", "saved_models"}
    models = {path.name: onnx.load(path) for path in (run / "saved_models").iterdir()}
    assert set(models) == {"preprocessed_model.onnx", "quantized_model_int8.onnx", "quantized_model_int8_static.onnx"}
    shape = models["quantized_model_int8_static.onnx"].graph.input[0].type.tensor_type.shape
    assert [dim.dim_value for dim in shape.dim] == [1, 257, 40]
    shape = models["quantized_model_int8.onnx"].graph.input[0].type.tensor_type.shape
    assert [dim.dim_param or dim.dim_value for dim in shape.dim] == ["batch", 257, "seq_len"]


def test_the_published_chain_scores_float_and_int8(run_published):
    run, _ = run_published("general:", "operation_mode=chain_eqe", "dataset.num_test_samples=2")
    for folder in ("eval_logs", "eval_logs_quantized", "eval_logs_quantized_patches", "eval_logs_quantized_board"):
        means = json.loads((run / folder / "metrics_dict.json").read_text(encoding="utf-8"))
        assert set(means) >= {"pesq", "stoi", "snr", "sisnr", "mse"}
        rows = (run / folder / "detailed_metrics.csv").read_text(encoding="utf-8").splitlines()
        assert len(rows) == 3


@pytest.mark.parametrize("folder", ["src", "speech_enhancement"])
def test_the_file_that_the_folder_holds_runs_as_it_is(folder, tmp_path, pythons):
    words = ["stm32ai_main.py", f"hydra.run.dir={tmp_path.as_posix()}/run", "mlflow.uri=", "++general.report=False"]
    words += ["quantization.num_quantization_samples=4", "++quantization.accuracy_recovery=none"]
    done = pythons.run(words, ROOT / folder)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "run" / "saved_models" / "quantized_model_int8_static.onnx").is_file()


def test_both_folders_files_make_the_same_models():
    old, new = (compose_file(ROOT / folder / "user_config.yaml") for folder in ("src", "speech_enhancement"))
    assert old.quantization == new.quantization
    assert old.preprocessing == new.preprocessing
    assert old.model.onnx_path == Path("sezoo", *new.model.onnx_path.parts[3:])


EXAMPLES = sorted((ROOT / "speech_enhancement" / "config_file_examples").glob("*.yaml"))


def test_there_is_an_example_of_each_mode_of_version_4():
    modes = {path.stem.removesuffix("_config") for path in EXAMPLES}
    chains = {"chain_tqe", "chain_tqeb", "chain_eqe", "chain_eqeb", "chain_qd"}
    assert modes == {"training", "evaluation", "quantization", "benchmarking", "deployment"} | chains


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_of_version_4_lacks_nothing_but_its_paths(path, capsys):
    folder = path.parents[1]
    name = path.relative_to(folder).parent.as_posix()
    found, rest = config_file(["--config-path", f"./{name}/", "--config-name", path.name], folder)
    assert (found.name, rest) == (path.name, [])
    config = compose_file(path)
    assert config.operation_mode == path.stem.removesuffix("_config")
    assert missing_paths(config)
    assert config.mlflow.uri == "./pt/src/experiment_outputs/mlruns"
    assert "./pt/src/experiment_outputs/${now:" in path.read_text(encoding="utf-8")
    assert not upgrade_text(path.read_text(encoding="utf-8")).changes
