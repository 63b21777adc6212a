"""Files of results: what is written is read back, older ones as far as they go, newer ones are refused in one line."""

import json
import logging
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import jsonschema
import numpy as np
import pytest

from sezoo.base.errors import UserError
from sezoo.results import run_results
from sezoo.results.benchmark import Benchmark, LayerCost, Measurement
from sezoo.results.board_test import BoardTest
from sezoo.results.deployment import Deployment, Emulated, OnnxruntimeAgreement, OperatorAgreement, OperatorCost
from sezoo.results.evaluation import Evaluation
from sezoo.results.evaluation_parts import LookAhead, NotScored, SettingCost, SilenceGate, VersionScores
from sezoo.results.listening import ListenedClip, ListenedVersion, ListeningIndex
from sezoo.results.quantization import Convergence, Layer, LayerLoss, LayerReport, StepOutcome, Tensor, Weakness
from sezoo.results.robustness import ConditionScores, Robustness
from sezoo.results.run_record import LOOK_AHEAD, RunRecord, RunWarning, record_run
from sezoo.results.scores import ClipScores, Mean
from sezoo.results.training import TrainingSummary
from sezoo.run.run import ClipCount

PESQ, SI_SNR = Mean(1.5, 1.4, 1.6, 2), Mean(9.0, 8.0, 10.0, 2)
CLIPS = [
    ClipScores("a.wav", 1.0, {"noisy": {"pesq": 1.4, "si_snr": 5.0}, "float": {"pesq": 1.5, "si_snr": 9.0}}),
    ClipScores("=b.wav", 2.0, {"noisy": {"si_snr": 4.0}, "float": {"si_snr": 8.0}}, {"float": {"pesq": "no speech"}}),
]
EVALUATION = Evaluation(
    clips=2,
    seconds=3.0,
    metrics=["pesq", "si_snr"],
    noisy={"pesq": PESQ, "si_snr": SI_SNR},
    versions=[
        VersionScores(
            "float", "float", "models/m.onnx", {"like": "whole", "context": [3, 3]}, "eval_logs", {"si_snr": SI_SNR}, {}
        )
    ],
    look_ahead=[LookAhead(model="float", frames=30, needed=3, metric="pesq", cost=PESQ, told="it is too short")],
    silence_gate=[SilenceGate(version="float", threshold_dbfs=-50.0, muted_share=0.1, told="it mutes")],
    cost_of_board_settings=[SettingCost("float", "rounding", {"pesq": PESQ, "si_snr": SI_SNR})],
    not_scored=[NotScored("=b.wav", "float", "pesq", "no speech")],
    left_out={"c.wav": "it is silent"},
    scores=CLIPS,
)
FILES = [
    EVALUATION,
    LayerReport(
        tensors=(Tensor("input", low=-1.0, high=1.0, histogram=(1, 2), histogram_low=-2.0, histogram_high=2.0),),
        layers=(Layer("conv", "Conv", "int8", 40.0, True, 100, 20.0, 1.0),),
        worst=(Weakness("conv", "weights", "Conv", 40.0, "16 bits"),),
        macs_shares={"int8": 1.0},
        bytes=1000,
        plain=30.0,
        closeness=35.0,
        steps=(StepOutcome("rounding", "rounds", 30.0, 35.0, True),),
        convergence=Convergence(20, 0.01, 0.1, "input"),
        sensitivity=(LayerLoss("conv", "Conv", 1, 50.0),),
        dynamic="saved_models/quantized_model_int8.onnx",
    ),
    Benchmark(
        "NUCLEO-H743ZI2",
        (
            Measurement(target="host", model="float", what="patch", milliseconds=1.0, audio_seconds=0.3),
            Measurement(
                target="cortex-m7", model="int8", what="patch", flash=3 << 20, ram=9, layers=(LayerCost("conv"),)
            ),
        ),
    ),
    Deployment(
        model="m.onnx",
        engine="stream",
        onnxruntime=OnnxruntimeAgreement(0.0, 0, 0.0, (OperatorAgreement("conv", 0, 10, 0),)),
        pesq={"reference": 1.5},
        emulated=Emulated(core="cortex-m7", operators=(OperatorCost("conv", "Conv", 1e6),)),
    ),
    TrainingSummary(epochs=3, metric="pesq", best_epoch=2, best_value=1.6),
    ListeningIndex(
        [
            ListenedClip(
                folder="best", name="a.wav", why="best of 2", metric="si_snr", change=0.1, sample_rate=16000, start=0.0,
                seconds=1.0, clip_seconds=1.0, hop_length=160, masks=["float"],
                versions=[ListenedVersion("float", "float", "1_float.flac", {"si_snr": 9.0})],
            )
        ]
    ),
    Robustness(
        {"float": "float"},
        2,
        2,
        [ConditionScores("quiet", "quiet", 2, False, {"pesq": 1.5}, {"float": {"pesq": 1.2}}, {"float": 0.5})],
    ),
    RunRecord(
        version="1.0",
        outcome="failed",
        error="no",
        clips={"calibration": ClipCount(3, 1.5, 1)},
        warnings=[RunWarning("short", LOOK_AHEAD)],
    ),
    BoardTest(port="COM3", calls=2, first_different_call=1, milliseconds_per_call=1.5, pesq={"board": 2.5}),
]  # fmt: skip
NAMES = [type(file).__name__ for file in FILES]


