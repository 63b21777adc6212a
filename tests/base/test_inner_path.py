"""Names that try to leave the run's folder, or MLflow's."""

from __future__ import annotations

from pathlib import Path, PurePosixPath, PureWindowsPath

import pytest
from hypothesis import given

from builders import quantization_config
from hostile_names import HOSTILE, hostile_names
from sezoo.base.errors import UserError
from sezoo.base.inner_path import LONGEST_NAME, inner_path, is_inner, safe_name
from sezoo.config.validation import build_config

OUTSIDE = [
    "..",
    "..\\outside",
    "a\\..\\..\\b",
    "C:\\outside",
    "C:outside",
    "\\\\server\\share\\a",
    "../outside",
    "a/../../outside",
    "../../../../tmp/x",
    "/tmp/outside",
    "a/b/../../../c",
]


@pytest.mark.parametrize("name", OUTSIDE)
def test_what_leaves_the_folder_is_refused(tmp_path, name):
    with pytest.raises(UserError, match=r"some\.key: found .* outside of"):
        inner_path(tmp_path, name, "some.key")


@pytest.mark.parametrize("name", ["a", "a/b", "a/../b", "./a", ".", "a..b", "...", "größe 名"])
def test_what_stays_inside_is_taken(tmp_path, name):
    assert inner_path(tmp_path, name, "some.key") == tmp_path / name


def test_drives_and_servers_are_outside():
    assert not any(is_inner(PureWindowsPath(name)) for name in ("C:\\a", "C:a", "\\a", "\\\\server\\share\\a", "..\\a"))
    assert is_inner(PureWindowsPath("a\\b"))
    assert not is_inner(PurePosixPath("a\0b"))


@pytest.mark.parametrize("name", OUTSIDE)
@pytest.mark.parametrize(("section", "key"), [("training", "logs_filename"), ("evaluation", "logs_path")])
def test_keys_for_places_inside_the_run(section, key, name):
    with pytest.raises(UserError, match=rf"^{section}\.{key}: found .*; allowed: "):
        build_config({**quantization_config(), section: {key: name}})


@pytest.mark.parametrize("name", [name for name in OUTSIDE if not name.startswith("/")])
@pytest.mark.parametrize(
    ("section", "key"), [("general", "saved_models_dir"), ("prediction", "output_path"), ("training", "ckpt_path")]
)
def test_keys_for_places_inside_the_run_or_anywhere(section, key, name, tmp_path):
    with pytest.raises(UserError, match=rf"^{section}\.{key}: found .* give an absolute one"):
        build_config({**quantization_config(), section: {key: name}})
    build_config({**quantization_config(), section: {key: str(tmp_path)}})


@pytest.mark.parametrize("name", ["a/b.csv", "a\nb.csv", ".", ".."])
def test_a_file_name_is_plain(name):
    with pytest.raises(UserError, match=r"^training\.logs_filename: found .*; allowed: the name of a file"):
        build_config({**quantization_config(), "training": {"logs_filename": name}})


@given(hostile_names())
def test_a_safe_name_is_one_file_that_mlflow_takes(name):
    safe = safe_name(name)
    assert Path(safe).name == safe
    assert safe not in ("", ".", "..")
    assert len(safe.encode()) <= LONGEST_NAME
    assert safe_name(safe) == safe


def test_safe_names_stay_apart():
    assert len({safe_name(name) for name in HOSTILE}) == len(HOSTILE)
    assert safe_name("training.optimizer_arguments.lr") == "training.optimizer_arguments.lr"


# -- paths as people write them in YAML ------------------------------------------------------------------------


def test_a_tilde_is_the_home_folder(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.setenv("USERPROFILE", "/home/me")
    config = build_config({**quantization_config(), "model": {"onnx_path": "~/models/a.onnx"}})
    assert config.model.onnx_path == Path("/home/me/models/a.onnx")
    config = build_config({**quantization_config(), "model": {"onnx_path": "~a.onnx"}})
    assert config.model.onnx_path == Path("~a.onnx")


@pytest.mark.parametrize(
    ("value", "meant"),
    [("D:\noisy", "D:\\noisy"), ("D:\temp\x07udio", "D:\\temp\\audio"), ("..\noisy", "..\\noisy"), ("D:\x85", "D:\\N")],
)
def test_an_escape_where_a_backslash_was_meant(value, meant):
    """What YAML reads in double quotes: the message says so, and what to write."""
    with pytest.raises(UserError, match=r"^model\.onnx_path: found .* .in double quotes YAML takes") as error:
        build_config({**quantization_config(), "model": {"onnx_path": value}})
    assert f"write '{meant}' in single quotes, or {meant.replace(chr(92), '/')}" in str(error.value)


def test_a_file_with_a_newline_in_its_name_can_be_named(tmp_path):
    path = tmp_path / "a\nb.onnx"
    path.touch()
    assert build_config({**quantization_config(), "model": {"onnx_path": str(path)}}).model.onnx_path == path
