import logging

import pytest
import yaml

from sezoo.base.errors import UserError
from sezoo.config.modes import OPERATION_MODES
from sezoo.config.name_types import SELECTABLE
from sezoo.config.plain_data import to_dict, to_yaml
from sezoo.config.validation import build_config

QUANTIZATION = """
operation_mode: quantization
model: {onnx_path: model.onnx}
dataset: {name: valentini, root_folder: data}
preprocessing:
quantization:
"""

MODES = ", ".join(OPERATION_MODES)


def raw_with(text="", **sections):
    """The quantization file with the sections of `text` put over its own."""
    return {**yaml.safe_load(QUANTIZATION), **(yaml.safe_load(text) or {}), **sections}


def message(raw):
    with pytest.raises(UserError) as error:
        build_config(raw)
    text = str(error.value)
    assert "\n" not in text
    return text


def test_a_minimal_file_has_all_defaults():
    config = build_config(raw_with())
    assert config.operation_mode == "quantization"
    assert config.quantization.per_channel is True
    assert config.general.project_name == "speech_enhancement_project"
    assert config.training is None
    assert config.deployment is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "quantization: {calibration_method: MinMx}",
            "quantization.calibration_method: found 'MinMx'; allowed: MinMax, Entropy, Percentile, Distribution "
            "(did you mean MinMax?)",
        ),
        (
            "quantization: {calibration_method: 3}",
            "quantization.calibration_method: found 3; allowed: MinMax, Entropy, Percentile, Distribution",
        ),
        (
            "dataset: {num_training_samples: many}",
            "dataset.num_training_samples: found 'many'; allowed: a number of clips (1 or more), "
            "a fraction between 0 and 1, or empty for all",
        ),
        (
            "dataset: {num_test_samples: 0}",
            "dataset.num_test_samples: found 0; allowed: a number of clips (1 or more), "
            "a fraction between 0 and 1, or empty for all",
        ),
        (
            "dataset: {num_validation_samples: 1.5}",
            "dataset.num_validation_samples: found 1.5; allowed: a number of clips (1 or more) "
            "or a fraction between 0 and 1",
        ),
        ("dataset: {n_speakers: 30}", "dataset.n_speakers: found 30; allowed: 28, 56"),
        ("quantization: {activation_bits: 12}", "quantization.activation_bits: found 12; allowed: 8, 16, auto"),
        (
            "training: {select_by: pesq}",
            "training.select_by: found 'pesq'; allowed: a mapping of metrics to numbers; metrics are "
            + ", ".join(SELECTABLE),
        ),
        ("dataset: {shuffle: maybe}", "dataset.shuffle: found 'maybe'; allowed: True, False"),
        (
            "general: {gpu_memory_limit: 1}",
            "general.gpu_memory_limit: found 1; allowed: a fraction above 0 and below 1",
        ),
        (
            "training: {epochs: True}",
            "training.epochs: found True; allowed: a whole number, 1 or more",
        ),
        (
            "training: {epochs: 9**9**9}",
            "training.epochs: found '9**9**9'; allowed: a whole number, 1 or more",
        ),
        (
            "training: {regularization: {act_reg_threshold: high}}",
            "training.regularization.act_reg_threshold: found 'high'; allowed: a number, 0 or more",
        ),
        (
            "training: {regularization: 5}",
            "training.regularization: found 5; allowed: a mapping of keys to values",
        ),
        (
            "training: {optimizer_arguments: 0.1}",
            "training.optimizer_arguments: found 0.1; allowed: a mapping of names to values",
        ),
        (
            "training: {regularization: {act_reg_layer_types: [1, 2]}}",
            "training.regularization.act_reg_layer_types: found [1, 2]; allowed: a list of names",
        ),
        ("mlflow: {uri: [a]}", "mlflow.uri: found ['a']; allowed: text"),
        ("general: {logs_dir: {a: b}}", "general.logs_dir: found {'a': 'b'}; allowed: a path"),
        (
            "benchmarking: {board: stm32n6570}",
            "benchmarking.board: found 'stm32n6570'; allowed: STM32N6570-DK, STM32H747I-DISCO, STM32H7B3I-DK, "
            "STM32H735G-DK, NUCLEO-H743ZI2, STM32F469I-DISCO, STM32F746G-DISCO, STM32F769I-DISCO, NUCLEO-F401RE, "
            "NUCLEO-G474RE, STM32L4R9I-DISCO, B-U585I-IOT02A (did you mean STM32N6570-DK?)",
        ),
        (
            "preprocessing: {n_fft: 1000000000}",
            "preprocessing.n_fft: found 1000000000; allowed: a whole number from 1 to 65536",
        ),
        (
            "model_specific: {num_layers: 60}",
            "model_specific.num_layers: found 60, which with init_dilation: 2 and kernel_size: 3 reaches over more "
            "than 100000 frames; allowed: fewer layers",
        ),
        (
            "model_specific: {tcn_latent_dim: 1000000000}",
            "model_specific.tcn_latent_dim: found 1000000000; allowed: a whole number from 1 to 65536",
        ),
        (
            "preprocessing: {win_length: 600}",
            "preprocessing.win_length: found 600; allowed: at most n_fft, which is 512",
        ),
        (
            "preprocessing: {n_fft: 256}",
            "preprocessing.win_length: found 400 (the default); allowed: at most n_fft, which is 256",
        ),
        (
            "preprocessing: {hop_length: 401}",
            "preprocessing.hop_length: found 401; allowed: at most win_length, which is 400",
        ),
        ("preprocessing: {power: 0}", "preprocessing.power: found 0; allowed: a number above 0"),
        (
            "quantization: {per_chanel: True}",
            "quantization.per_chanel: unknown key; did you mean quantization.per_channel?",
        ),
        (
            "quantization: {per_chanel: }",
            "quantization.per_chanel: unknown key; did you mean quantization.per_channel?",
        ),
        (
            "training: {per_channel: True}",
            "training.per_channel: unknown key; 'per_channel' is a key of quantization",
        ),
        (
            "training: {learning_rate: 0.1}",
            "training.learning_rate: unknown key; it is training.optimizer_arguments: {lr: ...} here",
        ),
        ("training: {per_chanel: True}", "training.per_chanel: unknown key; did you mean quantization.per_channel?"),
        (
            "quantization: {board: x}",
            "quantization.board: unknown key; 'board' is a key of benchmarking and deployment.hardware_setup",
        ),
        (
            "deployment: {hardware_setup: {bord: x}}",
            "deployment.hardware_setup.bord: unknown key; did you mean deployment.hardware_setup.board?",
        ),
        (
            "benchmarking: {zzz: 1}",
            "benchmarking.zzz: unknown key; the keys of benchmarking are board, targets, clock_mhz, runs, threads",
        ),
        (
            "benchmarking: {on: 1}",
            "benchmarking.True: unknown key; the keys of benchmarking are board, targets, clock_mhz, runs, threads",
        ),
        ("quantisation: {}", "quantisation: unknown section; did you mean quantization?"),
        ("n_fft: 512", "n_fft: unknown section; 'n_fft' is a key of preprocessing"),
        (
            "zzz: 512",
            "zzz: unknown section; the sections are general, model, model_specific, dataset, preprocessing, training, "
            "quantization, evaluation, prediction, tools, benchmarking, deployment, mlflow, tracking",
        ),
        ("training: 5", "training: found 5; allowed: a mapping of keys to values"),
        ("training: [5]", "training: found [5]; allowed: a mapping of keys to values"),
        ("operation_mode: chan_tqe", f"operation_mode: found 'chan_tqe'; allowed: {MODES} (did you mean chain_tqe?)"),
        ("operation_mode: [1]", f"operation_mode: found [1]; allowed: {MODES}"),
        ("operation_mode: ", f"operation_mode: not set; allowed: {MODES}"),
    ],
)
def test_messages(text, expected):
    assert message(raw_with(text)) == expected


