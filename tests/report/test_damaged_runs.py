"""Folders of runs that are damaged, or that somebody else has made: one line, or the page without what is damaged."""

from __future__ import annotations

import io
import json
import random
import struct
import zipfile

import numpy as np
import pytest
import soundfile

from sezoo.base.array_file import read_npy, read_npz
from sezoo.base.errors import UserError
from sezoo.report.page import page_of
from sezoo.report.players import read_masks, read_sounds
from sezoo.results.run_results import read_run


def flac(channels=1, rate=16000, samples=4800) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, np.zeros((samples, channels), np.float32) + 0.1, rate, format="FLAC")
    return file.getvalue()


def with_rate_0() -> bytes:
    """The sample rate is 20 bits from the 18th byte on (FLAC format, STREAMINFO)."""
    content = bytearray(flac())
    content[18:21] = bytes([0, 0, content[20] & 0x0F])
    return bytes(content)


def with_samples(count: int) -> bytes:
    """A header that promises more samples than there are: 36 bits from the middle of the 21st byte on."""
    content = bytearray(flac())
    content[21] = content[21] & 0xF0 | count >> 32
    content[22:26] = struct.pack(">I", count & 0xFFFFFFFF)
    return bytes(content)


SOUNDS = {
    "garbage": b"\x93\x00garbage" * 100,
    "empty": b"",
    "cut": flac()[:60],
    "stereo": flac(channels=2),
    "rate 0": with_rate_0(),
    "another rate": flac(rate=48000),
    "promises": with_samples(2**36 - 1),
    "no samples": flac(samples=0),
}


@pytest.mark.parametrize("content", SOUNDS.values(), ids=SOUNDS)
def test_a_sound_that_is_damaged_is_left_out(tmp_path, caplog, content):
    (tmp_path / "whole.flac").write_bytes(flac())
    (tmp_path / "damaged.flac").write_bytes(content)
    sounds = read_sounds((tmp_path / f"{name}.flac", name, name, "") for name in ("whole", "damaged", "whole"))
    assert [sound.name for sound in sounds] == ["whole", "whole"]
    assert f"not on the page: {tmp_path / 'damaged.flac'}: " in caplog.text
    assert "b'" not in caplog.text


def test_a_page_without_what_is_damaged(full_run, caplog):
    for path in (full_run / "listen" / "best").rglob("*.flac"):
        path.write_bytes(b"garbage")
    (full_run / "listen" / "worst" / "2_float.flac").write_bytes(flac(channels=2))
    (full_run / "listen" / "worst" / "masks.npz").write_bytes(bomb())
    page = page_of(full_run)
    assert 'id="clip-best"' not in page
    assert 'id="clip-worst"' in page
    assert "mask, float" not in page
    assert caplog.text.count("not on the page: ") > 5
    assert caplog.text.count("masks.npz") == 1


def npz(**arrays) -> bytes:
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    return file.getvalue()


def bomb() -> bytes:
    """An archive whose directory declares 4 GiB for its first member; the bytes are not there."""
    content = bytearray(npz(float=np.zeros((257, 31), np.float16)))
    directory = content.index(b"PK\x01\x02")
    content[directory + 24 : directory + 28] = struct.pack("<I", 0xFFFFFFF0)
    return bytes(content)


def with_header(header: str) -> bytes:
    """An array whose header says anything."""
    padded = header.encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(padded)) + padded + bytes(64)


HUGE = "{'descr': '<f2', 'fortran_order': False, 'shape': (257, 1000000000000), }"


