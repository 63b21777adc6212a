import numpy as np
import pytest

from sezoo.audio.clip import write_clip
from sezoo.report.chip_section import chip_section
from sezoo.results.run_results import read_run

RATE = 16000


def players(folder):
    return [block for block in chip_section(read_run(folder), 1e6).blocks if block.kind == "player"]


@pytest.fixture
def deployed(bare_run, writers):
    writers["targets"](bare_run)
    for name in ("noisy", "denoised"):
        wave = np.random.default_rng(1).standard_normal(RATE).astype(np.float32) / 8
        write_clip(bare_run / "emulated_cortex-m55" / f"{name}.wav", wave, RATE)
    return bare_run


def test_what_the_core_computed_is_played_beside_the_noisy_recording(deployed):
    (player,) = players(deployed)
    assert [version.label for version in player.versions] == ["noisy", "denoised on cortex-m55"]
    assert player.versions[player.chosen].scores == "PESQ 1.500"
    assert player.seconds == pytest.approx(1.0)


@pytest.mark.parametrize("name", ["noisy.wav", "denoised.wav"])
def test_no_player_where_a_recording_is_gone_or_torn(deployed, name):
    path = deployed / "emulated_cortex-m55" / name
    path.write_bytes(b"RIFF")
    assert players(deployed) == []
    path.unlink()
    assert players(deployed) == []
