"""The demo recordings as shipped, and that the program still makes the same ones."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import soundfile

import sezoo.demo
import tools.demo_recordings.__main__ as maker
from sezoo.base.errors import UserError
from tools.demo_recordings import speech
from tools.demo_recordings.noises import NOISES
from tools.demo_recordings.script import TEST_CLIPS, TRAIN_CLIPS, DemoClip

RECORDINGS = Path(sezoo.demo.__file__).parent / "recordings"
SETS = {"trainset": TRAIN_CLIPS, "testset": TEST_CLIPS}
ALL = [(split, clip) for split, clips in SETS.items() for clip in clips]
MADE_WITH = "1.51"  # the version of eSpeak NG that spoke the shipped set


def read_pair(split: str, name: str) -> tuple[np.ndarray, np.ndarray]:
    return tuple(soundfile.read(RECORDINGS / f"{kind}_{split}" / name, dtype="int16")[0] for kind in ("noisy", "clean"))


@pytest.mark.parametrize(("split", "count"), [("trainset", 28), ("testset", 12)])
def test_counts_and_names(split: str, count: int) -> None:
    noisy = sorted(path.name for path in (RECORDINGS / f"noisy_{split}").iterdir())
    clean = sorted(path.name for path in (RECORDINGS / f"clean_{split}").iterdir())
    assert len(noisy) == count
    assert noisy == clean == sorted(clip.name for clip in SETS[split])


def test_size_of_the_set() -> None:
    assert sum(path.stat().st_size for path in RECORDINGS.rglob("*.flac")) < 5_000_000


@pytest.mark.parametrize(("split", "clip"), ALL, ids=lambda value: getattr(value, "name", value))
def test_pair(split: str, clip: DemoClip) -> None:
    for kind in ("noisy", "clean"):
        info = soundfile.info(RECORDINGS / f"{kind}_{split}" / clip.name)
        assert (info.format, info.subtype, info.samplerate, info.channels) == ("FLAC", "PCM_16", 16_000, 1)
    noisy, clean = read_pair(split, clip.name)
    assert noisy.size == clean.size
    assert 2.0 <= clean.size / 16_000 <= 3.5
    assert max(np.abs(noisy.astype(int)).max(), np.abs(clean.astype(int)).max()) < 0.95 * 32_768
    # No digital silence: room noise in every stretch of 20 ms.
    assert np.abs(clean[: clean.size // 320 * 320].reshape(-1, 320).astype(int)).max(axis=1).min() >= 2


def snr_over_active_speech(noisy: np.ndarray, clean: np.ndarray) -> float:
    speech = clean / 32_768
    noise = (noisy.astype(int) - clean) / 32_768
    frames = [float(np.mean(speech[i : i + 320] ** 2)) for i in range(0, speech.size - 319, 320)]
    active = [power for power in frames if power >= max(frames) / 1000]
    return 10 * np.log10(np.mean(active) / np.mean(noise**2))


@pytest.mark.parametrize(("split", "clip"), ALL, ids=lambda value: getattr(value, "name", value))
def test_snr(split: str, clip: DemoClip) -> None:
    allowed = {"trainset": (0, 5, 10, 15), "testset": (2.5, 7.5, 12.5, 17.5)}[split]
    measured = snr_over_active_speech(*read_pair(split, clip.name))
    assert clip.snr in allowed
    assert measured == pytest.approx(clip.snr, abs=0.3)


def test_test_set_is_not_in_training() -> None:
    train, test = TRAIN_CLIPS, TEST_CLIPS
    assert len({clip.text for clip in train + test}) == len(train) + len(test)
    assert len({clip.number for clip in train + test}) == len(train) + len(test)
    assert {clip.voice for clip in test} - {clip.voice for clip in train}
    assert {clip.noise for clip in test} - {clip.noise for clip in train}
    assert len({clip.voice for clip in train}) >= 8
    assert len({clip.noise for clip in train}) >= 6


def test_every_training_noise_meets_several_snrs() -> None:
    for noise in {clip.noise for clip in TRAIN_CLIPS}:
        assert len({clip.snr for clip in TRAIN_CLIPS if clip.noise == noise}) >= 3


@pytest.mark.parametrize("kind", [kind for kind in NOISES if kind != "babble"])
def test_noise_is_seeded_and_varies(kind: str) -> None:
    make = NOISES[kind]
    first, again, other = (make(20_000, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert first.shape == (20_000,)
    assert np.isfinite(first).all()
    assert np.array_equal(first, again)
    assert not np.allclose(first, other)


@pytest.mark.parametrize(
    ("split", "clip"),
    [("trainset", TRAIN_CLIPS[1]), ("trainset", TRAIN_CLIPS[6]), ("testset", TEST_CLIPS[8])],
    ids=lambda value: getattr(value, "name", value),
)
def test_makes_the_shipped_samples(split: str, clip: DemoClip) -> None:
    program = shutil.which("espeak-ng")
    if program is None:
        pytest.skip("espeak-ng is not installed")
    version = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    if MADE_WITH not in version.split("Data at")[0]:
        pytest.skip(f"the shipped set was spoken by eSpeak NG {MADE_WITH}, not by {version.split(' Data at')[0]}")
    for made, shipped in zip(maker.make_pair(clip), read_pair(split, clip.name), strict=True):
        assert made.dtype == np.int16
        # Another build of the FFT may round a sample the other way.
        assert np.abs(made.astype(int) - shipped).max() <= 1


def test_writes_the_four_sets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    noisy, clean = np.full(32_000, 5, np.int16), np.full(32_000, 3, np.int16)
    monkeypatch.setattr(maker, "make_pair", lambda clip: (noisy, clean))
    assert maker.main([str(tmp_path)]) == 0
    for split, clips in SETS.items():
        for kind, expected in (("noisy", noisy), ("clean", clean)):
            folder = tmp_path / f"{kind}_{split}"
            assert sorted(path.name for path in folder.iterdir()) == sorted(clip.name for clip in clips)
            samples, rate = soundfile.read(folder / clips[0].name, dtype="int16")
            assert rate == 16_000
            assert np.array_equal(samples, expected)


def test_espeak_absent(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(speech.shutil, "which", lambda name: None)
    speech.espeak.cache_clear()
    with pytest.raises(UserError, match="apt install espeak-ng"):
        maker.make_pair(TRAIN_CLIPS[0])
    assert maker.main([str(tmp_path / "out")]) == 2


def test_espeak_refuses_the_voice() -> None:
    if shutil.which("espeak-ng") is None:
        pytest.skip("espeak-ng is not installed")
    with pytest.raises(UserError, match="xx-none"):
        speech.espeak("Hello.", "xx-none", 160, 50, 50)


def test_folder_that_cannot_be_written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(maker, "make_pair", lambda clip: (np.zeros(10, np.int16), np.zeros(10, np.int16)))
    blocked = tmp_path / "file"
    blocked.write_text("", encoding="utf-8")
    with pytest.raises(UserError, match="cannot write"):
        maker.make_recordings(blocked)