def test_every_file_is_tested():
    assert {type(file) for file in FILES} == set(run_results.FILES)


SCHEMAS = Path(__file__).parents[2] / "docs" / "schemas"


def plain(value):
    """Without the difference between lists and tuples."""
    return json.loads(json.dumps(value))


@pytest.mark.parametrize("file", FILES, ids=NAMES)
def test_what_is_written_is_read_back(file, tmp_path):
    path = file.write(tmp_path)
    content = json.loads(path.read_text(encoding="utf-8"))
    assert next(iter(content)) == "format_version"
    assert plain(type(file).read(tmp_path).to_dict()) == content == plain(file.to_dict())


@pytest.mark.parametrize("file", FILES, ids=NAMES)
def test_what_is_written_is_what_the_schema_says(file):
    schema = type(file).schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    content = plain(file.to_dict())
    validator.validate(content)
    assert json.loads((SCHEMAS / file.schema_name()).read_text(encoding="utf-8")) == schema, (
        "regenerate it: python tools/schemas.py"
    )
    for key in schema["required"]:
        assert not validator.is_valid({name: value for name, value in content.items() if name != key})
    assert all(each.get("description") for name, each in schema["properties"].items() if "$ref" not in each), schema


@pytest.mark.parametrize("file", FILES, ids=NAMES)
def test_a_file_of_a_newer_version_is_one_line(file, tmp_path):
    path = file.write(tmp_path)
    content = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**content, "format_version": 99, "new": 1}), encoding="utf-8")
    with pytest.raises(
        UserError, match=r"its format_version is 99, and sezoo \S+ reads up to 1: a newer sezoo"
    ) as caught:
        type(file).read(tmp_path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_a_file_of_before_there_were_versions_and_one_with_more_keys(tmp_path):
    path = FILES[1].write(tmp_path)
    content = json.loads(path.read_text(encoding="utf-8"))
    del content["format_version"], content["dynamic"], content["float_bytes"]
    path.write_text(json.dumps({**content, "of_a_later_one": 1}), encoding="utf-8")
    assert LayerReport.read(tmp_path) == replace(FILES[1], dynamic="")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[1]", "found list where an object is expected"),
        ('{"epochs": "x", "metric": "pesq"}', "epochs: .*found 'x'; it is not what sezoo writes"),
        ('{"epochs": 3}', "metric: Field required"),
        ('{"format_version": "one"}', "its format_version is 'one'"),
    ],
)
def test_what_is_no_result_is_named(text, told, tmp_path):
    (tmp_path / "training.json").write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=rf"training\.json: {told}"):
        TrainingSummary.read(tmp_path)


