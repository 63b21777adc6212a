"""Pairs in tar shards: read as the files themselves are, and every way in which a shard can be wrong is said."""

import gzip
import io
import tarfile
from pathlib import Path

import numpy as np
import pytest

from builders import write_clips
from sezoo.audio.clip import read_clip, read_part
from sezoo.audio.file import BadClipError
from sezoo.audio.shard import members_of
from sezoo.base.errors import UserError
from sezoo.config.sections import Dataset
from sezoo.data.dataset import training_noisy_clips, training_pairs
from sezoo.data.folders import AUDIO_EXTENSIONS
from sezoo.data.shards import pairs_in_shards


def write_shard(path, members):
    """A tar file with these members: by name, a file's path or bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as tar:
        for name, source in members.items():
            content = source if isinstance(source, bytes) else Path(source).read_bytes()
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return path


@pytest.fixture
def clips(tmp_path):
    return write_clips(tmp_path / "clips", "a.flac b.wav c.ogg d.mp3", seconds=0.3)


def test_members_are_read_as_the_files_are(clips, tmp_path):
    shard = write_shard(tmp_path / "0.tar", {f"deep/{path.name}": path for path in clips})
    for path in clips:
        member = shard / "deep" / path.name
        np.testing.assert_array_equal(read_clip(member, 8000), read_clip(path, 8000))
    np.testing.assert_array_equal(
        read_part(shard / "deep" / "a.flac", 16000, 50, 70), read_part(clips[0], 16000, 50, 70)
    )


def test_what_is_wrong_with_a_member(clips, tmp_path):
    wav, ogg = (path.read_bytes() for path in clips[1:3])
    members = {"empty.wav": b"", "text.wav": b"no sound", "cut.wav": wav[:2000], "cut.ogg": ogg[:-300]}
    shard = write_shard(tmp_path / "0.tar", members)
    for name, reason in (
        ("empty.wav", "0 bytes"), ("text.wav", "not readable as audio"), ("cut.wav", "truncated: .* bytes of audio"),
        ("cut.ogg", "truncated"), ("gone.wav", "no such member"),
    ):  # fmt: skip
        with pytest.raises(BadClipError, match=reason) as raised:
            read_clip(shard / name, 16000)
        assert raised.value.path == shard / name


def test_examples_are_taken_apart_as_webdataset_does(clips, tmp_path):
    flac, wav = clips[:2]
    write_shard(tmp_path / "shards" / "b.tar", {"x/2.noisy.flac": flac, "x/2.clean.wav": wav, "x/2.json": b"{}"})
    write_shard(
        tmp_path / "shards" / "a.tar",
        {"1.clean.wav": wav, "2.noisy.wav": wav, "1.noisy.FLAC": flac, "2.clean.flac": flac, "2.noisy.txt": b""},
    )
    dataset = Dataset(name="shards", shards_path=tmp_path / "shards")
    pairs = training_pairs(dataset)
    names = [(pair.noisy.relative_to(tmp_path / "shards").as_posix(), pair.clean.name) for pair in pairs]
    assert names == [
        ("a.tar/1.noisy.FLAC", "1.clean.wav"), ("a.tar/2.noisy.wav", "2.clean.flac"),
        ("b.tar/x/2.noisy.flac", "2.clean.wav"),
    ]  # fmt: skip
    assert training_noisy_clips(dataset) == [pair.noisy for pair in pairs]
    alone = Dataset(name="shards", shards_path=tmp_path / "shards" / "b.tar")
    assert training_pairs(alone) == pairs[2:]


def test_missing_members(clips, tmp_path, caplog):
    whole = {"1.noisy.flac": clips[0], "1.clean.flac": clips[0]}
    write_shard(tmp_path / "0.tar", whole | {"2.noisy.flac": clips[0], "3.clean.flac": clips[0]})
    told = "2 examples with a missing member: 0.tar has '2.noisy.flac' without a clean member; 0.tar has '3.clean"
    with pytest.raises(UserError, match=f"dataset.shards_path: {told}.*set dataset.skip_bad_files: true"):
        pairs_in_shards(tmp_path, AUDIO_EXTENSIONS, skip_bad=False)
    assert len(pairs_in_shards(tmp_path, AUDIO_EXTENSIONS, skip_bad=True)) == 1
    assert told in caplog.text


def test_what_is_wrong_with_shards(clips, tmp_path):
    def message(path):
        with pytest.raises(UserError) as raised:
            pairs_in_shards(path, AUDIO_EXTENSIONS, skip_bad=False)
        return str(raised.value)

    shard = write_shard(tmp_path / "good" / "0.tar", {"1.noisy.flac": clips[0], "1.clean.flac": clips[0]})
    content = shard.read_bytes()
    for name, wrong, words in (
        ("text", b"no tar file at all" * 100, "not a tar file"),
        ("empty", b"", "not a tar file"),
        ("cut", content[:3000], "cut off"),
        ("zipped", gzip.compress(content), "it is compressed, and nothing in it can be sought"),
    ):
        path = tmp_path / name / "0.tar"
        path.parent.mkdir()
        path.write_bytes(wrong)
        assert words in message(path.parent), name
    assert "there is no folder or file" in message(tmp_path / "nowhere")
    assert f"no .tar files in {tmp_path / 'clips'}" in message(tmp_path / "clips")
    (tmp_path / "packed").mkdir()
    (tmp_path / "packed" / "0.tar.gz").write_bytes(b"")
    assert "0.tar.gz is compressed" in message(tmp_path / "packed")
    twice = write_shard(tmp_path / "twice" / "0.tar", {"1.noisy.flac": clips[0], "1.noisy.wav": clips[1]})
    assert "'1.noisy.flac' and '1.noisy.wav' are both the noisy member of one example" in message(twice)
    other = write_shard(tmp_path / "other" / "0.tar", {"1.flac": clips[0], "1.json": b"{}"})
    assert "no examples in" in message(other)


def test_a_shard_that_was_written_anew_is_read_anew(clips, tmp_path):
    shard = write_shard(tmp_path / "0.tar", {"1.wav": clips[1]})
    assert list(members_of(shard)) == ["1.wav"]
    write_shard(shard, {"2.wav": clips[1], "3.wav": clips[1]})
    assert list(members_of(shard)) == ["2.wav", "3.wav"]
