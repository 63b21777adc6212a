"""What came from the environment, and passwords in addresses, are written nowhere."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import pytest
import yaml

from builders import quantization_config
from sezoo.base.errors import UserError
from sezoo.base.foreign_text import to_one_line, without_passwords
from sezoo.cli.hydra_run import run_with_hydra
from sezoo.config.plain_data import to_dict, to_yaml
from sezoo.config.validation import build_config
from sezoo.run import tracking
from sezoo.run.run import open_run

SECRET = "hunter2-correct-horse"

FILE = """
operation_mode: quantization
general: {project_name: "${NAME_OF_PROJECT}"}
model: {onnx_path: "${MODELS}/m.onnx"}
dataset: {name: demo}
preprocessing: {sample_rate: "${RATE}"}
quantization: {op_types_to_quantize: ["${OPERATOR}", Add], extra_options: {"${OPERATOR}": "${OPERATOR}"}}
mlflow: {uri: "https://me:${TOKEN}@localhost:9"}
hydra: {run: {dir: "${RUNS}/one"}}
"""


@pytest.fixture
def secrets(monkeypatch, tmp_path):
    values = {name: f"{SECRET}-{name}" for name in ("TOKEN", "NAME_OF_PROJECT", "OPERATOR")}
    values |= {"RATE": "16000", "RUNS": str(tmp_path / SECRET), "MODELS": str(tmp_path / SECRET)}
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["sezoo"])
    return values


def files_with(folder: Path, text: str) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and text.encode() in path.read_bytes()]


def test_a_run_of_a_file_with_variables(secrets, tmp_path):
    (tmp_path / "user_config.yaml").write_text(FILE, encoding="utf-8")

    def task(config, folder):
        assert config.mlflow.uri == f"https://me:{secrets['TOKEN']}@localhost:9"
        (folder / "a_result").touch()  # or else the run's folder would be removed
        with pytest.raises(UserError, match="mlflow") as error, open_run(config, folder):
            pass
        assert SECRET not in str(error.value)

    run_with_hydra([], tmp_path, task)
    written = tmp_path / SECRET / "one"
    assert sorted(path.stem for path in written.rglob("*.yaml")) == ["config", "hydra", "overrides", "resolved_config"]
    assert yaml.safe_load((written / "resolved_config.yaml").read_text())["mlflow"] == {
        "uri": "https://me:${TOKEN}@localhost:9"
    }
    for name in ("TOKEN", "NAME_OF_PROJECT", "OPERATOR"):
        assert not files_with(tmp_path, secrets[name])
    assert "dir: ${RUNS}/one" in (written / ".hydra" / "hydra.yaml").read_text()


def test_what_is_written_makes_the_same_configuration(secrets):
    config = build_config({key: value for key, value in yaml.safe_load(FILE).items() if key != "hydra"})
    plain = to_dict(config)
    assert plain["preprocessing"]["sample_rate"] == 16000
    assert plain["general"]["project_name"] == "${NAME_OF_PROJECT}"
    assert SECRET not in str(plain)
    assert build_config(yaml.safe_load(to_yaml(config))) == config


def test_the_tracking_gets_names_of_variables(secrets, tmp_path):
    raw = {**quantization_config(), "general": {"project_name": "${NAME_OF_PROJECT}"}, "mlflow": {"uri": "${RUNS}"}}
    with tracking.start_tracking(build_config(raw), tmp_path / "run"):
        pass
    store = Path(secrets["RUNS"])
    assert [path.read_text() for path in store.rglob("general.project_name")] == ["${NAME_OF_PROJECT}"]
    assert all(path.name == "meta.yaml" for path in files_with(store, SECRET))  # the name of the experiment itself


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("https://me:word@host/a", "https://***@host/a"),
        ("https://me@host", "https://***@host"),
        ("postgresql+psycopg2://u:p@ss@db:5432/x and", "postgresql+psycopg2://***@db:5432/x and"),
        ("https://me:${TOKEN}@host", "https://me:${TOKEN}@host"),
        ("https://me:word@${HOST}/a", "https://***@${HOST}/a"),
        ("https://host/a@b", "https://host/a@b"),
        ("sqlite:///a@b.db", "sqlite:///a@b.db"),
        ("me@example.org", "me@example.org"),
    ],
)
def test_addresses_lose_their_users(text, masked):
    assert without_passwords(text) == masked
    assert to_one_line(text) == masked


def test_messages_and_logs_lose_them_too(tmp_path):
    from sezoo.base.terminal import OneLine

    assert "word" not in str(UserError("mlflow.uri: https://me:word@host: refused"))
    record = logging.LogRecord("sezoo", logging.INFO, "", 0, "tracking at %s", ("https://me:word@host",), None)
    OneLine().filter(record)
    assert record.getMessage() == "tracking at https://***@host"


# -- ClearML ---------------------------------------------------------------------------------------------------


class Tracked:
    """Stands for ClearML's tracker; the real one is tried in test_clearml_tracker.py."""

    made: list[str]

    def __init__(self, project, name, parameters, tags):
        self.made.append(name)

    def end(self, status, error=""):
        pass


@pytest.fixture
def clearml(monkeypatch):
    monkeypatch.setattr(Tracked, "made", [], raising=False)
    monkeypatch.setattr(tracking, "ClearmlTracker", Tracked)
    monkeypatch.setattr(tracking, "check_clearml", lambda: None)
    return Tracked.made


def tracked(tmp_path, **tracking_section):
    raw = {**quantization_config(), "mlflow": {"uri": ""}, "tracking": tracking_section}
    with tracking.start_tracking(build_config(raw), tmp_path / "some_run"):
        pass


def test_clearml_is_for_those_who_ask(clearml, tmp_path):
    tracked(tmp_path)
    assert clearml == []
    tracked(tmp_path, clearml=True)
    assert clearml == ["some_run"]


def test_clearml_tracks_in_the_first_process_only(clearml, tmp_path, monkeypatch):
    for name, value in {"RANK": "1", "WORLD_SIZE": "2", "MASTER_ADDR": "localhost", "MASTER_PORT": "1"}.items():
        monkeypatch.setenv(name, value)
    tracked(tmp_path, clearml=True)
    assert clearml == []


def test_clearml_that_is_not_there_is_an_error_before_the_work(tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"tracking\.clearml: found True, which needs the package clearml"):
        tracked(tmp_path, clearml=True)
