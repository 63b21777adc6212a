"""The model zoo's YAML, its command and its file names, with only the paths changed."""

import subprocess
import sys
from pathlib import Path

import onnx
import pytest
import soundfile

from sezoo.dataset import DEMO_RECORDINGS

ROOT = Path(__file__).parents[1]
SAMPLE = ROOT.parent / "shared" / "data" / "valentini_48k_sample"
MODEL = ROOT / "src" / "sezoo" / "zoo" / "stft_tcnn_medium" / "stft_tcnn_medium.onnx"

EVERY_KEY = """
{general}
  project_name: speech_enhancement_project
  logs_dir: logs
  saved_models_dir: saved_models
  gpu_memory_limit: 0.5
  display_figures: True
operation_mode: quantization
model:
  model_type: STFTTCNN
  state_dict_path:
  onnx_path: {model}
model_specific: {{n_blocks: 2, num_layers: 3, in_channels: 257, tcn_latent_dim: 512, init_dilation: 2,
                 mask_activation: sigmoid}}
dataset:
  name: valentini
  root_folder: {root}
  n_speakers: 28
  file_extension: '.wav'
  num_training_samples:
  num_validation_samples: 100
  num_test_samples:
  shuffle: True
  random_seed: 42
  clean_train_files_path:
  clean_test_files_path:
  noisy_train_files_path:
  noisy_test_files_path:
preprocessing: {{pipeline_type: LibrosaSpecPipeline, peak_normalize: False, sample_rate: 16000, n_fft: 512,
                hop_length: 160, win_length: 400, window: hann, center: True, power: 1}}
training:
  device: cuda:0
  epochs: 100
  optimizer: Adam
  optimizer_arguments: {{lr: 0.001}}
  loss: spec_mse
  batching_strategy: pad
  num_dataloader_workers: 4
  batch_size: 16
  reference_metric: pesq
  early_stopping: True
  early_stopping_patience: 50
  regularization: {{weight_clipping_max: , activation_regularization: ,
                   act_reg_layer_types: [Conv1d, DepthwiseSeparableConv],
                   act_reg_threshold: 50.0, penalty_type: l2}}
  save_every: 2
  snapshot_path:
  ckpt_path: ckpts/
  logs_filename: training_logs.csv
  opset_version: 17
quantization:
  num_quantization_samples: 100
  random_seed:
  noisy_quantization_files_path:
  static_sequence_length: 40
  static_axis_name: "seq_len"
  per_channel: True
  calibration_method: MinMax
  op_types_to_quantize:
  reduce_range: False
  extra_options: {{CalibMovingAverage: True}}
evaluation: {{logs_path: eval_logs/, device: "cuda:0", fixed_sequence_length: }}
tools: {{stedgeai: {{version: 10.0.0, optimization: balanced, on_cloud: True, path_to_stedgeai: }}, path_to_cubeIDE: }}
benchmarking: {{board: STM32N6570-DK}}
deployment:
  frames_per_patch: 30
  lookahead_frames: 5
  output_silence_threshold: -50
  c_project_path:
  IDE: GCC
  verbosity: 1
  hardware_setup: {{serie: STM32N6, board: STM32N6570-DK, stlink_serial_number: }}
  build_conf: "N6 Audio Bare Metal"
mlflow: {{uri: {out}/experiment_outputs/mlruns}}
hydra: {{run: {{dir: "{out}/experiment_outputs/${{now:%Y_%m_%d_%H_%M_%S}}"}}}}
"""


@pytest.fixture(scope="module")
def root_folder(tmp_path_factory):
    """Recordings in Valentini's layout: the real ones where they are there, else the demo's."""
    if SAMPLE.is_dir():
        return SAMPLE
    folder = tmp_path_factory.mktemp("valentini")
    for kind in ("noisy", "clean"):
        (folder / f"{kind}_trainset_28spk_wav").mkdir()
        for path in sorted((DEMO_RECORDINGS / f"{kind}_trainset").glob("*.flac"))[:10]:
            target = folder / f"{kind}_trainset_28spk_wav" / f"{path.stem}.wav"
            soundfile.write(target, *soundfile.read(path, dtype="int16"))
    return folder


@pytest.mark.parametrize("general", ["general:", "general:general:"])
def test_every_published_key_runs_from_src(general, root_folder, tmp_path):
    text = EVERY_KEY.format(
        general=general, model=MODEL.as_posix(), root=root_folder.as_posix(), out=tmp_path.as_posix()
    )
    (tmp_path / "user_config.yaml").write_text(text, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "stm32ai_main.py", "--config-path", str(tmp_path), "--config-name", "user_config"],
        cwd=ROOT / "src", capture_output=True, text=True, encoding="utf-8", check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert ("'general:general'" in done.stderr) == (general == "general:general:")

    (run,) = (path for path in (tmp_path / "experiment_outputs").iterdir() if path.name != "mlruns")
    assert {path.name for path in run.iterdir()} >= {".hydra", "stm32ai_main.log", "saved_models"}
    models = {path.name: onnx.load(path) for path in (run / "saved_models").iterdir()}
    assert set(models) == {"preprocessed_model.onnx", "quantized_model_int8.onnx", "quantized_model_int8_static.onnx"}
    shape = models["quantized_model_int8_static.onnx"].graph.input[0].type.tensor_type.shape
    assert [dim.dim_value for dim in shape.dim] == [1, 257, 40]
    shape = models["quantized_model_int8.onnx"].graph.input[0].type.tensor_type.shape
    assert [dim.dim_param or dim.dim_value for dim in shape.dim] == ["batch", 257, "seq_len"]


def test_the_file_that_src_holds_runs_as_it_is(tmp_path):
    done = subprocess.run(
        [sys.executable, "stm32ai_main.py", f"hydra.run.dir={tmp_path.as_posix()}/run", "mlflow.uri="],
        cwd=ROOT / "src", capture_output=True, text=True, encoding="utf-8", check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "run" / "saved_models" / "quantized_model_int8_static.onnx").is_file()
