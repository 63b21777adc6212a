import json
import re

import pytest
import yaml

from sezoo.base.errors import UserError
from sezoo.report.page import page_of, report_of
from sezoo.report.sound import flac, seconds_that_fit

SECTIONS = {
    "listening": "Listening",
    "training": "Training",
    "error": "Where the error is",
    "metrics": "Metrics",
    "chip": "On the chip",
    "making": "How it was made",
}


def sections(page):
    return re.findall(r'<section id="(\w+)"', page)


def test_a_run_that_did_all_has_all_sections_in_one_file(full_run):
    path = report_of(full_run)
    page = path.read_text(encoding="utf-8")
    assert path == full_run / "report.html"
    assert sections(page) == list(SECTIONS)
    assert [path.name for path in full_run.glob(".*")] == []
    addresses = re.findall(r'(?:src|href)="([^"]{0,20})', page)
    assert addresses
    assert all(address.startswith(("data:", "#")) for address in addresses)
    assert page.count("<audio") == 2 * 5 + 4
    assert path.stat().st_size < 5_000_000


def test_a_run_without_results_tells_how_it_was_made(bare_run):
    page = page_of(bare_run)
    assert sections(page) == ["making"]
    assert "This chain qe run produced no figures." in page
    assert "sezoo --config-path run --config-name resolved_config" in page
    assert "calibration_method: MinMax" in page
    assert "28 clips, 82 s" in page
    assert "2026-01-02 03:04, took 60 s" in page


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("evaluation", ["metrics", "chip", "making"]),
        ("listening", ["listening", "error", "making"]),
        ("quantization", ["error", "making"]),
        ("targets", ["chip", "making"]),
        ("training", ["training", "making"]),
    ],
)
def test_sections_are_there_for_what_a_run_has(bare_run, writers, name, found):
    writers[name](bare_run)
    assert sections(page_of(bare_run)) == found


def test_a_static_model_can_be_heard_with_ones_own_recording(bare_run):
    folder = bare_run / "saved_models"
    folder.mkdir()
    (folder / "quantized_model_int8_static.onnx").write_bytes(b"")
    config = bare_run / "resolved_config.yaml"
    page = page_of(bare_run)
    assert sections(page) == ["live", "making"]
    command = "sezoo live run/saved_models/quantized_model_int8_static.onnx -o run/live.html"
    assert f"{command}<" in page and 'href="live.html"' not in page
    original = yaml.safe_load(config.read_text(encoding="utf-8"))
    for section, settings, told in (
        ("preprocessing", {"hop_length": 128, "window": "sqrt_hann"}, " --hop 128 preprocessing.window=sqrt_hann"),
        ("quantization", {"target": "stm32n6"}, None),
        ("preprocessing", {"power": 2}, None),
    ):
        changed = {**original, section: {**original.get(section, {}), **settings}}
        config.write_text(yaml.safe_dump(changed), encoding="utf-8")
        assert ("live" in sections(page_of(bare_run))) == (told is not None)
        assert told is None or f"{command}{told}" in page_of(bare_run)
    config.write_text(yaml.safe_dump(original), encoding="utf-8")
    (bare_run / "live.html").write_text("", encoding="utf-8")
    page = page_of(bare_run)
    assert 'href="live.html"' in page and command not in page


def test_no_text_of_a_run_becomes_part_of_the_page(full_page):
    page = full_page.read_text(encoding="utf-8")
    for text in ("<script>alert", "a <b>project", "<i>few</i>", "no speech <found>", "/net/<conv>", "<refitted>"):
        assert text not in page
    for text in ("&lt;script&gt;alert(1)&lt;/script&gt;&amp;.wav", "a &lt;b&gt;project", "/net/&lt;conv&gt;"):
        assert text in page


def test_the_verdict_has_the_numbers(full_page):
    page = full_page.read_text(encoding="utf-8")
    verdict = re.search(r'<p class="verdict">(.*?)</p>', page)[1].replace("\N{NO-BREAK SPACE}", " ")
    assert verdict.startswith("PESQ 2.000 float → 1.900 int8 (−0.100) → 1.700 as deployed (−0.300), from 1.500 noisy")  # noqa: RUF001
    assert "1.53 MiB in int8, 27 % of float&#39;s 5.72 MiB" in verdict
    assert "500 k MAC a second" in verdict
    assert "fits " in verdict


