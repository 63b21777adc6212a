"""Files of version 4 of the model zoo: its names, its defaults, and how they go together with older names."""

import copy
import logging

import pytest
import yaml

from every_key import EVERY_KEY, EVERY_KEY_OF_VERSION_4
from sezoo.base.errors import UserError
from sezoo.config.modes import OPERATION_MODES, required_sections, steps
from sezoo.config.plain_data import to_dict
from sezoo.config.sections import SECTIONS
from sezoo.config.upgrade import upgrade_text
from sezoo.config.validation import build_config, missing_paths
from sezoo.config.version_4 import RENAMED, is_version_4, translate

MINIMAL = """
operation_mode: quantization
model: {model_path: model.onnx}
dataset: {dataset_name: valentini, root_folder: data}
preprocessing:
quantization:
"""


def raw_with(text="", **sections):
    return {**yaml.safe_load(MINIMAL), **(yaml.safe_load(text) or {}), **sections}


def built(text="", overridden=(), **sections):
    return build_config(raw_with(text, **sections), overridden)


def message(text):
    with pytest.raises(UserError) as error:
        built(text)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_both_forms_of_a_file_are_the_same_configuration():
    old, new = (to_dict(build_config(yaml.safe_load(text))) for text in (EVERY_KEY, EVERY_KEY_OF_VERSION_4))
    assert (old.pop("mlflow")["uri"], new.pop("mlflow")["uri"]) == (
        "./experiment_outputs/mlruns", "./pt/src/experiment_outputs/mlruns",
    )  # fmt: skip
    assert old == new


@pytest.mark.parametrize("version", ["", "2.0.0", "3.0.0", "10.x", "10.0.0"])
@pytest.mark.parametrize("mode", OPERATION_MODES)
def test_every_operation_mode_takes_version_4s_file(mode, version):
    raw = yaml.safe_load(EVERY_KEY_OF_VERSION_4)
    raw["operation_mode"] = mode
    raw["tools"]["stedgeai"]["version"] = version
    config = build_config(raw)
    assert config.model.onnx_path.name == "model.onnx"
    assert {key for key, _ in missing_paths(config)} == {"model.model_path", "dataset.root_folder"}


@pytest.mark.parametrize("mode", OPERATION_MODES)
def test_files_of_only_what_the_mode_needs(mode):
    raw = yaml.safe_load(EVERY_KEY_OF_VERSION_4)
    kept = {"general", "mlflow", "hydra", *required_sections(mode)}
    if steps(mode).startswith("t"):
        kept.add("model_specific")
        raw["model"].pop("model_path")
    build_config({"operation_mode": mode, **{name: raw[name] for name in kept if name in raw}})


def test_every_renamed_key_is_one_of_the_sections():
    for key in RENAMED:
        section, _, name = key.here.partition(".")
        assert name in SECTIONS[section].model_fields
        assert key.new != key.here


def test_numbers_and_empty_values_as_people_write_them():
    config = built(
        "training: {lr_scheduler: {scheduler: StepLR, scheduler_arguments: {gamma: '1e-1', step_size: '2*5'}}}\n"
        "quantization: {quantizer: Onnx_Quantizer, granularity: , target_opset: '17', onnx_quant_parameters: , "
        "onnx_extra_options: {SmoothQuantAlpha: '5e-1', CalibMovingAverage: 'True', CalibPercentile: '99.9'}}\n"
        "evaluation: {target: Host}"
    )
    assert config.training.lr_scheduler.scheduler_arguments == {"gamma": 0.1, "step_size": 10}
    assert config.quantization.extra_options == {
        "SmoothQuantAlpha": 0.5, "CalibMovingAverage": True, "CalibPercentile": 99.9,
    }  # fmt: skip
    assert (config.quantization.quantizer, config.quantization.target_opset) == ("onnx_quantizer", 17)
    assert config.quantization.per_channel is True
    assert built("quantization: {onnx_quant_parameters: {op_types_to_quantize: []}}").quantization.per_channel


