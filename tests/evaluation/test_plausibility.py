import logging

import numpy as np
import pytest
import soundfile

from builders import noise
from sezoo.audio.stft import Stft
from sezoo.data.folders import pair_clips
from sezoo.evaluation.plausibility import delay, warn_of_delay, warn_of_worse_than_noisy
from sezoo.results.scores import Mean

RATE = 16000


def mean(value):
    return Mean(value, value - 1, value + 1, 5)


@pytest.mark.parametrize("shift", [384, -200, 0])
def test_the_delay_of_noisy_clips(shift):
    clean = noise(1.0, seed=1)
    noisy = np.roll(clean, shift) + 0.5 * noise(1.0, seed=2)
    assert delay(noisy, clean, RATE) == shift


def test_a_noisy_set_24_ms_late_is_told(tmp_path, caplog):
    for folder in ("noisy", "clean"):
        (tmp_path / folder).mkdir()
    for index in range(3):
        clean = noise(0.5, seed=index)
        soundfile.write(tmp_path / "clean" / f"{index}.wav", clean, RATE)
        soundfile.write(tmp_path / "noisy" / f"{index}.wav", np.roll(clean, 384), RATE)
    pairs = pair_clips(*(sorted((tmp_path / folder).iterdir()) for folder in ("noisy", "clean")))
    warn_of_delay({"noisy": {"si_snr": mean(-22.0)}}, pairs, RATE, Stft())
    assert "the noisy clips are 24 ms later than the clean ones (384 samples, SI-SNR -22.0 dB)" in caplog.text
    caplog.clear()
    warn_of_delay({"noisy": {"si_snr": mean(3.0)}}, pairs, RATE, Stft())
    assert not caplog.text


def test_a_float_model_below_the_noisy_clips_is_told(caplog):
    caplog.set_level(logging.WARNING)
    means = {"noisy": {"pesq": mean(3.43), "si_snr": mean(8)}, "float_stream": {"pesq": mean(2.58), "si_snr": mean(9)}}
    labels = {"float_stream": "float (C package)", "float": "float"}
    warn_of_worse_than_noisy(means, labels)
    assert "float (C package): the denoised clips score below the noisy ones (PESQ 2.58, noisy 3.43)" in caplog.text
    caplog.clear()
    warn_of_worse_than_noisy({**means, "float": {"pesq": mean(2.6)}}, labels)
    (line,) = caplog.messages  # one for all versions
    assert line.startswith("float (C package), float: the denoised clips score below the noisy ones (PESQ 2.58,")
    caplog.clear()
    warn_of_worse_than_noisy({**means, "float_stream": {"pesq": mean(3.5), "si_snr": mean(9)}}, labels)
    assert not caplog.text
