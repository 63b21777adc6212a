import subprocess
import sys
from pathlib import Path

import pydantic
import pytest
import yaml

from every_key import EVERY_KEY
from sezoo.base.errors import UserError
from sezoo.config.plain_data import to_dict
from sezoo.config.sections import (
    SECTIONS,
    CustomModelSpecific,
    Dataset,
    Quantization,
    Training,
)
from sezoo.config.validation import build_config

DEFAULTS = {
    "general": {
        "project_name": "speech_enhancement_project",
        "logs_dir": Path("logs"),
        "saved_models_dir": Path("saved_models"),
        "gpu_memory_limit": 0.5,
        "display_figures": True,
        "report": True,
        "executor": "local",
        "global_seed": None,
    },
    "model": {
        "model_type": "STFTTCNN",
        "custom": None,
        "state_dict_path": None,
        "onnx_path": None,
        "kind": None,
        "function": None,
        "denoised_path": None,
        "framework": "torch",
    },
    "model_specific": {
        "n_blocks": 2,
        "num_layers": 3,
        "in_channels": 257,
        "level_frames": 0,
        "tcn_latent_dim": 512,
        "init_dilation": 2,
        "kernel_size": 3,
        "layer_activation": "relu",
        "mask_activation": "sigmoid",
        "lookahead": None,
        "causal": False,
    },
    "dataset": {
        "name": "valentini",
        "layout_arguments": {},
        "root_folder": None,
        "n_speakers": 56,
        "file_extension": ".wav",
        "num_training_samples": None,
        "num_validation_samples": 100,
        "num_test_samples": None,
        "shuffle": True,
        "random_seed": 42,
        "clean_train_files_path": None,
        "clean_test_files_path": None,
        "noisy_train_files_path": None,
        "noisy_test_files_path": None,
        "clean_valid_files_path": None,
        "noisy_valid_files_path": None,
        "speech_path": None,
        "noise_path": None,
        "shards_path": None,
        "snr_range": (-5.0, 20.0),
        "level_range": (-34.0, -14.0),
        "clip_seconds": 2.0,
        "draw_by": "recording",
        "random_filters": False,
        "bandwidth_range": None,
        "clean_share": 0.0,
        "noise_share": 0.0,
        "high_snr_share": 0.0,
        "high_snr_range": (20.0, 40.0),
        "babble_share": 0.0,
        "hum_share": 0.0,
        "rumble_share": 0.0,
        "reverberation_share": 0.0,
        "rooms": "exponential",
        "reverberation_seconds": (0.15, 0.8),
        "impulse_responses_path": None,
        "early_milliseconds": 50.0,
        "microphone_share": 0.0,
        "clipping_share": 0.0,
        "clipping_range": (1.0, 12.0),
        "board_gain": False,
        "cache": True,
        "cache_gigabytes": 2.0,
        "skip_bad_files": False,
    },
    "preprocessing": {
        "pipeline_type": "LibrosaSpecPipeline",
        "peak_normalize": False,
        "sample_rate": 16000,
        "n_fft": 512,
        "hop_length": 160,
        "win_length": 400,
        "window": "hann",
        "synthesis_window": None,
        "center": True,
        "power": 1.0,
    },
    "training": {
        "trainer_name": "se_trainer",
        "dryrun": False,
        "device": "auto",
        "epochs": 100,
        "optimizer": "Adam",
        "optimizer_arguments": {"lr": 0.001},
        "lr_schedule": "constant",
        "lr_scheduler": {"scheduler": None, "scheduler_arguments": {}},
        "weight_averaging": None,
        "gradient_clipping": None,
        "loss": "spec_mse",
        "loss_arguments": {},
        "pesq_weight": 0.01,
        "cut_weight": 3.0,
        "si_snr_weight": 0.003,
        "teacher": None,
        "teacher_weight": 1.0,
        "batching_strategy": "pad",
        "num_dataloader_workers": None,
        "num_validation_workers": None,
        "batch_size": 16,
        "reference_metric": "pesq",
        "select_by": {},
        "guards": {},
        "early_stopping": True,
        "early_stopping_patience": 50,
        "regularization": {
            "weight_clipping_max": None,
            "activation_regularization": None,
            "act_reg_layer_types": ("Conv1d", "DepthwiseSeparableConv"),
            "act_reg_threshold": 50.0,
            "penalty_type": "l2",
        },
        "save_every": 2,
        "snapshot_path": None,
        "resume": None,
        "mixed_precision": True,
        "sound_examples_every": None,
        "ckpt_path": Path("ckpts"),
        "logs_filename": "training_logs.csv",
        "opset_version": 17,
        "sync_batch_norm": False,
        "quantization_aware": False,
        "tensorboard": False,
        "quantization_ranges": "learned",
    },
    "quantization": {
        "num_quantization_samples": 100,
        "num_workers": None,
        "random_seed": None,
        "noisy_quantization_files_path": None,
        "static_sequence_length": None,
        "static_axis_name": "seq_len",
        "states": {},
        "quantizer": "onnx_quantizer",
        "target_opset": None,
        "per_channel": True,
        "calibration_method": "MinMax",
        "op_types_to_quantize": None,
        "reduce_range": False,
        "nodes_to_quantize": None,
        "nodes_to_exclude": None,
        "weight_type": "Int8",
        "weight_bits": None,
        "activation_type": "Int8",
        "activation_bits": None,
        "weight_overrides": (),
        "activation_overrides": (),
        "extra_options": {"CalibMovingAverage": True},
        "target": None,
        "accuracy_recovery": ("auto",),
        "max_float_macs": 0.0,
        "sensitivity": False,
    },
    "evaluation": {
        "target": "host",
        "logs_path": Path("eval_logs"),
        "device": "auto",
        "fixed_sequence_length": None,
        "metrics": None,
        "play_like": None,
        "frames_per_patch": None,
        "lookahead_frames": None,
        "explain_deployment": False,
        "attenuation_limit_db": None,
        "gen_npy_input": False,
        "gen_npy_output": False,
        "robustness": False,
        "num_workers": None,
        "shard": None,
        "parts": (),
        "remember_noisy_scores": True,
    },
    "prediction": {
        "target": "host",
        "input_path": None,
        "output_path": Path("predictions"),
        "format": None,
        "play_like": "whole",
        "num_workers": None,
        "overwrite": False,
        "attenuation_limit_db": None,
    },
    "tools": {
        "stedgeai": {"version": None, "optimization": "balanced", "on_cloud": True, "path_to_stedgeai": None},
        "path_to_cubeIDE": None,
        "path_to_make": None,
        "path_to_cubeprogrammer": None,
        "path_to_signing_tool": None,
        "path_to_arm_gcc": None,
        "path_to_qemu": None,
    },
    "benchmarking": {
        "board": "STM32N6570-DK",
        "targets": ("stedgeai",),
        "clock_mhz": None,
        "runs": 50,
        "threads": 1,
    },
    "deployment": {
        "backend": None,
        "engine": None,
        "input_gain": None,
        "emulate": True,
        "dry_run": False,
        "frames_per_patch": None,
        "lookahead_frames": None,
        "output_silence_threshold": None,
        "attenuation_limit_db": None,
        "c_project_path": None,
        "IDE": "GCC",
        "verbosity": 1,
        "hardware_setup": {"serie": "STM32N6", "board": "STM32N6570-DK", "stlink_serial_number": None},
        "builder": "cubeide",
        "build_conf": None,
        "symbol_prefix": "sezoo",
        "package": "cmake",
    },
    "mlflow": {"uri": None},
    "tracking": {"clearml": False},
}


