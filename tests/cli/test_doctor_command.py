"""`sezoo doctor`: what is there, what is not, and how to get that."""

import json
import os
import re
import stat
import sys
import tomllib
from pathlib import Path

import pytest

from sezoo.base.version import __version__
from sezoo.cli import diagnosis as health
from sezoo.cli.main import main


def program(folder, name, says):
    path = folder / name
    path.write_text(f"#!{sys.executable}\nprint({says!r})\n", encoding="utf-8")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


@pytest.fixture
def nothing_but(tmp_path, monkeypatch):
    """A PATH with nothing but the programs of this folder."""
    for variable in ("STM32_AI_EXE", "STM32_CUBE_IDE_EXE", "STM32_CUBE_PROG_EXE", "STM32_SIGNINGTOOL_CLI"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def told(capsys):
    main(["doctor", "--json"])
    return json.loads(capsys.readouterr().out)


def test_what_is_missing_says_what_it_is_for_and_how_to_get_it(nothing_but, capsys, monkeypatch):
    monkeypatch.setitem(health.OPTIONAL, "no-such-package", ("nothing", "pip install nothing[at-all]"))
    main(["doctor"])
    out = capsys.readouterr().out
    assert out.startswith(f"sezoo {__version__}, Python {sys.version.split()[0]}")
    lines = [line.strip() for line in out.splitlines()]
    place = lines.index("--  no-such-package  not there")
    assert lines[place + 1 : place + 3] == ["for nothing", "pip install nothing[at-all]"]
    found = told(capsys)
    assert not [each for each in found["programs"] if each["found"]]
    for each in found["programs"]:
        assert each["name"] in out
        assert each["purpose"]
        assert "on the PATH" in each["remedy"]
        assert "tools." in each["remedy"]


@pytest.mark.skipif(os.name == "nt", reason="scripts are no programs there")
def test_programs_and_their_versions(nothing_but, capsys, monkeypatch):
    program(nothing_but, "arm-none-eabi-gcc", "13.2.1")
    program(nothing_but, "qemu-system-arm", "QEMU emulator version 8.2.0 (Debian)")
    elsewhere = nothing_but / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.setenv("STM32_AI_EXE", str(program(elsewhere, "stedgeai", "ST Edge AI Core v2.1.0-20194")))
    monkeypatch.setenv("STM32_CUBE_PROG_EXE", str(elsewhere))
    found = {each["name"]: each for each in told(capsys)["programs"]}
    versions = {name: each["version"] for name, each in found.items() if each["found"]}
    assert versions == {"arm-none-eabi-gcc": "13.2.1", "qemu-system-arm": "8.2.0", "stedgeai": "2.1.0"}
    assert found["stedgeai"]["path"] == (elsewhere / "stedgeai").as_posix()
    assert "STM32_CUBE_PROG_EXE" in found["STM32_Programmer_CLI"]["problem"]
    main(["doctor"])
    assert "is a folder" in capsys.readouterr().out


def test_the_packages_are_those_that_sezoo_requires(capsys):
    found = told(capsys)
    packages = {each["name"]: each for each in found["packages"]}
    assert set(packages) >= {"numpy", "onnx", "onnxruntime", "hydra-core"}
    assert all(each["found"] and each["version"] for each in packages.values())
    assert not {"torch", "pytest"} & set(packages)
    assert {each["name"] for each in found["optional_packages"]} == set(health.OPTIONAL)
    assert found["folders"][-1]["name"] == "cache"


def test_extras_are_the_same_in_pyproject_the_readme_and_the_doctor():
    """Whoever reads one of the three finds every extra that a user can install."""
    root = Path(__file__).parents[2]
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = {name: each for name, each in project["optional-dependencies"].items() if name not in ("docs", "dev")}
    rows = re.findall(r"^\| `\.\[.*", (root / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert {name for row in rows for name in re.findall(r"`\.\[([\w-]+)\]`", row)} == set(extras)
    remedies = " ".join(remedy for _, remedy in health.OPTIONAL.values())
    assert set(re.findall(r"sezoo\[([\w-]+)\]", remedies)) == set(extras)
    packages = {re.match(r"[\w.-]+", line)[0] for lines in extras.values() for line in lines}
    assert packages == set(health.OPTIONAL)
