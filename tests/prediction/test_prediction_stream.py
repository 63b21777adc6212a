"""One file denoised block by block, against reading it whole."""

import struct

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from builders import RATE, Unity, mask_graph, noise, time_convolution
from plain_librosa import librosa
from sezoo.audio.clip import Resampler, read_clip
from sezoo.audio.file import BadClipError
from sezoo.audio.stft import Stft
from sezoo.base.errors import UserError
from sezoo.denoising import Board, Patches, WholeClip, denoise
from sezoo.models.mask_model import MaskModel
from sezoo.prediction import stream
from sezoo.prediction.stream import Denoiser, blocks_in

PLAYS = [WholeClip((0, 0)), WholeClip(), Patches(12, 3), Board(12, 3, None)]


@pytest.fixture(scope="module")
def model():
    return MaskModel(mask_graph())


def run(denoiser, source, target):
    return sum(1 for _ in denoiser.denoise(source, target))


@pytest.mark.parametrize("play", PLAYS)
def test_a_file_is_denoised_as_its_samples_are(play, model, tmp_path, monkeypatch):
    monkeypatch.setattr(stream, "BLOCK_SECONDS", 0.3)
    soundfile.write(tmp_path / "in.wav", noise(1.7), RATE, subtype="FLOAT")
    blocks = run(Denoiser(model, Stft(), play, RATE), tmp_path / "in.wav", tmp_path / "out.wav")
    assert blocks == blocks_in(tmp_path / "in.wav") == 7
    denoised, rate = soundfile.read(tmp_path / "out.wav", dtype="float32")
    assert rate == RATE
    np.testing.assert_allclose(denoised, denoise(noise(1.7), model, Stft(), play), atol=1e-5)
    assert soundfile.info(tmp_path / "out.wav").subtype == "FLOAT"


@pytest.mark.parametrize(
    ("name", "rate", "channels", "subtype"),
    [
        ("a.wav", 48000, 2, "PCM_24"), ("a.wav", 8000, 1, "PCM_16"), ("a.flac", 44100, 3, "PCM_16"),
        ("a.ogg", 48000, 2, "VORBIS"), ("a.aiff", 22050, 1, "PCM_16"), ("a.wav", 16000, 1, "ULAW"),
        ("a.wav", 8000, 1, "GSM610"), ("a.au", 8000, 1, "G721_32"),
    ],
)  # fmt: skip
def test_rate_channels_length_and_container_stay(name, rate, channels, subtype, tmp_path):
    soundfile.write(tmp_path / name, noise(0.77, rate, channels), rate, subtype=subtype)
    (tmp_path / "out").mkdir()
    run(Denoiser(Unity(), Stft(), WholeClip((0, 0)), RATE), tmp_path / name, tmp_path / "out" / name)
    before, after = soundfile.info(tmp_path / name), soundfile.info(tmp_path / "out" / name)
    for fact in ("samplerate", "channels", "frames", "format", "subtype"):
        assert getattr(after, fact) == getattr(before, fact), fact


def mp3_in_a_wav(path):
    """As some recorders write it: an MP3 as the data of a WAV, which libsndfile reads and cannot write."""
    mp3 = path.with_suffix(".mp3")
    soundfile.write(mp3, noise(1.0), RATE)
    data = mp3.read_bytes()
    mp3.unlink()
    head = struct.pack("<4sIHHIIHHHHIHHH", b"fmt ", 30, 0x55, 1, RATE, 6000, 1, 0, 12, 1, 2, 288, 1, 1393)
    chunks = head + struct.pack("<4sII", b"fact", 4, RATE) + struct.pack("<4sI", b"data", len(data)) + data
    path.write_bytes(struct.pack("<4sI4s", b"RIFF", 4 + len(chunks), b"WAVE") + chunks)


@pytest.mark.parametrize(("source", "target"), [("a.wav", "b.wav"), ("a.mp3", "b.wav"), ("a.mp3", "b.aiff")])
def test_what_cannot_be_written_as_it_was_read_is_written_as_usual(source, target, tmp_path):
    if source == "a.wav":
        mp3_in_a_wav(tmp_path / source)
    else:
        soundfile.write(tmp_path / source, noise(1.0), RATE)
    assert soundfile.info(tmp_path / source).subtype == "MPEG_LAYER_III"
    run(Denoiser(Unity(), Stft(), WholeClip((0, 0)), RATE), tmp_path / source, tmp_path / target)
    after = soundfile.info(tmp_path / target)
    assert (after.samplerate, after.frames, after.subtype) == (RATE, RATE, "PCM_16")
    expected, found = read_clip(tmp_path / source, RATE), read_clip(tmp_path / target, RATE)
    np.testing.assert_allclose(found, expected, atol=2e-4)


def test_every_channel_is_denoised_on_its_own(model, tmp_path):
    left, right = noise(0.6, seed=1), noise(0.6, seed=2)
    soundfile.write(tmp_path / "in.wav", np.stack([left, right], axis=1), RATE, subtype="FLOAT")
    run(Denoiser(model, Stft(), WholeClip((0, 0)), RATE), tmp_path / "in.wav", tmp_path / "out.wav")
    denoised = soundfile.read(tmp_path / "out.wav", dtype="float32")[0]
    for channel, wave in enumerate((left, right)):
        np.testing.assert_allclose(denoised[:, channel], denoise(wave, model, Stft()), atol=1e-5)


