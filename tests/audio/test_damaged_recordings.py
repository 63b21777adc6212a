"""Recordings that end early, and others whose header says what is not so: one reason each, the same in all formats."""

import logging
import os
import re
import struct

import numpy as np
import pytest
import soundfile

from builders import RATE, noise, read_clips
from sezoo.audio.clip import BadClipError, read_clip
from sezoo.audio.container import declared_audio
from sezoo.audio.file import SPARSE_BYTES, blocks_of, open_recording
from sezoo.audio.mp3_length import declares_length, seconds_of_frames
from sezoo.base.errors import UserError
from sezoo.data.mixing.recordings import Recordings

FORMATS = {
    "wav": ("WAV", "PCM_16"),
    "wavex.wav": ("WAVEX", "FLOAT"),
    "gsm.wav": ("WAV", "GSM610"),
    "adpcm.wav": ("WAV", "IMA_ADPCM"),
    "rf64": ("RF64", "PCM_16"),
    "w64": ("W64", "PCM_24"),
    "aiff": ("AIFF", "PCM_16"),
    "float.aiff": ("AIFF", "FLOAT"),
    "au": ("AU", "PCM_16"),
    "g721.au": ("AU", "G721_32"),
    "caf": ("CAF", "PCM_16"),
    "alac.caf": ("CAF", "ALAC_16"),
    "flac": ("FLAC", "PCM_16"),
    "ogg": ("OGG", "VORBIS"),
    "opus": ("OGG", "OPUS"),
    "mp3": ("MP3", "MPEG_LAYER_III"),
}
ENDINGS = [*FORMATS]