def archive(**members: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as made:
        for name, content in members.items():
            made.writestr(f"{name}.npy", content)
    return file.getvalue()


MASKS = {
    "garbage": b"PK\x03\x04" + b"garbage" * 100,
    "empty": b"",
    "cut": npz(float=np.zeros((257, 31), np.float16))[:-60],
    "a bomb": bomb(),
    "a huge shape": archive(float=with_header(HUGE)),
    "a broken header": archive(float=with_header("{'descr': ")),
    "objects": npz(float=np.array([{}, {}])),
    "one dimension": npz(float=np.zeros(31), int8=np.zeros(31)),
    "other shapes": npz(float=np.zeros((257, 31), np.float16), int8=np.zeros((129, 31), np.float16)),
    "no frames": npz(float=np.zeros((257, 0), np.float16)),
    "words": npz(float=np.array([["a"]])),
}


@pytest.mark.parametrize("content", MASKS.values(), ids=MASKS)
def test_masks_that_are_damaged_are_left_out(tmp_path, caplog, content):
    (tmp_path / "masks.npz").write_bytes(content)
    assert read_masks(tmp_path / "masks.npz", ["float", "int8"]) == {}
    assert "not on the page: " in caplog.text


def test_masks_with_holes_have_numbers_there(tmp_path):
    (tmp_path / "masks.npz").write_bytes(npz(float=np.array([[np.nan, np.inf, -np.inf, 0.5]])))
    assert read_masks(tmp_path / "masks.npz", ["float"])["float"].tolist() == [[0, 1, 0, 0.5]]


@pytest.mark.parametrize("content", [bomb(), archive(a=with_header(HUGE))], ids=["a bomb", "a huge shape"])
def test_what_a_file_declares_is_checked_first(tmp_path, content):
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(UserError, match=r"are the most|are too few"):
        read_npz(tmp_path / "a.npz", most=2**20)


def test_an_array_that_declares_too_much(tmp_path):
    (tmp_path / "a.npy").write_bytes(with_header(HUGE))
    with pytest.raises(UserError, match="its 192 bytes are too few"):
        read_npy(tmp_path / "a.npy")


DEEP = "[" * 100_000
FILES = ("evaluation.json", "quantization_report.json", "benchmark.json", "deployment.json", "listen/index.json")


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (DEEP.encode(), "nested too deeply"),
        (b'{"a":' * 100_000, "nested too deeply"),
        (b"\xff\xfe{\x00}\x00", "UTF-16"),
        (f'{{"clips": {"9" * 5000}}}'.encode(), "a whole number of more than 4,300 digits"),
        (b"", "invalid JSON"),
    ],
    ids=["deep lists", "deep objects", "UTF-16", "a long number", "empty"],
)
def test_results_that_are_no_json(bare_run, file, content, message):
    (bare_run / file).parent.mkdir(exist_ok=True)
    (bare_run / file).write_bytes(content)
    with pytest.raises(UserError, match=message):
        read_run(bare_run)


@pytest.mark.parametrize(
    "content", [b"a: [", b"[" * 2_000, b"\xff\xfea\x00", b"a: 2026-13-45", b"general: {saved_models_dir: ../..}"]
)
def test_a_configuration_that_is_none(bare_run, content):
    (bare_run / "resolved_config.yaml").write_bytes(content)
    with pytest.raises(UserError, match=r"resolved_config\.yaml|general\.saved_models_dir"):
        read_run(bare_run)


@pytest.mark.parametrize("content", [b'a,b\n"', b"\xff\xff", b"epoch,pesq\nx,y\n", b"a\n1\n"])
def test_tables_that_are_none(bare_run, content):
    (bare_run / "training_logs").mkdir()
    (bare_run / "training_logs" / "training_logs.csv").write_bytes(content)
    with pytest.raises(UserError, match=str(bare_run)):
        read_run(bare_run)


def leaves(value, path=()):
    """The places of all values in JSON."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, entry in inner:
        yield (*path, key)
        yield from leaves(entry, (*path, key))


OTHERS = (None, "x", "", -1, 0, 10**400, 1e308, float("nan"), True, [], {}, [[]], {"a": None}, "../../x", "\ud800")


@pytest.mark.parametrize("count", [4, pytest.param(200, marks=pytest.mark.long)])
@pytest.mark.parametrize("writer", ["evaluation", "quantization", "targets"])
def test_values_of_another_kind(bare_run, writers, writer, count):
    """One value of a result at a time is something else: the page is made, or the folder refused."""
    writers[writer](bare_run)
    draw = random.Random(7)
    made = 0
    for path in bare_run.glob("*.json"):
        text = path.read_text(encoding="utf-8")
        places = list(leaves(json.loads(text)))
        for place in draw.sample(places, min(count, len(places))):
            content = json.loads(text)
            at = content
            for key in place[:-1]:
                at = at[key]
            at[place[-1]] = draw.choice(OTHERS)
            path.write_text(json.dumps(content), encoding="utf-8")
            try:
                made += page_of(bare_run).endswith("</html>\n")
            except UserError as error:
                assert str(bare_run) in str(error)
        path.write_text(text, encoding="utf-8")
    assert made