def test_clips_that_could_not_be_scored_or_used_are_named(full_page):
    page = full_page.read_text(encoding="utf-8")
    assert "bad.wav" in page
    assert "it is silent" in page
    assert "no speech &lt;found&gt;" in page


def test_files_that_are_gone_are_left_out(full_run):
    for path in full_run.glob("listen/best/*"):
        path.unlink()
    (full_run / "listen" / "worst" / "masks.npz").unlink()
    for path in full_run.glob("scores_*/detailed_metrics.csv"):
        path.unlink()
    page = page_of(full_run)
    assert page.count('class="player"') == 1 + 1
    assert "mask error" not in page
    assert "metrics" in sections(page)


def test_many_long_clips_are_shortened_until_the_page_is_small(bare_run, writers):
    writers["listening"](bare_run, seconds=40.0, clips=("best", "median", "worst"))
    page = page_of(bare_run)
    assert len(page) < 5_000_000
    seconds = {float(found) for found in re.findall(r'data-seconds="([\d.]+)"', page)}
    assert len(seconds) == 1
    assert 2 < seconds.pop() < 40
    assert re.search(r"; from 0\.0 to [\d.]+ s of its 40\.0 s", page)


def test_a_page_that_is_too_large_for_other_reasons_gets_shorter_clips(bare_run, writers, monkeypatch):
    writers["listening"](bare_run, clips=("best",))
    large = page_of(bare_run)
    monkeypatch.setattr("sezoo.report.page.LARGEST", len(large) - 100_000)
    small = page_of(bare_run)
    assert len(small) < len(large) - 100_000
    assert float(re.search(r'data-seconds="([\d.]+)"', small)[1]) >= 1.9


def test_clips_are_as_long_as_they_are_where_there_is_room():
    assert seconds_that_fit({"a": (3.0, 1000), "b": (8.0, 2000)}, 3000) == float("inf")
    assert 4 < seconds_that_fit({"a": (3.0, 1000), "b": (8.0, 2000)}, 2500) < 8


def test_a_sound_stays_a_sound():
    import io

    import numpy as np
    import soundfile

    wave = np.sin(np.arange(8000, dtype=np.float32) / 9) * 0.5
    read, rate = soundfile.read(io.BytesIO(flac(wave, 16000)), dtype="float32")
    assert rate == 16000
    np.testing.assert_allclose(read, wave, atol=2**-15)


def test_a_folder_that_is_no_run_is_told_with_what_is_in_it(tmp_path):
    (tmp_path / "notes.txt").touch()
    with pytest.raises(UserError, match=r"found notes\.txt; the folder of a run is expected, with resolved_config"):
        report_of(tmp_path)
    with pytest.raises(UserError, match="there is no such folder"):
        report_of(tmp_path / "gone")
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


@pytest.mark.parametrize(
    ("file", "text", "told"),
    [
        ("evaluation.json", '{"clips": 3', "evaluation.json: invalid JSON"),
        ("evaluation.json", "[1]", "found list where an object is expected"),
        ("evaluation.json", '{"versions": {"float": {}}}', "is not what sezoo writes"),
        ("quantization_report.json", '{"tensors": [{}]}', "is not what sezoo writes"),
        ("resolved_config.yaml", "a: [", "resolved_config.yaml, line 1, column 5: invalid YAML"),
        ("resolved_config.yaml", "words", "found str where sections are expected"),
        ("listen/index.json", '{"clips": [{}]}', "clips.0.folder: Field required; it is not what sezoo writes"),
    ],
)
def test_files_that_are_torn_are_named(bare_run, file, text, told):
    (bare_run / "listen").mkdir()
    (bare_run / file).write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=told.replace(".", r"\.")):
        report_of(bare_run)
    assert not (bare_run / "report.html").exists()


def test_an_index_cannot_point_out_of_its_folder(full_run):
    path = full_run / "listen" / "index.json"
    index = json.loads(path.read_text(encoding="utf-8"))
    index["clips"][0]["versions"][0]["file"] = "../../secret.wav"
    path.write_text(json.dumps(index), encoding="utf-8")
    with pytest.raises(UserError, match="is no plain name"):
        report_of(full_run)


def test_the_same_files_give_the_same_page(full_page):
    assert page_of(full_page.parent) == full_page.read_text(encoding="utf-8")
