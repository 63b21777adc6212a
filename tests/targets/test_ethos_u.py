"""Arm's compiler for the Ethos-U: found, refused, and its tables read."""

import importlib.util
import os
from pathlib import Path

import pytest

from sezoo.base.errors import UserError
from sezoo.config.npus import NPUS
from sezoo.targets import ethos_u
from sezoo.targets.ethos_u import Vela, compile_for_npu, find_vela

posix = pytest.mark.skipif(os.name == "nt", reason="the stand-ins are shell scripts")

SUMMARY = "nn_macs,cycles_total,sram_memory_used,off_chip_flash_memory_used\n2000,731.0,1.5,0.25\n"
LAYERS = "Original Operator,Target,Op Cycles,MAC Count,Name\nConv2D,NPU,700,2000,a\nGatherV2,CPU,0,0,b\n"


@pytest.fixture
def no_package(monkeypatch):
    """As if ethos-u-vela were not installed."""
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == "ethosu" else real(name, *rest)
    )


@pytest.fixture
def stand_in(tmp_path, monkeypatch, no_package):
    """Puts a shell script on the PATH that is called vela."""

    def put(*lines):
        path = tmp_path / "bin" / "vela"
        path.parent.mkdir(exist_ok=True)
        path.write_text("\n".join(["#!/bin/sh", *lines, ""]), encoding="utf-8")
        path.chmod(0o755)
        monkeypatch.setenv("PATH", f"{path.parent}{os.pathsep}{os.environ['PATH']}")

    return put


def test_none(no_package, monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(UserError, match=r"vela.* was not found: pip install 'sezoo\[ethos-u\]'"):
        find_vela()


@posix
@pytest.mark.parametrize(("said", "told"), [("3.12.0", "vela is 3.12.0; 5.0 or later"), ("oops", "vela is broken")])
def test_too_old_or_broken(stand_in, said, told):
    stand_in(f"echo {said}")
    with pytest.raises(UserError, match=told):
        find_vela()


@posix
def test_one_on_the_path(stand_in):
    stand_in("echo 5.2.0")
    assert find_vela().version == "5.2.0"


def compiled(tmp_path, *lines, monkeypatch):
    """What is read of the tables of a compiler that says these lines."""
    made = tmp_path / "made"
    made.mkdir()
    for name, text in (("net_summary_Ethos_U55_High_End_Embedded", SUMMARY), ("net_per-layer", LAYERS)):
        (made / f"{name}.csv").write_text(text, encoding="utf-8")
    monkeypatch.setattr(ethos_u, "run_program", lambda *command, **how: "\n".join(lines))
    return compile_for_npu(Vela(("vela",), "5.2.0"), Path("net.tflite"), NPUS["ethos-u55-128"], made, Path("log"))


def test_tables(tmp_path, monkeypatch):
    reason = ("Warning (supported operators) operator: GATHER, ofm: 'b'", "   Reason: Unsupported opType")
    found = compiled(tmp_path, *reason, monkeypatch=monkeypatch)
    assert (found.cycles, found.macs, found.sram, found.flash) == (731, 2000, 1536, 256)
    assert [(each.tensor, each.on_npu, each.cycles) for each in found.layers] == [("a", True, 700), ("b", False, 0)]
    assert found.reasons == {"b": "Unsupported opType"}


def test_tables_of_another_form(tmp_path, monkeypatch):
    monkeypatch.setitem(globals(), "SUMMARY", "cycles\n7\n")
    with pytest.raises(UserError, match=r"its tables are not as expected \(KeyError: 'cycles_total'\)"):
        compiled(tmp_path, monkeypatch=monkeypatch)