def written(folder, ending, wave, rate=RATE):
    path = folder / f"clip.{ending}"
    container, subtype = FORMATS[ending]
    soundfile.write(path, wave, rate, format=container, subtype=subtype)
    return path


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A second of noise in each format, as bytes."""
    folder = tmp_path_factory.mktemp("whole")
    return {ending: written(folder, ending, noise(1)).read_bytes() for ending in ENDINGS}


def reason(path, **options):
    with pytest.raises(BadClipError) as caught:
        read_clip(path, RATE, **options)
    return caught.value.reason


# -- recordings that end early --------------------------------------------------------------------------


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_whole_recording_is_read_whole(tmp_path, ending, whole):
    path = tmp_path / f"clip.{ending}"
    path.write_bytes(whole[ending])
    assert read_clip(path, RATE).size == pytest.approx(RATE, abs=1100)  # ADPCM and GSM fill up their last block


@pytest.mark.parametrize("ending", ENDINGS)
def test_wherever_a_recording_ends_early_it_is_refused(tmp_path, ending, whole):
    data = whole[ending]
    lengths = {int(len(data) * share) for share in np.linspace(0.02, 0.93, 12)}
    if ending != "mp3":  # whose count may be out by a frame, or two where the first of them is cut
        lengths |= {len(data) - cut for cut in ((9, 200) if ending != "alac.caf" else (200,))}
    for length in lengths:
        path = tmp_path / f"cut.{ending}"
        path.write_bytes(data[:length])
        words = reason(path)
        assert words.startswith(("truncated: ", "not readable as audio (")), (length, words)


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_cut_recording_is_named_once_and_left_out_or_refused(tmp_path, ending, whole, caplog, monkeypatch):
    monkeypatch.setattr(logging.getLogger("sezoo"), "propagate", True)
    paths = [tmp_path / f"{name}.{ending}" for name in ("whole", "cut")]
    for path, share in zip(paths, (1, 0.6), strict=True):
        path.write_bytes(whole[ending][: int(len(whole[ending]) * share)])
    with pytest.raises(UserError, match=rf"cut\.{ending}: .*set dataset\.skip_bad_files: true"):
        list(read_clips(paths, RATE, skip_bad=False))
    caplog.clear()
    assert [path for path, _ in read_clips(paths, RATE, skip_bad=True)] == paths[:1]
    records = dict.fromkeys(caplog.records)  # pytest listens to a logger that did not propagate at first as well
    assert [record.getMessage().startswith(f"left out {paths[1]}: ") for record in records] == [True, False]


@pytest.mark.parametrize("ending", [ending for ending in ENDINGS if ending not in ("flac", "mp3")])
def test_a_look_at_the_header_is_enough(tmp_path, ending, whole):
    path = tmp_path / f"cut.{ending}"
    path.write_bytes(whole[ending][: int(len(whole[ending]) * 0.6)])
    (found,) = Recordings([path], RATE).check(thorough=False)
    assert isinstance(found, BadClipError)


def test_an_mp3_that_ends_early_has_no_samples_made_up(tmp_path, whole):
    path = tmp_path / "cut.mp3"
    path.write_bytes(whole["mp3"][: len(whole["mp3"]) // 2])
    found = 0
    with (
        pytest.raises(BadClipError, match=r"truncated: \d+ of \d+ sample frames are there"),
        open_recording(path) as file,
    ):
        for block in blocks_of(file):
            found += len(block)
            assert np.abs(block).max() < 2
    assert 0 < found < RATE


def test_an_mp3_without_a_length_in_its_header_is_as_long_as_it_is(tmp_path):
    path = tmp_path / "clip.mp3"
    with soundfile.SoundFile(
        path, "w", RATE, 1, "MPEG_LAYER_III", format="MP3", bitrate_mode="CONSTANT", compression_level=0.5
    ) as file:
        file.write(noise(2.0))
    data = path.read_bytes()
    path.write_bytes(data[data.index(data[:2], 4) :])  # the first frame holds the length
    assert not declares_length(path)
    assert read_clip(path, RATE).size == pytest.approx(2 * RATE, abs=1500)


def without_length(path, loud_first):
    """An MP3 of a second of noise and four of next to nothing, without the frame that says how long it is."""
    wave = np.concatenate([noise(1.0), 1e-5 * noise(4.0)])
    with soundfile.SoundFile(path, "w", RATE, 1, "MPEG_LAYER_III", format="MP3") as file:
        file.write(wave if loud_first else wave[::-1])
    data = path.read_bytes()
    path.write_bytes(data[data.index(data[:2], 4) :])
    return path


def test_an_mp3_of_which_only_a_part_could_be_read_is_refused(tmp_path):
    path = without_length(tmp_path / "clip.mp3", loud_first=True)
    assert not declares_length(path)
    assert seconds_of_frames(path) == pytest.approx(5, abs=0.15)
    assert re.fullmatch(r"only [0-3]\.\d of its 5\.\d seconds can be read, .* convert it to WAV", reason(path))


def test_an_mp3_that_is_guessed_too_long_is_read_as_it_is(tmp_path):
    path = without_length(tmp_path / "clip.mp3", loud_first=False)
    with open_recording(path) as file:
        assert file.frames > 5.5 * RATE
    assert read_clip(path, RATE).size == pytest.approx(5 * RATE, abs=0.15 * RATE)


@pytest.mark.parametrize("rate", [8000, 16000, 22050, 32000, 44100, 48000])
@pytest.mark.parametrize("mode", ["CONSTANT", "VARIABLE"])
def test_the_frames_of_an_mp3_are_as_long_as_it_is(tmp_path, rate, mode):
    path = tmp_path / "clip.mp3"
    with soundfile.SoundFile(path, "w", rate, 1, "MPEG_LAYER_III", format="MP3", bitrate_mode=mode) as file:
        file.write(noise(2.0, rate))
    assert declares_length(path)
    assert seconds_of_frames(path) == pytest.approx(2, abs=0.35)  # the frame that says it, delay, padding
    tag = b"ID3\x04\0\0\0\0\x01\x00" + bytes(128)
    path.write_bytes(tag + path.read_bytes() + b"TAG" + bytes(125))
    assert declares_length(path)
    assert read_clip(path, rate).size == pytest.approx(2 * rate, abs=2400)


# -- what a header promises -----------------------------------------------------------------------------


@pytest.mark.parametrize("ending", ENDINGS)
def test_the_promise_is_the_length_of_the_audio(tmp_path, ending, whole):
    path = tmp_path / f"clip.{ending}"
    path.write_bytes(whole[ending])
    promise = declared_audio(path)
    if ending in ("flac", "ogg", "opus", "mp3"):
        assert promise is None
        return
    promised, there = promise
    assert promised == there
    path.write_bytes(whole[ending][:-100] if ending != "alac.caf" else whole[ending][: promised // 2])
    promised_of_cut, there_of_cut = declared_audio(path)
    assert promised_of_cut == promised > there_of_cut
    if ending == "wav":
        assert promised == 2 * RATE


@pytest.mark.parametrize(
    ("ending", "name", "form", "size"),
    [
        *(("wav", b"data", "<I", size) for size in (0x7FFFFFFF, 0xFFFFFFFF, 0xFFFFF000)),
        *(("aiff", b"SSND", ">I", size) for size in (0x7FFFFFFF, 0xFFFFFFFF)),
        ("au", b".snd\0\0\0\x18", ">I", 0xFFFFFFFF),
        ("caf", b"data", ">q", -1),
        ("rf64", b"ds64", "<IQQ", (28, 0, 2**64 - 1)),
    ],
)
def test_a_length_that_was_not_known_is_no_promise(tmp_path, ending, name, form, size, whole):
    data = bytearray(whole[ending])
    struct.pack_into(form, data, data.index(name) + len(name), *(size if isinstance(size, tuple) else (size,)))
    path = tmp_path / f"piped.{ending}"
    path.write_bytes(data)
    assert declared_audio(path) is None


@pytest.mark.parametrize("ending", ["wav", "rf64", "w64", "aiff", "au", "caf"])
def test_a_header_of_anything_promises_something_or_nothing(tmp_path, ending, whole):
    random, path = np.random.default_rng(0), tmp_path / "x"
    for _ in range(100):
        data = bytearray(whole[ending][: random.integers(4, 600)])
        for _ in range(4):
            data[random.integers(4, len(data)) if len(data) > 4 else 0] = random.integers(256)
        path.write_bytes(data)
        promise = declared_audio(path)
        assert promise is None or 0 <= promise[1] <= promise[0]


def test_more_samples_than_there_are(tmp_path, whole):
    data = bytearray(whole["flac"])
    data[23] = 1  # the number of samples is in the 36 bits that end with byte 25
    path = tmp_path / "clip.flac"
    path.write_bytes(data)
    assert "the data is damaged or cut off" in reason(path)


# -- other headers and files ----------------------------------------------------------------------------


@pytest.mark.parametrize("rate", [2**31 - 1, 1_000_001, 1])
def test_a_rate_that_no_converter_has(tmp_path, rate, whole):
    data = bytearray(whole["wav"])
    struct.pack_into("<I", data, 24, rate)
    path = tmp_path / "clip.wav"
    path.write_bytes(data)
    limit = "2000 or more" if rate < 2000 else "no more than 1000000"
    assert reason(path) == f"its header says {rate} Hz; speech needs {limit}"


@pytest.mark.parametrize("rate", [2**31, 2**32 - 1, 0])
def test_a_rate_that_is_no_number_of_libsndfile(tmp_path, rate, whole):
    data = bytearray(whole["wav"])
    struct.pack_into("<I", data, 24, rate)
    path = tmp_path / "clip.wav"
    path.write_bytes(data)
    assert reason(path).endswith("its header has an impossible sample rate or number of channels)")


@pytest.mark.parametrize("ending", ["gsm.wav", "g721.au"])
def test_recordings_that_cannot_be_sought_are_read_in_blocks(tmp_path, ending):
    path = written(tmp_path, ending, noise(2, 8000), 8000)
    with open_recording(path) as file:
        assert not file.seekable()
        blocks = list(blocks_of(file, 0.5))
    assert [len(block) for block in blocks][:4] == [4000] * 4
    np.testing.assert_array_equal(np.concatenate(blocks), read_clip(path, 8000)[:, np.newaxis])


@pytest.mark.parametrize("name", ["speech.raw", "speech.RAW"])
def test_samples_without_a_header(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(bytes(2000))
    assert reason(path) == "a .raw file has no header that says its rate and format; convert it to WAV"


def test_a_git_lfs_pointer(tmp_path):
    path = tmp_path / "clip.wav"
    path.write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 32044\n")
    assert reason(path) == "it is a Git LFS pointer, not the file itself; `git lfs pull` fetches it"


@pytest.mark.parametrize("rate", [RATE, 44100])
@pytest.mark.parametrize("subtype", ["FLOAT", "PCM_16"])
def test_a_stereo_file_in_antiphase_is_not_called_zeros(tmp_path, rate, subtype):
    path, wave = tmp_path / "antiphase.wav", noise(0.5, rate)
    soundfile.write(path, np.stack([wave, -0.999999 * wave], axis=1), rate, subtype=subtype)
    assert reason(path) == "its channels cancel each other: their average, which is what is used, is silent"
    soundfile.write(path, np.zeros((rate, 2)), rate)
    assert reason(path) == "it is silent (every sample is zero)"


def test_channels_that_have_something_in_common_are_averaged(tmp_path):
    path, wave = tmp_path / "side.wav", noise(0.5)
    soundfile.write(path, np.stack([wave, -0.99 * wave], axis=1), RATE, subtype="FLOAT")
    np.testing.assert_allclose(read_clip(path, RATE), 0.005 * wave, atol=1e-6)


def test_a_file_of_gigabytes_that_were_never_written(tmp_path, whole):
    path, data = tmp_path / "huge.wav", bytearray(whole["wav"])
    struct.pack_into("<I", data, 40, 0xFFFFFFFF)
    path.write_bytes(data)
    os.truncate(path, 8 * SPARSE_BYTES)
    if not 0 < path.stat().st_blocks * 512 < SPARSE_BYTES:
        pytest.skip("this file system writes zeros")
    assert reason(path).endswith(f"of its {8 * SPARSE_BYTES} bytes are on the disk, the rest was never written")
    (found,) = Recordings([path], RATE).check(thorough=False)
    assert isinstance(found, BadClipError)


def test_what_is_longer_than_memory_is_refused_by_its_header(tmp_path, whole, monkeypatch):
    monkeypatch.setattr("sezoo.audio.clip.LONGEST_SECONDS", 0.9)
    path = tmp_path / "long.wav"
    path.write_bytes(whole["wav"])
    monkeypatch.setattr("sezoo.audio.clip.blocks_of", None)  # nothing is read
    assert reason(path) == "it is 0.0 hours long, 0.00025 at most fit in memory; cut it up"
