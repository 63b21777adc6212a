"""A user's metrics: what makes one, and what becomes of those that fail."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from sezoo.base.errors import UserError
from sezoo.config.metric_facts import facts_of_metric
from sezoo.config.registries import METRICS as REGISTRY
from sezoo.metrics import METRICS, MetricError, load_metrics, metric, score_clip

CODE = """
import numpy as np
from sezoo.metrics import MetricError, metric

def plain(clean, denoised):
    return float(np.abs(clean - denoised).max())

@metric("Peak error", unit="dB", form="{:.1f}", higher_is_better=False)
def peak(clean, denoised, sample_rate):
    return 20 * np.log10(np.abs(clean - denoised).max()) + sample_rate

@metric("Level", needs="no_such_package", install="that-package")
def level(denoised):
    return np.float32(denoised.std())

class Counter:
    def __call__(self, denoised):
        return denoised.size

def snr(clean, denoised):
    return 1.0

def wrong(reference, estimate):
    return 1.0

def noisy_one(denoised):
    return 1.0

nothing = 5
"""


@pytest.fixture
def mine(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(CODE, encoding="utf-8")


def error_of(*names: str) -> str:
    with pytest.raises(UserError) as error:
        load_metrics(names)
    return str(error.value)


def test_functions_and_classes_of_a_file(mine):
    found = load_metrics(["mine.py:plain", "pesq", "mine.py:peak", "mine.py:level", "mine.py:Counter"])
    assert list(found) == ["plain", "pesq", "peak", "level", "Counter"]
    assert [found[name].needs_clean for name in found] == [True, True, True, False, False]
    assert found["pesq"] is METRICS["pesq"]
    clean, denoised = np.zeros(9), np.full(9, 0.1)
    assert found["plain"](clean, denoised, 16000) == pytest.approx(0.1)
    assert found["peak"](clean, denoised, 16000) == pytest.approx(15980)
    assert not found["level"].is_installed
    assert found["plain"].is_installed
    scores, _ = score_clip(None, denoised, 16000, {"Counter": found["Counter"]})
    assert scores == {"Counter": 9}


def test_facts_come_with_it(mine):
    load_metrics(["mine.py:plain", "mine.py:peak"])
    peak = facts_of_metric("peak")
    assert (peak.label, peak.unit, peak.form.format(1.26), peak.higher_is_better) == ("Peak error", "dB", "1.3", False)
    assert facts_of_metric("plain").label == "plain"


def test_what_is_no_metric(mine):
    assert error_of("mine.py:plane") == "evaluation.metrics: mine.py has no metric plane; did you mean plain?"
    assert error_of("mine.py:nothing") == "evaluation.metrics: mine.py:nothing is no metric: it is no function"
    assert "takes reference, estimate; allowed: clean, denoised, sample_rate" in error_of("mine.py:wrong")
    assert "the table of clips has columns that begin so" in error_of("mine.py:noisy_one")
    assert "mine.py:snr has the name of another metric, snr" in error_of("mine.py:snr")
    Path("other.py").write_text(CODE, encoding="utf-8")
    assert "other.py:plain has the name of another metric" in error_of("mine.py:plain", "other.py:plain")


def test_a_class_that_cannot_be_instantiated_or_called(mine):
    Path("classes.py").write_text(
        "class Fails:\n    def __init__(self):\n        raise OSError('no model file')\nclass Plain:\n    pass\n",
        encoding="utf-8",
    )
    start = "evaluation.metrics: classes.py:"
    assert error_of("classes.py:Fails") == f"{start}Fails is no metric: Fails() fails: OSError: no model file"
    assert error_of("classes.py:Plain") == f"{start}Plain is no metric: instances of its class Plain cannot be called"


def test_a_form_that_is_none():
    with pytest.raises(ValueError, match="form"):
        metric(form="{0.__class__}")(lambda denoised: 1.0)


def raises(denoised):
    raise ZeroDivisionError("no\nway")


def refuses(denoised):
    raise MetricError("too quiet")


def changes(clean, denoised):
    clean[:] = denoised[:] = 0
    return 0.0


@pytest.mark.parametrize(
    ("compute", "reason"),
    [
        (raises, "ZeroDivisionError: no (test_users_metrics.py, line "),
        (refuses, "too quiet"),
        (lambda denoised: math.nan, "the value is nan"),
        (lambda denoised: math.inf, "the value is inf"),
        (lambda denoised: None, "it returned NoneType, not a number"),
        (lambda denoised: "4", "it returned str, not a number"),
        (lambda denoised: True, "it returned bool, not a number"),
        (lambda denoised: 1j, "it returned complex, not a number"),
        (lambda denoised: denoised, "it returned an array (9,), not a number"),
    ],
)
def test_a_metric_that_fails_gives_the_reason_and_the_others_go_on(compute, reason):
    found = {"own": metric("own")(compute), **load_metrics(["mse"])}
    scores, not_scored = score_clip(np.zeros(9), np.full(9, 0.5), 16000, found)
    assert scores == {"mse": 0.25}
    assert not_scored["own"].startswith(reason)


def test_a_metric_changes_only_clips_of_its_own():
    found = {"own": metric("own")(changes), **load_metrics(["mse"])}
    scores, _ = score_clip(np.zeros(9), np.full(9, 0.5), 16000, found)
    assert scores == {"own": 0.0, "mse": 0.25}


def test_each_file_of_ours_is_a_metric(tmp_path):
    for name, where in REGISTRY.own.items():
        assert where == f"sezoo.metrics.measures.{name}:{name}"
        assert METRICS[name].compute.__doc__


def test_errors_and_values_that_cannot_be_shown_or_held_are_reasons_too(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code = (
        "class Fault(Exception):\n"
        "    def __str__(self):\n"
        "        raise RuntimeError('no message')\n"
        "def fails(denoised):\n"
        "    raise Fault\n"
        "def huge(denoised):\n"
        "    return 10**400\n"
    )
    Path("their.py").write_text(code, encoding="utf-8")
    scores, reasons = score_clip(None, np.zeros(9), 16000, load_metrics(["their.py:fails", "their.py:huge"]))
    assert not scores
    assert reasons["fails"] == "Fault: its message cannot be shown: RuntimeError (their.py, line 5)"
    assert "too large" in reasons["huge"]