def test_every_key_of_the_reference_is_accepted():
    raw = yaml.safe_load(EVERY_KEY)
    config = build_config(raw)
    assert set(raw) == {*SECTIONS, "operation_mode", "hydra"} - {"prediction", "tracking"}  # sections of our own
    for name, section in raw.items():
        if name in SECTIONS:
            assert set(section) <= set(SECTIONS[name].model_fields), name
    assert config.model.onnx_path == Path("model.onnx")
    assert config.dataset.root_folder == Path("/path")


@pytest.mark.parametrize("name", SECTIONS)
def test_defaults(name):
    assert SECTIONS[name]().model_dump() == DEFAULTS[name]


@pytest.mark.parametrize("name", SECTIONS)
def test_every_key_may_be_empty(name):
    expected = dict(DEFAULTS[name])
    if name == "quantization":
        expected["num_quantization_samples"] = None  # empty means all; the default is for a missing key
    if name == "mlflow":
        expected["uri"] = None  # empty turns the tracking off
    for empty in (None, "", " "):
        section = SECTIONS[name].model_validate(dict.fromkeys(SECTIONS[name].model_fields, empty))
        assert section.model_dump() == expected


def test_sections_do_not_change():
    with pytest.raises(pydantic.ValidationError):
        Dataset().name = "custom"


def test_every_key_is_described():
    for cls in SECTIONS.values():
        assert cls.__doc__
        assert all(field.description for field in cls.model_fields.values())


@pytest.mark.parametrize(("raw", "value"), [(1, 1), (0.25, 0.25), (1.0, 1.0), ("2*3", 6), ("1/4", 0.25), ("1", 1)])
def test_sample_counts(raw, value):
    count = Dataset(num_test_samples=raw).num_test_samples
    assert count == value
    assert type(count) is type(value)


