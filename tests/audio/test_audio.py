import pickle
import struct

import numpy as np
import pytest
import soundfile

from builders import RATE, noise
from plain_librosa import librosa
from sezoo.audio import file as audio_file
from sezoo.audio.clip import BadClipError, read_clip, write_clip
from sezoo.base.errors import UserError


def reason(path, **options):
    with pytest.raises(BadClipError) as caught:
        read_clip(path, RATE, **options)
    assert caught.value.path == path
    return caught.value.reason


# -- what is read -------------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", [8000, 16000, 22050, 44100, 48000])
@pytest.mark.parametrize("channels", [1, 2, 3])
@pytest.mark.parametrize(
    ("ending", "subtype"),
    [(".wav", "PCM_16"), (".wav", "PCM_24"), (".wav", "FLOAT"), (".flac", "PCM_16"), (".ogg", "VORBIS")],
)
def test_a_clip_is_what_librosa_loads(tmp_path, rate, channels, ending, subtype):
    path = tmp_path / f"clip{ending}"
    soundfile.write(path, noise(0.4, rate, channels), rate, subtype=subtype)
    wave = read_clip(path, RATE)
    expected, _ = librosa.load(path, sr=RATE)
    assert wave.dtype == np.float32
    assert wave.shape == expected.shape
    np.testing.assert_allclose(wave, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("rate", [22050, 44100, 48000])
def test_a_clip_is_as_long_as_librosas_whatever_its_length(tmp_path, rate):
    path = tmp_path / "clip.wav"
    for size in range(5000, 5012):
        soundfile.write(path, noise(1, size), rate)
        assert read_clip(path, RATE).size == librosa.load(path, sr=RATE)[0].size


@pytest.mark.parametrize("rate", [16000, 44100])
@pytest.mark.parametrize("ending", [".wav", ".flac", ".ogg"])
def test_reading_in_blocks_changes_nothing(tmp_path, monkeypatch, rate, ending):
    path = tmp_path / f"long{ending}"
    soundfile.write(path, noise(5.3, rate, 2), rate)
    whole = read_clip(path, RATE)
    monkeypatch.setattr(audio_file, "BLOCK_SECONDS", 1)
    np.testing.assert_array_equal(read_clip(path, RATE), whole)


def test_names_may_have_spaces_and_umlauts(tmp_path):
    path = tmp_path / "Köln 1" / "größe & co, [x].wav"
    write_clip(path, noise(), RATE)
    assert read_clip(path, RATE).size == RATE // 2


@pytest.mark.parametrize("size", [0xFFFFFFFF, 0x7FFFFFFF, 0xFFFFF000])
def test_a_streamed_wav_has_no_length_in_its_header(tmp_path, size):
    path = tmp_path / "piped.wav"
    soundfile.write(path, noise(), RATE, subtype="PCM_16")
    expected = read_clip(path, RATE)
    raw = bytearray(path.read_bytes())
    start = raw.index(b"data") + 4
    raw[start : start + 4] = struct.pack("<I", size)
    raw[4:8] = struct.pack("<I", size)
    path.write_bytes(raw)
    np.testing.assert_array_equal(read_clip(path, RATE), expected)


def test_a_chunk_after_the_audio_is_no_fault(tmp_path):
    path = tmp_path / "tagged.wav"
    soundfile.write(path, noise(), RATE, subtype="PCM_16")
    raw = bytearray(path.read_bytes()) + b"LIST" + struct.pack("<I", 4) + b"INFO"
    raw[4:8] = struct.pack("<I", len(raw) - 8)
    path.write_bytes(raw)
    assert read_clip(path, RATE).size == RATE // 2


# -- what is refused ----------------------------------------------------------------------------------


def test_no_such_file(tmp_path):
    assert reason(tmp_path / "nothing.wav") == "no such file"


def test_zero_bytes(tmp_path):
    path = tmp_path / "empty.wav"
    path.touch()
    assert reason(path) == "the file has 0 bytes"


@pytest.mark.parametrize("ending", [".wav", ".flac", ".ogg", ".mp3"])
def test_text(tmp_path, ending):
    path = tmp_path / f"text{ending}"
    path.write_text("this is no audio\n" * 100, encoding="utf-8")
    assert reason(path).startswith("not readable as audio")


@pytest.mark.parametrize("rate", [RATE, 48000])
@pytest.mark.parametrize("kept", [0.2, 0.5, 0.9, 0.999])
@pytest.mark.parametrize("ending", [".wav", ".flac", ".ogg"])
def test_truncated(tmp_path, ending, kept, rate):
    path = tmp_path / f"cut{ending}"
    soundfile.write(path, noise(2, rate), rate)
    raw = path.read_bytes()
    path.write_bytes(raw[: int(len(raw) * kept)])
    words = reason(path)
    assert "truncated" in words or "damaged or cut off" in words or "not readable as audio" in words


def test_a_truncated_header(tmp_path):
    path = tmp_path / "header.wav"
    soundfile.write(path, noise(), RATE)
    path.write_bytes(path.read_bytes()[:20])
    assert reason(path).startswith("not readable as audio")


def test_the_reason_of_a_truncated_wav_says_how_much_is_there(tmp_path):
    path = tmp_path / "cut.wav"
    soundfile.write(path, noise(1), RATE, subtype="PCM_16")
    path.write_bytes(path.read_bytes()[: 44 + 20000])
    assert reason(path) == "truncated: 20000 of 32000 bytes of audio are there"


@pytest.mark.parametrize("ending", [".wav", ".flac"])
def test_no_samples(tmp_path, ending):
    path = tmp_path / f"none{ending}"
    soundfile.write(path, np.zeros(0, np.float32), RATE)
    assert reason(path) == ("it has no samples" if ending == ".wav" else "the file has 0 bytes")


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_not_a_number(tmp_path, bad):
    path, wave = tmp_path / "nan.wav", noise()
    wave[[3, 7]] = bad
    soundfile.write(path, wave, RATE, subtype="FLOAT")
    assert reason(path) == "2 of its samples are NaN or infinite"


def test_not_a_number_at_another_rate(tmp_path):
    path = tmp_path / "nan.wav"
    soundfile.write(path, np.full(4410, np.nan, np.float32), 44100, subtype="FLOAT")
    assert "NaN or infinite" in reason(path)


def test_too_short(tmp_path):
    path = tmp_path / "short.wav"
    soundfile.write(path, noise()[:256], RATE)
    assert reason(path, min_samples=257) == "it is 256 samples long at 16000 Hz, shorter than the 257 needed"
    assert read_clip(path, RATE, min_samples=256).size == 256


def test_silent(tmp_path):
    path = tmp_path / "silent.wav"
    soundfile.write(path, np.zeros(RATE), RATE)
    assert reason(path) == "it is silent (every sample is zero)"


def test_the_error_crosses_processes(tmp_path):
    error = pickle.loads(pickle.dumps(BadClipError(tmp_path, "why")))
    assert (type(error), error.path, error.reason, str(error)) == (BadClipError, tmp_path, "why", "why")


# -- what is written ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("ending", "subtype", "step"), [(".wav", "PCM_16", 2**-15), (".flac", "PCM_24", 2**-23)])
def test_what_is_written_is_read(tmp_path, ending, subtype, step):
    path, wave = tmp_path / "new" / f"clip{ending}", noise()
    write_clip(path, wave, RATE, subtype=subtype)
    assert soundfile.info(path).subtype == subtype
    np.testing.assert_allclose(read_clip(path, RATE), wave, rtol=0, atol=step)


def test_full_scale_is_clipped_not_wrapped(tmp_path):
    path = tmp_path / "loud.wav"
    write_clip(path, np.array([2.0, -2.0, 1.0, -1.0, 0.5]), RATE)
    np.testing.assert_allclose(read_clip(path, RATE), [1, -1, 1, -1, 0.5], rtol=0, atol=2**-15)


def test_a_clip_that_cannot_be_written_leaves_the_old_one(tmp_path):
    path = tmp_path / "clip.wav"
    write_clip(path, noise(), RATE)
    before = path.read_bytes()
    with pytest.raises(ValueError, match="subtype"):
        write_clip(path, noise(seed=1), RATE, subtype="NONE")
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_no_folder_can_be_where_a_file_is(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"cannot write .*clip\.wav"):
        write_clip(tmp_path / "file" / "clip.wav", noise(), RATE)


def test_a_file_is_not_looked_at_whole_in_memory(tmp_path, monkeypatch):
    """A block is decoded at a time: hours of 48 kHz stereo must fit in memory."""
    path, sizes = tmp_path / "long.wav", []
    soundfile.write(path, noise(4, 48000, 2), 48000)
    monkeypatch.setattr(audio_file, "BLOCK_SECONDS", 1)
    read = soundfile.SoundFile.read

    def watched(self, *arguments, **options):
        block = read(self, *arguments, **options)
        sizes.append(len(block))
        return block

    monkeypatch.setattr(soundfile.SoundFile, "read", watched)
    read_clip(path, RATE)
    assert sizes == [48000] * 4


def test_impossible_sample_rates_and_levels_are_refused(tmp_path):
    soundfile.write(tmp_path / "slow.wav", np.full(100, 0.5, np.float32), 1)
    with pytest.raises(BadClipError, match="its header says 1 Hz; speech needs 2000 or more"):
        read_clip(tmp_path / "slow.wav", 16000)
    soundfile.write(tmp_path / "loud.wav", np.full(100, 1e30, np.float32), 16000, subtype="FLOAT")
    with pytest.raises(BadClipError, match=r"its samples reach 1e\+30, but full scale is 1"):
        read_clip(tmp_path / "loud.wav", 16000)


def test_a_bad_clip_may_have_a_name_that_is_no_utf8(tmp_path):
    path = tmp_path / "clip\udcff.wav"
    try:
        path.write_bytes(b"RIFF")
    except (OSError, UnicodeError):
        pytest.skip("this file system has no such names")
    with pytest.raises(BadClipError, match="not readable as audio"):
        read_clip(path, 16000)