@pytest.mark.parametrize("spelled", ["Int16", "QInt16", "int16", "QuantType.QInt16"])
def test_types_of_integers_as_people_write_them(spelled):
    text = f"quantization: {{onnx_extra_options: {{weights_tensor_override: [[12, {{quant_type: {spelled}}}]]}}}}"
    ((name, override),) = built(text).quantization.weight_overrides
    assert (name, override.quant_type, override.scale) == ("12", "Int16", None)


# -- which form a file has, and what depends on it -------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "averages"),
    [
        ("", False),
        ("quantization: {num_quantization_samples: 3}", False),
        ("quantization: {granularity: per_channel}", False),
        ("quantization: {onnx_quant_parameters: {calibrate_method: MinMax}}", False),
        ("quantization: {quantizer: onnx_quantizer}\nmodel: {onnx_path: m.onnx}", False),
        ("quantization: {onnx_extra_options: }", False),
        ("quantization: {onnx_extra_options: {WeightSymmetric: True}}", None),
        ("quantization: {onnx_extra_options: {CalibMovingAverage: True}}", True),
        ("quantization: {per_channel: True}", True),  # of version 3, whatever the model is called
        ("quantization: {per_channel: True, extra_options: }", True),
        ("quantization: {extra_options: {WeightSymmetric: True}}", None),
        ("model: {onnx_path: m.onnx}", True),
        ("model: {onnx_path: m.onnx}\ndataset: {dataset_name: demo}", True),
    ],
)
def test_the_moving_average_that_a_file_does_not_speak_of(text, averages):
    assert built(text).quantization.extra_options.get("CalibMovingAverage") is averages


def test_the_command_line_does_not_make_a_file_one_of_version_4():
    raw = raw_with("model: {onnx_path: m.onnx}\nquantization: {granularity: per_tensor}")
    assert is_version_4(raw)
    assert not is_version_4(raw, ["quantization.granularity"])
    assert build_config(raw, ["quantization.granularity"]).quantization.extra_options == {"CalibMovingAverage": True}


# -- old and new names in one file -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "section", "key", "expected", "told"),
    [
        ("model: {model_path: new.onnx, onnx_path: old.onnx}", "model", "onnx_path", "new.onnx", True),
        ("model: {model_path: same.onnx, onnx_path: same.onnx}", "model", "onnx_path", "same.onnx", False),
        ("model: {model_path: , onnx_path: old.onnx}", "model", "onnx_path", "old.onnx", False),
        ("quantization: {granularity: per_tensor, per_channel: True}", "quantization", "per_channel", "False", True),
        ("quantization: {granularity: per_tensor, per_channel: False}", "quantization", "per_channel", "False", False),
    ],
)
def test_the_new_name_wins(text, section, key, expected, told, caplog):
    with caplog.at_level(logging.WARNING):
        config = built(text)
    assert str(getattr(getattr(config, section), key)) == expected
    assert ("are two names of one key" in caplog.text) == told


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ({"model": {"onnx_path": "mine.onnx"}}, "mine.onnx"),
        ({"quantization": {"per_channel": False}}, False),
        (
            {"quantization": {"extra_options": {"WeightSymmetric": False}}},
            {"CalibMovingAverage": True, "WeightSymmetric": False},
        ),
    ],
)  # fmt: skip
def test_an_old_name_on_the_command_line_wins_over_the_file(override, expected, caplog):
    raw = raw_with("quantization: {granularity: per_channel, onnx_extra_options: {CalibMovingAverage: True}}")
    ((section, keys),) = override.items()
    ((key, value),) = keys.items()
    raw[section] = {**raw[section], **keys}
    path = f"{section}.{key}" + (".WeightSymmetric" if isinstance(value, dict) else "")
    with caplog.at_level(logging.WARNING):
        found = getattr(getattr(build_config(raw, {path}), section), key)
    assert (str(found) if section == "model" else found) == expected
    assert not caplog.text


