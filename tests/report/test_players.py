"""What is heard first on a page."""

import numpy as np
import pytest

from sezoo.audio.stft import Stft
from sezoo.report.players import Sound, sound_player


@pytest.mark.parametrize(
    ("names", "chosen"),
    [
        ("noisy float int8 int8_stream clean", "int8_stream"),
        ("noisy float int8 int8_board int8_patches clean", "int8_board"),
        ("noisy float int8 clean", "int8"),
        ("noisy float clean", "float"),
        ("noisy", "noisy"),
    ],
)
def test_what_a_device_gives_is_heard_first(names, chosen):
    waveform = np.random.default_rng(0).standard_normal(2000).astype(np.float32) / 10
    sounds = [Sound(name, name, waveform, 16000, 4000) for name in names.split()]
    player = sound_player("clip", "a.wav", "", sounds, Stft())
    assert player.versions[player.chosen].label == chosen