def test_the_first_problem_of_the_file_and_the_names_of_the_others():
    text = """
quantization: {zzz: 1, static_sequence_length: 0, calibration_method: MinMx}
dataset: {shuffle: maybe}
"""
    raw = yaml.safe_load(text + "operation_mode: quantization\nmodel: {onnx_path: m.onnx}\npreprocessing:")
    assert message(raw) == (
        "quantization.zzz: unknown key; the keys of quantization are num_quantization_samples, random_seed, "
        "num_workers, noisy_quantization_files_path, static_sequence_length, static_axis_name, states, quantizer, "
        "target_opset, per_channel, calibration_method, op_types_to_quantize, reduce_range, nodes_to_quantize, "
        "nodes_to_exclude, weight_type, weight_bits, activation_type, activation_bits, weight_overrides, "
        "activation_overrides, extra_options, target, accuracy_recovery, max_float_macs, sensitivity (and 3 more "
        "problems: quantization.static_sequence_length, quantization.calibration_method, dataset.shuffle)"
    )
    assert message(raw_with("benchmarking: {board: x}\nzzz:")).endswith("(and 1 more problem: zzz)")


def test_a_long_value_is_cut():
    assert message(raw_with(training={"epochs": "x" * 500})) == (
        f"training.epochs: found '{'x' * 56}...; allowed: a whole number, 1 or more"
    )