def test_a_new_name_on_the_command_line_adds_to_an_old_file(caplog):
    raw = raw_with(
        "model: {onnx_path: m.onnx}\nquantization: {per_channel: True, extra_options: {CalibMovingAverage: True}}"
    )
    raw["quantization"] |= {"onnx_extra_options": {"WeightSymmetric": False}, "granularity": "Per_Tensor"}
    raw["model"]["model_path"] = "mine.onnx"
    paths = {"quantization.onnx_extra_options.WeightSymmetric", "quantization.granularity", "model.model_path"}
    with caplog.at_level(logging.WARNING):
        config = build_config(raw, paths)
    assert config.quantization.extra_options == {"CalibMovingAverage": True, "WeightSymmetric": False}
    assert (config.quantization.per_channel, config.model.onnx_path.name) == (False, "mine.onnx")
    assert not caplog.text
    plain = raw_with("model: {onnx_path: m.onnx}")
    plain["model"]["model_path"] = "mine.onnx"
    assert build_config(plain, {"model.model_path"}).quantization.extra_options == {"CalibMovingAverage": True}


def test_environment_variables_stay_variables_under_the_other_name(monkeypatch):
    monkeypatch.setenv("SEZOO_TEST_FOLDER", "secret")
    given = {"model_path": "${SEZOO_TEST_FOLDER}/m.onnx"}
    config = built("", model=given)
    assert config.model.onnx_path.as_posix() == "secret/m.onnx"
    assert to_dict(config)["model"]["onnx_path"] == "${SEZOO_TEST_FOLDER}/m.onnx"
    both = built("", model={"model_path": "m.onnx", "onnx_path": "${SEZOO_TEST_FOLDER}/m.onnx"})
    assert to_dict(both)["model"]["onnx_path"] == "m.onnx"


def test_what_was_given_is_not_changed():
    raw = raw_with("quantization: {granularity: per_channel, onnx_quant_parameters: {calibrate_method: Entropy}}")
    before = copy.deepcopy(raw)
    translate(raw)
    assert raw == before