@pytest.mark.parametrize("raw", [0, -1, 1.5, "many", True, 0.0, -0.5, [1], float("nan")])
def test_bad_sample_counts(raw):
    with pytest.raises(pydantic.ValidationError):
        Dataset(num_test_samples=raw)


@pytest.mark.parametrize(
    ("raw", "value"), [([-5, 20], (-5.0, 20.0)), ("(0, 1/2)", (0.0, 0.5)), (["-5", 3], (-5.0, 3.0))]
)
def test_ranges(raw, value):
    assert Dataset(snr_range=raw).snr_range == value


@pytest.mark.parametrize(
    "raw", [[20, -5], 5, [1], [1, 2, 3], "wide", [0, 1e5], [0, float("inf")], [False, True], ["a", "b"]]
)
def test_bad_ranges(raw):
    with pytest.raises(pydantic.ValidationError):
        Dataset(snr_range=raw)


@pytest.mark.parametrize("raw", [[0, 8000], [-5, 8000], [8000, 6000], 7000])
def test_bad_ranges_of_frequencies(raw):
    assert Dataset(bandwidth_range=[6500, "9e3"]).bandwidth_range == (6500.0, 9000.0)
    assert Dataset(bandwidth_range=None).bandwidth_range is None
    with pytest.raises(pydantic.ValidationError):
        Dataset(bandwidth_range=raw)


def test_loose_spelling_is_understood():
    training = Training.model_validate(
        {
            "epochs": "2*50",
            "early_stopping": "False",
            "optimizer_arguments": {"lr": "1e-3", "betas": "(0.9, 0.999)", "fused": "True"},
            "regularization": {"act_reg_threshold": 50, "act_reg_layer_types": "Conv1d"},
            "ckpt_path": 2024,
        }
    )
    assert training.epochs == 100
    assert training.early_stopping is False
    assert training.optimizer_arguments == {"lr": 0.001, "betas": (0.9, 0.999), "fused": True}
    assert training.regularization.act_reg_threshold == 50.0
    assert training.regularization.act_reg_layer_types == ("Conv1d",)
    assert training.ckpt_path == Path("2024")
    assert Quantization(op_types_to_quantize="('Conv', 'MatMul')").op_types_to_quantize == ("Conv", "MatMul")
    assert Dataset(n_speakers="28").n_speakers == 28


@pytest.mark.parametrize("text", ["2024-10-12", "1/2", "2*3", "(1, 2)", "True", "__import__('os').system('x')"])
def test_text_and_paths_keep_what_was_written(text):
    config = yaml.safe_load("general: {}\noperation_mode: benchmarking\nmodel: {onnx_path: m.onnx}\nbenchmarking:")
    config["general"] = {"project_name": text, "logs_dir": text}
    general = build_config(config).general
    assert general.project_name == text
    assert general.logs_dir == Path(text)


def test_numbers_and_dates_of_yaml_are_text_where_text_is_meant():
    raw = yaml.safe_load("tools: {stedgeai: {version: 10.0}}\ngeneral: {project_name: 2024-10-12}")
    assert SECTIONS["tools"].model_validate(raw["tools"]).stedgeai.version == "10.0"
    assert SECTIONS["general"].model_validate(raw["general"]).project_name == "2024-10-12"


def test_the_keys_of_a_custom_model_are_free():
    raw = yaml.safe_load(EVERY_KEY)
    raw["model"]["model_type"] = "Custom"
    raw["model_specific"] = {"width": "2**8", "name": "x", "skip": None}
    network = build_config(raw).model_specific
    assert isinstance(network, CustomModelSpecific)
    assert network.model_extra == {"width": 256, "name": "x", "skip": None}


def test_the_keys_of_a_utcn_are_its_own():
    raw = yaml.safe_load(EVERY_KEY)
    raw |= {"operation_mode": "training"}
    raw["model"]["model_type"] = "UTCN"
    raw["model_specific"] = {"tcn_latent_dim": 64, "channels": [8, 16, 24]}
    network = build_config(raw).model_specific
    assert (network.n_blocks, network.tcn_latent_dim, network.channels) == (2, 64, (8, 16, 24))
    assert build_config(to_dict(build_config(raw))).model_specific == network
    for wrong, told in (
        ({"channels": [8, 16]}, r"model_specific\.channels"),
        ({"in_channels": 129}, r"model_specific\.in_channels: found 129; preprocessing\.n_fft 512 needs 257"),
    ):
        with pytest.raises(UserError, match=told):
            build_config({**raw, "model_specific": wrong})


def test_importing_the_sections_imports_nothing_heavy():
    code = (
        "import sys; import sezoo.config.sections, sezoo.config.validation;"
        "heavy = {'numpy', 'hydra', 'omegaconf', 'onnx', 'onnxruntime', 'torch', 'yaml'} & set(sys.modules);"
        "sys.exit(', '.join(heavy) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stderr
