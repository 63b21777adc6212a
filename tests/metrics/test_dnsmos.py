"""DNSMOS against the package's own functions."""

import sys

import numpy as np
import pytest

from sezoo.metrics import METRICS, MetricError, dnsmos, dnsmos_p808, dnsmos_p835
from speech_clips import RATE, noised, real_pairs, speech_like


def assert_is_the_package(clip: np.ndarray) -> None:
    import plain_librosa  # noqa: F401  before the package imports librosa

    theirs = pytest.importorskip("speechmos.dnsmos").run(clip, RATE)
    ours = dnsmos_p835(clip, RATE)
    assert ours == pytest.approx({f"dnsmos_{part}": theirs[f"{part}_mos"] for part in ("sig", "bak", "ovrl")}, abs=1e-5)
    assert dnsmos_p808(clip, RATE) == pytest.approx(theirs["p808_mos"], abs=1e-5)


# 1.5 s are repeated to 12 s; of 17 s, the program leaves out the segment at 7 s.
@pytest.mark.parametrize("seconds", [1.5, 17.0])
def test_is_the_package(seconds: float) -> None:
    assert_is_the_package(noised(speech_like(seconds)))


def test_is_the_package_on_real_speech() -> None:
    pytest.importorskip("speechmos")
    assert_is_the_package(real_pairs(1)[0][1])


def test_noise_lowers_the_scores() -> None:
    pytest.importorskip("speechmos")
    clean, noisy = real_pairs(1)[0]
    better, worse = dnsmos_p835(clean, RATE), dnsmos_p835(noisy, RATE)
    assert better["dnsmos_bak"] > worse["dnsmos_bak"]
    assert better["dnsmos_ovrl"] > worse["dnsmos_ovrl"]


def test_samples_beyond_full_scale_are_limited() -> None:
    pytest.importorskip("speechmos")
    loud = 20 * noised(speech_like(2.0))
    assert np.abs(loud).max() > 1
    assert dnsmos_p808(loud, RATE) == dnsmos_p808(np.clip(loud, -1, 1), RATE)


def test_segments_of_a_clip() -> None:
    assert len(dnsmos._segments(np.ones(5 * RATE), RATE)) == 1
    assert len(dnsmos._segments(np.ones(10 * RATE), RATE)) == 1
    assert len(dnsmos._segments(np.ones(11 * RATE), RATE)) == 2
    with pytest.raises(MetricError, match="not at 48000 Hz"):
        dnsmos._segments(np.ones(100), 48_000)


def test_networks_are_loaded_once() -> None:
    pytest.importorskip("speechmos")
    assert dnsmos._network("model_v8.onnx") is dnsmos._network("model_v8.onnx")


def test_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "speechmos", None)
    dnsmos._network.cache_clear()
    assert not METRICS["dnsmos_p808"].is_installed
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'sezoo\[dnsmos\]'"):
        dnsmos_p808(speech_like(1.0), RATE)