def test_a_value_of_several_lines_stays_in_one():
    assert message(raw_with(training={"loss": "a\nb"})).startswith("training.loss: found 'a\\nb'; allowed:")


def test_a_file_that_is_no_mapping():
    assert message(None) == "configuration: found None; allowed: a mapping of sections"
    assert message([1]) == "configuration: found [1]; allowed: a mapping of sections"
    assert message({}) == f"operation_mode: not set; allowed: {MODES}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "operation_mode: quantization\nmodel: {onnx_path: m.onnx}\npreprocessing:\nquantization:",
            "dataset: operation_mode quantization needs the section dataset "
            "(or quantization.noisy_quantization_files_path)",
        ),
        (
            "operation_mode: quantization\nmodel:\ndataset: {name: demo}\npreprocessing:\nquantization:",
            "model.onnx_path: not set; operation_mode quantization needs it",
        ),
        (
            "operation_mode: evaluation\nmodel:\ndataset: {name: demo}\npreprocessing:",
            "model.onnx_path: not set; operation_mode evaluation needs it, or model.state_dict_path",
        ),
        (
            "operation_mode: evaluation\nmodel: {state_dict_path: m.pth}\ndataset: \npreprocessing:",
            "dataset.root_folder: not set; operation_mode evaluation needs it with dataset.name valentini",
        ),
        (
            "operation_mode: training\nmodel:\ndataset: {name: custom}\npreprocessing:\ntraining:",
            "dataset.clean_train_files_path: not set; operation_mode training needs it with dataset.name custom "
            "(and 1 more problem: dataset.noisy_train_files_path)",
        ),
        (
            "operation_mode: training\nmodel:\ndataset: {name: demo}\npreprocessing: {n_fft: 1024}\ntraining:",
            "model_specific.in_channels: found 257; preprocessing.n_fft 1024 needs 513 (n_fft // 2 + 1)",
        ),
        (
            "operation_mode: training\nmodel:\ndataset: {name: demo}\npreprocessing: {center: False}\n"
            "training: {loss: wave_snr}",
            "training.loss: found 'wave_snr'; it needs preprocessing.center True",
        ),
        (
            "operation_mode: training\nmodel:\ndataset: {name: demo}\npreprocessing:\n"
            "training: {guards: {si-snr: 0.3, speech_cut: -0.1}}",
            "training.guards.si-snr: found 0.3; allowed: 0 or less, as more of it is better (and 1 more problem: "
            "training.guards.speech_cut)",
        ),
        (
            "operation_mode: training\nmodel:\ndataset: {name: demo}\npreprocessing: {sample_rate: 48000}\n"
            "training: {select_by: {si_snr: 1, csig: 1}}",
            "training.select_by: csig is defined for 8000 and 16000 Hz, not for 48000",
        ),
        (
            "operation_mode: training\nmodel:\ndataset: {name: demo}\npreprocessing: {sample_rate: 48000}\ntraining:",
            "training.reference_metric: found 'pesq', which is defined for preprocessing.sample_rate 8000 and 16000, "
            "not for 48000; stoi, snr, si-snr, wave_mse and train_loss are for any",
        ),
        (
            "operation_mode: training\nmodel: {model_type: UTCN}\nmodel_specific: {channels: [8, 8]}\n"
            "dataset: {name: demo}\npreprocessing:\ntraining:",
            "model_specific.channels: found [8, 8]; allowed: a list of three whole numbers, 1 or more",
        ),
        (
            "operation_mode: training\nmodel:\ndataset: {name: demo}\npreprocessing: {sample_rate: 8000}\n"
            "training: {loss: perceptual}",
            "training.loss: found 'perceptual'; it needs preprocessing.sample_rate 16000, not 8000",
        ),
    ],
)
def test_what_the_mode_needs(text, expected):
    assert message(yaml.safe_load(text)) == expected


