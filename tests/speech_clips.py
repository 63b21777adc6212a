"""Clips on which metrics can be tried: speech-like ones, noisy ones, and real ones that papers give scores of."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

VOICEBANK = Path(__file__).resolve().parents[2] / "shared" / "data" / "voicebank_demand_p232"
RATE = 16_000


def speech_like(seconds: float, seed: int = 0) -> np.ndarray:
    """Syllables of a buzz: enough of speech for PESQ and STOI to score."""
    rng = np.random.default_rng(seed)
    t = np.arange(int(seconds * RATE)) / RATE
    pitch = 120 + 30 * np.sin(2 * np.pi * 0.7 * t)
    phase = 2 * np.pi * np.cumsum(pitch) / RATE
    buzz = sum(np.sin(k * phase) / k for k in range(1, 25))
    syllables = np.clip(np.sin(2 * np.pi * 2.2 * t), 0, None) ** 0.5
    return 0.1 * syllables * buzz + 1e-4 * rng.standard_normal(t.size)


def noised(clean: np.ndarray, level: float = 0.01, seed: int = 1) -> np.ndarray:
    return clean + level * np.random.default_rng(seed).standard_normal(clean.size)


def real_pairs(count: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """The first clean and noisy clips of VoiceBank+DEMAND's test speaker p232; without them the test is skipped."""
    if not VOICEBANK.is_dir():
        pytest.skip("the VoiceBank+DEMAND test clips of speaker p232 are not at ../shared/data")
    names = [path.name for path in sorted((VOICEBANK / "clean_testset").glob("*.flac"))[:count]]
    return [
        (soundfile.read(VOICEBANK / "clean_testset" / name)[0], soundfile.read(VOICEBANK / "noisy_testset" / name)[0])
        for name in names
    ]
