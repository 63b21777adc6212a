"""The log of a benchmark on several targets names the one that is being measured."""

import logging
from types import SimpleNamespace

import pytest

from sezoo.base.errors import UserError
from sezoo.benchmarking import service


def test_each_target_is_named_before_it_is_measured(monkeypatch, caplog):
    def refuse(*_):
        raise UserError(f"after {len(caplog.records)} lines")

    for name in ("measure_host", "measure_emulated"):
        monkeypatch.setattr(service, name, refuse)
    monkeypatch.setattr(service, "check_benchmarking", lambda config: None)
    caplog.set_level(logging.INFO)
    settings = SimpleNamespace(targets=("host", "cortex-m55"), board=None)
    config = SimpleNamespace(benchmarking=settings, model=SimpleNamespace(onnx_path="m.onnx"))
    with pytest.raises(UserError, match="after 1 lines"):
        service.benchmark(SimpleNamespace(config=config, artefacts=SimpleNamespace(int8_static=None)))
    lines = [record.getMessage() for record in caplog.records]
    assert lines == ["measuring on host (1 of 2)", "measuring on cortex-m55 (2 of 2)"]