def test_speech_at_48_khz_stays_aligned(tmp_path):
    """A unity mask gives back what lies below 8 kHz, in its place."""
    low = librosa.resample(noise(1.0, 12000), orig_sr=12000, target_sr=48000)
    soundfile.write(tmp_path / "in.wav", low, 48000, subtype="FLOAT")
    run(Denoiser(Unity(), Stft(), WholeClip((0, 0)), RATE), tmp_path / "in.wav", tmp_path / "out.wav")
    back = soundfile.read(tmp_path / "out.wav", dtype="float32")[0]
    error = np.sum((back - low)[2000:-2000] ** 2) / np.sum(low[2000:-2000] ** 2)
    assert error < 1e-4


@settings(deadline=None, max_examples=25)
@given(st.sampled_from([8000, 22050, 44100, 48000]), st.lists(st.integers(0, 3000), min_size=1, max_size=5))
def test_resampling_in_blocks_is_resampling(rate, lengths):
    wave = noise(sum(lengths) / 16000, 16000)[: sum(lengths)]
    resampler = Resampler(16000, rate, 1)
    blocks = np.split(wave[:, np.newaxis], np.cumsum(lengths)[:-1])
    done = np.concatenate([*(resampler.push(block) for block in blocks), resampler.finish()])[:, 0]
    if len(wave):
        np.testing.assert_allclose(
            done, librosa.resample(wave, orig_sr=16000, target_sr=rate, res_type="soxr_hq"), atol=1e-4
        )


def test_a_loud_recording_is_clipped_and_does_not_wrap_around(tmp_path):
    model = Unity()
    soundfile.write(tmp_path / "in.wav", np.full(8000, 0.999, np.float32), RATE)
    louder = Denoiser(lambda magnitude: 2 * model(magnitude), Stft(), WholeClip((0, 0)), RATE)
    run(louder, tmp_path / "in.wav", tmp_path / "out.wav")
    assert soundfile.read(tmp_path / "out.wav")[0].min() > 0.9


def test_peak_normalization_is_for_the_model_alone(tmp_path):
    model, wave = Unity(), noise(0.5) / 100
    soundfile.write(tmp_path / "in.wav", wave, RATE, subtype="FLOAT")
    run(Denoiser(model, Stft(), WholeClip(), RATE, peak_normalize=True), tmp_path / "in.wav", tmp_path / "out.wav")
    seen, plain = model.seen[0].max(), np.abs(librosa.stft(wave, n_fft=512, hop_length=160, win_length=400)).max()
    assert seen == pytest.approx(plain / np.abs(wave).max(), rel=1e-3)
    np.testing.assert_allclose(soundfile.read(tmp_path / "out.wav", dtype="float32")[0], wave, atol=1e-6)


def test_silence_stays_silence(tmp_path):
    soundfile.write(tmp_path / "in.wav", np.zeros(9000), RATE)
    run(Denoiser(Unity(), Stft(), WholeClip(), RATE, peak_normalize=True), tmp_path / "in.wav", tmp_path / "out.wav")
    assert not soundfile.read(tmp_path / "out.wav")[0].any()


@pytest.mark.parametrize("samples", [1, 5, 159, 400, 511])
def test_very_short_recordings_keep_their_length(samples, tmp_path):
    soundfile.write(tmp_path / "in.wav", noise(1)[:samples], RATE)
    for play in PLAYS:
        run(Denoiser(Unity(), Stft(), play, RATE), tmp_path / "in.wav", tmp_path / "out.wav")
        assert soundfile.info(tmp_path / "out.wav").frames == samples


def test_what_a_file_holds_beyond_a_damage_leaves_nothing(tmp_path):
    wave = noise(1.0)
    wave[12000] = np.nan
    soundfile.write(tmp_path / "in.wav", wave, RATE, subtype="FLOAT")
    with pytest.raises(BadClipError, match="1 of its samples are NaN or infinite"):
        run(Denoiser(Unity(), Stft(), WholeClip(), RATE), tmp_path / "in.wav", tmp_path / "out.wav")
    assert [path.name for path in tmp_path.iterdir()] == ["in.wav"]


def test_a_recording_without_samples(tmp_path):
    soundfile.write(tmp_path / "in.wav", np.zeros(0), RATE)
    with pytest.raises(BadClipError, match="no samples"):
        run(Denoiser(Unity(), Stft(), WholeClip(), RATE), tmp_path / "in.wav", tmp_path / "out.wav")


def test_a_container_that_cannot_hold_it_says_which_can(tmp_path):
    soundfile.write(tmp_path / "in.wav", noise(0.2, 22050), 22050)
    with pytest.raises(UserError, match=r"OGG cannot hold 22050 Hz in 1 channels .*wav for example"):
        run(Denoiser(Unity(), Stft(), WholeClip(), RATE), tmp_path / "in.wav", tmp_path / "out.opus")
    assert [path.name for path in tmp_path.iterdir()] == ["in.wav"]


def test_a_file_is_never_held_whole(tmp_path, monkeypatch):
    """Every stage holds a few blocks at most, however long the recording."""
    monkeypatch.setattr(stream, "BLOCK_SECONDS", 0.1)
    soundfile.write(tmp_path / "in.wav", noise(6), RATE)
    model = MaskModel(time_convolution(3, 1, [1, 1]))
    largest = 0

    def watched(magnitude):
        nonlocal largest
        largest = max(largest, magnitude.shape[0] * magnitude.shape[2])
        return model(magnitude)

    watched.batch = 1
    denoiser = Denoiser(watched, Stft(n_fft=8, hop_length=4, win_length=8), Patches(20, 4), RATE)
    run(denoiser, tmp_path / "in.wav", tmp_path / "out.wav")
    assert largest == 28
    assert read_clip(tmp_path / "out.wav", RATE).size == 96000
