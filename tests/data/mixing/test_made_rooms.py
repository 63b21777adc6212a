"""Impulse responses, and what of a room belongs to the speech."""

import numpy as np
import pytest

from sezoo.base.errors import UserError
from sezoo.data.mixing.rooms import Rooms, convolve_with_room, exponential_response, image_response

RATE = 16000


def reverberation_time(response):
    """Seconds, by Schroeder's backward integration, from the fall of 5 to 25 dB."""
    energy = np.cumsum(np.square(response[::-1], dtype=np.float64))[::-1]
    level = 10 * np.log10(energy / energy[0] + 1e-12)
    start, end = (int(np.argmax(level < limit)) for limit in (-5, -25))
    return 3 * (end - start) / RATE


@pytest.mark.parametrize("seconds", [0.2, 0.5, 1.0])
def test_a_response_by_formula_falls_by_60_db_in_its_time(seconds):
    times = [
        reverberation_time(exponential_response(RATE, seconds, np.random.default_rng(seed))[32:]) for seed in range(8)
    ]
    assert np.median(times) == pytest.approx(seconds, rel=0.15)


def test_a_response_by_formula_begins_with_the_direct_sound():
    for seed in range(20):
        response = exponential_response(RATE, 0.4, np.random.default_rng(seed))
        assert response[0] == 1 and response.dtype == np.float32
        assert not response[1:32].any()  # no reflection before 2 ms
        ratio = -10 * np.log10(np.sum(np.square(response[1:], dtype=np.float64)))
        assert -3 <= ratio <= 12


def test_a_response_by_mirror_images():
    pytest.importorskip("pyroomacoustics")
    response = image_response(RATE, 0.3, np.random.default_rng(0))
    assert response.ndim == 1 and response.dtype == np.float32 and np.isfinite(response).all()
    onset = np.argmax(np.abs(response) > 0.1 * np.abs(response).max())
    assert onset > 10  # sound takes its time
    assert 0.1 < reverberation_time(response[onset:]) < 0.6


def test_mirror_images_without_their_package(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pyroomacoustics", None)
    with pytest.raises(UserError, match=r"dataset\.rooms: image needs pyroomacoustics: pip install"):
        image_response(RATE, 0.3, np.random.default_rng(0))


def test_the_target_has_the_early_reflections_and_not_the_late_ones():
    speech = np.zeros(2000, np.float32)
    speech[100] = 0.5
    response = np.zeros(1500, np.float32)
    response[40], response[240], response[1040] = 2.0, 1.0, 0.5  # 40 samples of flight
    wet, target = convolve_with_room(speech, response, 800)
    assert wet.shape == target.shape == speech.shape
    found = {name: np.flatnonzero(np.abs(wave) > 1e-4) for name, wave in (("wet", wet), ("target", target))}
    np.testing.assert_array_equal(found["wet"], [100, 300, 1100])
    np.testing.assert_array_equal(found["target"], [100, 300])
    np.testing.assert_allclose(wet[[100, 300, 1100]], [0.5, 0.25, 0.125], atol=1e-6)


def test_no_early_reflections_leave_the_speech_as_it_was():
    speech = np.random.default_rng(0).standard_normal(4000).astype(np.float32)
    rooms = Rooms(exponential_response, (0.3, 0.3), 0.0)
    wet, target = rooms.reverberate(speech, RATE, np.random.default_rng(1))
    np.testing.assert_allclose(target, speech, atol=1e-5)
    assert np.abs(wet - speech).max() > 0.1