def test_numbers_that_json_lacks_are_null(tmp_path):
    LayerReport(plain=np.float64("nan"), closeness=float("inf")).write(tmp_path)
    read = LayerReport.read(tmp_path)
    assert (read.plain, read.closeness) == (None, None)


def test_an_evaluation_has_the_names_of_the_model_zoo_in_its_files_only(tmp_path):
    EVALUATION.write(tmp_path)
    content = json.loads((tmp_path / "evaluation.json").read_text(encoding="utf-8"))
    assert set(content["noisy"]) == {"pesq", "sisnr"}
    assert content["noisy"]["sisnr"] == {"mean": 9.0, "low": 8.0, "high": 10.0, "clips": 2}
    assert content["cost_of_board_settings"] == [
        {"model": "float", "setting": "rounding", "pesq": content["noisy"]["pesq"], "sisnr": content["noisy"]["sisnr"]}
    ]
    assert content["look_ahead"][0]["cost"] == {"value": 1.5, "low": 1.4, "high": 1.6, "clips": 2}
    means = json.loads((tmp_path / "eval_logs" / "metrics_dict.json").read_text(encoding="utf-8"))
    assert means == {"pesq": None, "sisnr": 9.0}
    table = (tmp_path / "eval_logs" / "detailed_metrics.csv").read_text(encoding="utf-8").splitlines()
    assert table[0] == "file_name,pesq,sisnr,noisy_pesq,noisy_sisnr,not_scored"
    read = Evaluation.read(tmp_path)
    assert read.metrics == ["pesq", "si_snr"]
    assert [(clip.name, clip.scores) for clip in read.scores] == [(clip.name, clip.scores) for clip in CLIPS]


def test_an_evaluation_without_its_tables_has_its_means(tmp_path):
    EVALUATION.write(tmp_path)
    (tmp_path / "eval_logs" / "detailed_metrics.csv").unlink()
    read = Evaluation.read(tmp_path)
    assert read.scores == [] and read.means["float"]["si_snr"] == SI_SNR


# -- the record of a run ---------------------------------------------------------------------------------


@pytest.fixture
def run(tmp_path):
    config = SimpleNamespace(operation_mode="evaluation", _written={})
    return SimpleNamespace(config=config, folder=tmp_path, clips={})


def test_a_run_is_recorded_from_its_start_to_its_end(run, tmp_path):
    log = logging.getLogger("sezoo.some")
    with record_run(run):
        assert RunRecord.read(tmp_path).outcome == "running"
        assert RunRecord.read(tmp_path).end is None
        for _ in range(2):
            log.warning("too %s", "short", extra={"about": LOOK_AHEAD})
        log.error("an error is no warning")
        run.clips["evaluation"] = ClipCount(2, 3.0)
    found = RunRecord.read(tmp_path)
    assert (found.outcome, found.operation_mode) == ("done", "evaluation")
    assert found.warnings == [RunWarning("too short", LOOK_AHEAD)]
    assert found.warnings_about(LOOK_AHEAD) == ["too short"]
    assert found.clips == {"evaluation": ClipCount(2, 3.0)}
    assert 0 <= found.seconds < 60 and found.start.tzinfo is not None
    log.warning("after it")
    assert len(RunRecord.read(tmp_path).warnings) == 1


@pytest.mark.parametrize(
    ("raised", "outcome", "told"),
    [
        (UserError("no model"), "failed", "no model"),
        (KeyboardInterrupt(), "interrupted", ""),
        (ZeroDivisionError(), "failed", "ZeroDivisionError"),
    ],
)
def test_a_run_that_does_not_come_to_its_end(raised, outcome, told, run, tmp_path):
    with pytest.raises(type(raised)), record_run(run):
        raise raised
    found = RunRecord.read(tmp_path)
    assert (found.outcome, found.error) == (outcome, told)
