"""The JSON Schema of the configuration: every YAML file that is right is right by it, and slips are found."""

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from every_key import EVERY_KEY, EVERY_KEY_OF_VERSION_4
from sezoo.config.schema import configuration_schema

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "schemas" / "configuration.schema.json"
FILES = sorted(
    path
    for folder in ("src", "speech_enhancement")
    for path in (ROOT / folder).rglob("*.yaml")
    if "operation_mode" in path.read_text(encoding="utf-8")
)


@pytest.fixture(scope="module")
def schema():
    made = configuration_schema()
    jsonschema.Draft202012Validator.check_schema(made)
    return jsonschema.Draft202012Validator(made)


def is_right(schema, text):
    return schema.is_valid({"operation_mode": "quantization", **yaml.safe_load(text)})


def test_the_file_in_the_documents_is_the_schema(schema):
    assert json.loads(PAGE.read_text(encoding="utf-8")) == schema.schema, "regenerate it: python tools/schemas.py"


def test_every_file_that_is_shipped_and_every_key(schema):
    assert len(FILES) > 20
    for path in FILES:
        schema.validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    for text in (EVERY_KEY, EVERY_KEY_OF_VERSION_4):
        schema.validate(yaml.safe_load(text))


def test_the_examples_name_the_schema():
    for path in FILES:
        if path.parent.name == "config_file_examples" or path.name == "user_config.yaml":
            first = path.read_text(encoding="utf-8").splitlines()[0]
            assert first.startswith("# yaml-language-server: $schema=")
            assert (path.parent / first.partition("=")[2]).resolve() == PAGE


@pytest.mark.parametrize(
    "text",
    [
        "quantization: {calibration_method: Entropy, max_float_macs: 1./4, target:}",
        "quantization: {op_types_to_quantize: \"('Conv', 'MatMul')\", weight_type: QUInt8}",
        "quantization: {granularity: per_tensor, onnx_extra_options: {CalibMovingAverage: True, Own: 3}}",
        "evaluation: {metrics: dnsmos, target: HOST, play_like: board}",
        "evaluation: {metrics: [pesq, sisnr], num_workers: '${WORKERS}'}",
        "dataset: {name: custom, num_test_samples: 0.5, snr_range: [0, 20], n_speakers: 28}",
        "model_specific: {n_blocks: 2, of_my_own: [1, 2]}",
        "training:",
        "preprocessing: {window: [0, 1, 0], sample_rate: 16000}",
        "hydra: {run: {dir: out}}",
    ],
)
def test_what_the_sections_read_is_right(schema, text):
    assert is_right(schema, text)


@pytest.mark.parametrize(
    "text",
    [
        "quantization: {calibration_method: minmax}",
        "quantization: {calibration_methods: MinMax}",
        "quantization: {onnx_quant_parameters: {calibration_method: MinMax}}",
        "quantization: {granularity: per_layer}",
        "quantization: {per_channel: 3}",
        "evaluation: {metrics: [pesq, psq]}",
        "evaluation: {num_workers: 0}",
        "evaluation: {num_workers: many}",
        "evaluations: {}",
        "operation_mode: quantize",
        "operation_mode: chain_xy",
        "training: [1]",
        "deployment: {hardware_setup: {board: STM32N6}}",
    ],
)
def test_slips_are_found(schema, text):
    assert not is_right(schema, text)


def test_every_key_is_described(schema):
    def keys(section):
        for key, each in section.get("properties", {}).items():
            yield key, each
            yield from keys(each)

    described = {key: each["description"] for key, each in keys(schema.schema) if key not in ("hydra", "defaults")}
    assert described["calibration_method"] == "How the activation ranges are found."
    assert all(described.values()) and len(described) > 200