# -- messages --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "quantization: {onnx_quant_parameters: {calibrate_method: MinMx}}",
            "quantization.onnx_quant_parameters.calibrate_method: found 'MinMx'; allowed: MinMax, Entropy, Percentile, "
            "Distribution (did you mean MinMax?)",
        ),
        (
            "quantization: {granularity: per_chanel}",
            "quantization.granularity: found 'per_chanel'; allowed: per_channel, per_tensor",
        ),
        (
            "quantization: {calibrate_method: MinMax}",
            "quantization.calibrate_method: unknown key; 'calibrate_method' is a key of "
            "quantization.onnx_quant_parameters",
        ),
        (
            "quantization: {extra_options: {weights_tensor_override: []}}",
            "quantization.extra_options.weights_tensor_override: unknown key; 'weights_tensor_override' is a key of "
            "quantization.onnx_extra_options",
        ),
        (
            "quantization: {onnx_quant_parameters: {per_channel: True}}",
            "quantization.onnx_quant_parameters.per_channel: unknown key; 'per_channel' is a key of quantization",
        ),
        (
            "quantization: {onnx_quant_parameters: {calibrate_methd: MinMax}}",
            "quantization.onnx_quant_parameters.calibrate_methd: unknown key; did you mean "
            "quantization.onnx_quant_parameters.calibrate_method?",
        ),
        ("general: {model_path: m.onnx}", "general.model_path: unknown key; 'model_path' is a key of model"),
        (
            "onnx_extra_options: {}",
            "onnx_extra_options: unknown section; 'onnx_extra_options' is a key of quantization",
        ),
        (
            "quantization: {onnx_extra_options: {CalibMovingAverage: often}}",
            "quantization.onnx_extra_options.CalibMovingAverage: found 'often'; allowed: True, False",
        ),
        ("quantization: {onnx_extra_options: 3}", "quantization.onnx_extra_options: found 3; allowed: a mapping of "
         "keys to values"),
        ("quantization: {onnx_quant_parameters: 3}", "quantization.onnx_quant_parameters: found 3; allowed: a mapping "
         "of keys to values"),
        (
            "quantization: {quantizer: TFlite_converter}",
            "quantization.quantizer: found 'TFlite_converter'; allowed: onnx_quantizer (TFlite_converter needs "
            "TensorFlow, which is not used here)",
        ),
        (
            "model: {framework: tf, model_path: m.onnx}",
            "model.framework: found 'tf'; allowed: torch (no network of TensorFlow can be trained or run here)",
        ),
        (
            "model: {model_path: m.h5}",
            "model.model_path: found 'm.h5'; allowed: the path or the https:// address of an ONNX model (models of "
            "Keras and TensorFlow need TensorFlow, which is not used here)",
        ),
        ("model: {model_path: 'http://x/m.onnx'}", "model.model_path: found 'http://x/m.onnx'; allowed: the path or "
         "the https:// address of an ONNX model (nothing else is downloaded)"),
        (
            "evaluation: {target: stedgeai_n6}",
            "evaluation.target: found 'stedgeai_n6'; allowed: host (other targets need a board, which is not "
            "used here)",
        ),
        (
            "dataset: {dataset_name: custom}",
            "dataset.noisy_train_files_path: not set; operation_mode quantization needs it with dataset.dataset_name "
            "custom",
        ),
        ("model: {model_path: }", "model.onnx_path: not set; operation_mode quantization needs it"),
    ],
)  # fmt: skip
def test_messages_have_the_names_of_the_file(text, expected):
    assert message(text) == expected


def test_keys_that_a_network_does_not_have_are_left_out_with_a_warning(caplog):
    with caplog.at_level(logging.WARNING):
        network = built("model_specific: {n_blocks: 3, num_layer: 2, lstm_hidden_size: 256}").model_specific
    assert (network.n_blocks, network.num_layers) == (3, 3)
    assert "model_specific.num_layer: unknown key, ignored; did you mean model_specific.num_layers?" in (caplog.text)
    assert "model_specific.lstm_hidden_size: unknown key, ignored" in caplog.text


def test_errors_of_a_run_have_the_names_of_the_file():
    config = built("")
    error = UserError("model.onnx_path: there is no file m.onnx (see my.model.onnx_path, model.onnx_paths)")
    config.respell(error)
    assert str(error) == "model.model_path: there is no file m.onnx (see my.model.onnx_path, model.onnx_paths)"


def test_the_global_seed_is_that_of_a_data_set_without_one():
    assert built("general: {global_seed: 7}").dataset.random_seed == 7
    own = "general: {global_seed: 7}\ndataset: {dataset_name: demo, random_seed: 3}"
    assert built(own).dataset.random_seed == 3
    assert built("").dataset.random_seed == 42


# -- rewriting a file ------------------------------------------------------------------------------------


def test_an_upgraded_file_keeps_its_layout_and_its_comments():
    result = upgrade_text(
        "# a head\nmodel:\n  onnx_path: m.onnx   # float\n\nquantization:   # how\n  # ranges\n"
        "  calibration_method: MinMax   # or Entropy\n  reduce_range: False\n  # operators\n"
        "  op_types_to_quantize:   # two\n    - Conv\n    - Add   # last\n  # weights\n  per_channel: 'True'  # yes\n"
        "  extra_options:\n    CalibMovingAverage: True\n# the end\n"
    )
    assert result.text == (
        "# a head\nmodel:\n  model_path: m.onnx   # float\n\nquantization:   # how\n  onnx_quant_parameters:\n"
        "    # ranges\n    calibrate_method: MinMax   # or Entropy\n    # operators\n"
        "    op_types_to_quantize:   # two\n      - Conv\n"
        "      - Add   # last\n  reduce_range: False\n  # weights\n  granularity: per_channel  # yes\n"
        "  onnx_extra_options:\n    CalibMovingAverage: True\n# the end\n"
    )
    assert ("quantization.per_channel", "quantization.granularity") in result.changes
    assert upgrade_text(result.text).changes == []