@pytest.mark.parametrize(
    "text",
    [
        "operation_mode: quantization\nmodel: {onnx_path: m}\npreprocessing:\n"
        "quantization: {noisy_quantization_files_path: clips}",
        "operation_mode: chain_qb\nmodel: {onnx_path: m}\ndataset: {name: custom}\npreprocessing:\n"
        "quantization: {noisy_quantization_files_path: clips}\nbenchmarking:",
        "operation_mode: quantization\nmodel: {onnx_path: m}\ndataset: {name: demo}\npreprocessing:\nquantization:",
        "operation_mode: evaluation\nmodel: {state_dict_path: m}\ndataset: {name: demo}\npreprocessing:",
        "operation_mode: benchmarking\nmodel: {onnx_path: m}\nbenchmarking:",
        "operation_mode: deployment\nmodel: {onnx_path: m}\npreprocessing:\ndeployment:",
        "operation_mode: training\nmodel:\ndataset: {name: demo}\npreprocessing:\ntraining:",
        "operation_mode: training\nmodel: {model_type: Custom}\ndataset: {name: demo}\npreprocessing: {n_fft: 1024}\n"
        "training:",
        "operation_mode: chain_tqeb\nmodel:\ndataset: {name: demo}\npreprocessing:\ntraining:\nquantization:\n"
        "benchmarking:",
    ],
)
def test_what_suffices_for_the_mode(text):
    build_config(yaml.safe_load(text))


@pytest.mark.parametrize(
    "text",
    ["general:general:\n  project_name: x", "general:\n  general:\n    project_name: x"],
)
def test_general_general_is_general(text, caplog):
    with caplog.at_level(logging.WARNING):
        config = build_config(raw_with(text))
    assert config.general.project_name == "x"
    assert [record.getMessage() for record in caplog.records] == [
        "the section is called 'general', not 'general:general'; it is taken as 'general'"
    ]


@pytest.mark.parametrize("reverse", [False, True])
def test_overrides_of_general_win_over_general_general(reverse):
    sections = [("general:general", {"project_name": "x", "logs_dir": "l"}), ("general", {"project_name": "y"})]
    raw = raw_with(**dict(reversed(sections) if reverse else sections))
    general = build_config(raw).general
    assert (general.project_name, str(general.logs_dir)) == ("y", "l")


def test_an_empty_general_general_has_defaults():
    assert build_config(raw_with("general:general:")).general.project_name == "speech_enhancement_project"
    assert build_config(raw_with("general: {general: }")).general.project_name == "speech_enhancement_project"


def test_environment_variables_and_none(monkeypatch):
    monkeypatch.setenv("SEZOO_TEST_DATA", "some/where")
    monkeypatch.setenv("SEZOO_TEST_EPOCHS", "7")
    text = "dataset: {root_folder: '${SEZOO_TEST_DATA}/v', num_test_samples: 'None'}\n"
    config = build_config(raw_with(text + "training: {epochs: '${SEZOO_TEST_EPOCHS}'}"))
    assert config.dataset.root_folder.as_posix() == "some/where/v"
    assert config.dataset.num_test_samples is None
    assert config.training.epochs == 7
    monkeypatch.delenv("SEZOO_TEST_DATA")
    assert message(raw_with(text)) == (
        "dataset.root_folder: the environment variable SEZOO_TEST_DATA is not set (found '${SEZOO_TEST_DATA}/v')"
    )


def test_the_hydra_section_is_not_looked_at():
    build_config(raw_with("hydra: {run: {dir: '${now:%Y}'}, x: '${NOT_SET_ANYWHERE}'}"))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "quantization: {num_quantization_samples: , op_types_to_quantize: [Conv], extra_options: {A: [{b: 1}], C: }}",
        "quantization: {extra_options: {OnlyThis: 1}}\ntools: {stedgeai: {version: 10.0}}",
        "training: {optimizer_arguments: {betas: '(0.9, 0.999)', lr: 1e-5, nested: ['(1,)', '2024-10-12']}}",
        "model: {model_type: Custom, onnx_path: a/b.onnx}\nmodel_specific: {sizes: '(1, 2)', x: , y: {z: ['3*3']}}",
        "dataset: {name: demo, num_training_samples: 0.5, num_test_samples: 1.0}",
        "general: {project_name: 'é ü', logs_dir: 'a b/c'}\nmlflow: {uri: 'http://localhost:5000'}",
        "deployment: {hardware_setup: {stlink_serial_number: '0012'}}\nbenchmarking:\ntraining:",
    ],
)
def test_round_trip(text):
    config = build_config(raw_with(text))
    assert build_config(to_dict(config)) == config
    assert build_config(yaml.safe_load(to_yaml(config))) == config


def test_the_resolved_file_shows_every_key_of_the_sections_that_are_set():
    resolved = yaml.safe_load(to_yaml(build_config(raw_with())))
    assert "training" not in resolved
    assert resolved["preprocessing"]["n_fft"] == 512
    assert resolved["quantization"]["extra_options"] == {"CalibMovingAverage": True}
    assert resolved["model"]["onnx_path"] == "model.onnx"