@pytest.mark.parametrize(
    "text",
    [
        EVERY_KEY,
        "model: {onnx_path: m.onnx}\ndataset: {name: demo}\nquantization:\n",
        "model: {onnx_path: m.onnx}\nquantization: {}",
        "model:\n  onnx_path: m.onnx\nquantization:\n  num_quantization_samples: 3",
        "quantization: {per_channel: False, op_types_to_quantize: [Conv], reduce_range: True, "
        "calibration_method: MinMax}",
        "quantization:\r\n  per_channel:\r\n  extra_options:\r\n  op_types_to_quantize: [Conv,\r\n    Add]",
        "quantization:\n- 3\nmodel: {model_type: STFTTCNN}",
        "{quantization: {calibration_method: , per_channel: True}, model: {onnx_path: 'größe.onnx'}}",
    ],
)  # fmt: skip
def test_an_upgraded_file_means_the_same(text):
    result = upgrade_text(text)
    assert result.changes
    assert ("\r\n" in text) == ("\r\n" in result.text)
    old, new = (translate(yaml.safe_load(each)).tree for each in (text, result.text))
    if isinstance(old.get("quantization", 0), dict | None) and "quantization" in old:
        if "deployment" in old:
            assert old.pop("deployment")["build_conf"] == "N6 Audio Bare Metal"
            assert new.pop("deployment")["build_conf"] == "BM"
        for tree in (old, new):  # the default of the old form is written out in the new one
            tree["quantization"] = {"extra_options": {"CalibMovingAverage": True}} | {
                key: value for key, value in (tree["quantization"] or {}).items() if value is not None
            }
    assert old == new
    assert not upgrade_text(result.text).changes


def test_what_cannot_be_renamed_is_left_and_told():
    result = upgrade_text("model: {onnx_path: a, model_path: b}\nquantization: {per_channel: '${PER_CHANNEL}'}")
    assert not result.changes
    assert [note.partition(":")[0] for note in result.notes] == [
        "model.onnx_path and model.model_path are both there", "quantization.per_channel",
    ]  # fmt: skip
    with pytest.raises(UserError, match="by hand"):
        upgrade_text("a: &model {onnx_path: m.onnx}\nmodel: *model\n")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("general:general:\n  project_name: x\n", "general:\n  project_name: x\n"),
        (
            "# first\ngeneral:  # outer\n  # mine\n  general: # inner\n      project_name: x # y\n\n      logs_dir: l\n"
            "  saved_models_dir: m\nmodel: {}\n",
            "# first\ngeneral:  # outer\n  # mine\n  # inner\n  project_name: x # y\n\n  logs_dir: l\n"
            "  saved_models_dir: m\nmodel: {}\n",
        ),
        ("general:\r\n  general:\r\n    project_name: x", "general:\r\n  project_name: x"),
    ],
)
def test_general_in_general_becomes_one_section(text, expected):
    result = upgrade_text(text)
    assert result.text == expected and len(result.changes) == 1 and result.notes == []
    assert upgrade_text(result.text).changes == []


@pytest.mark.parametrize(
    "text",
    [
        "general:\n  general:\n    project_name: x\n  project_name: y\n",
        "general: {general: {project_name: x}}\n",
        "general:general:\n  project_name: x\ngeneral:\n  logs_dir: l\n",
    ],
)
def test_two_sections_general_that_are_not_safely_one_are_left_and_told(text):
    result = upgrade_text(text)
    assert result.text == text and result.changes == []
    (note,) = result.notes
    assert "general" in note and "by hand" in note
