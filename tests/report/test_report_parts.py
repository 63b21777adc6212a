"""The small parts of the page: pictures, ranges, numbers, boards."""

import dataclasses
import io
import re

import numpy as np
import pytest
from matplotlib.image import imread

from sezoo.audio.stft import Stft
from sezoo.base.text import bytes_text, count_text
from sezoo.report.boards import board_fits
from sezoo.report.figures import COLOURS, drawing
from sezoo.report.formatting import change_tone, format_signed, join_words, percent_text, range_text
from sezoo.report.images import palette_png, spectrogram_image
from sezoo.report.ranges import range_drawing
from sezoo.report.rendering import render
from sezoo.report.verdict import verdict
from sezoo.results.evaluation_parts import SilenceGate
from sezoo.results.quantization import Tensor
from sezoo.results.run_results import read_run
from sezoo.results.scores import Mean


def test_an_image_with_a_palette_is_read_as_it_was_written():
    palette = np.array([[0, 0, 0], [255, 0, 0], [0, 255, 0]], np.uint8)
    indices = np.array([[0, 1, 2, 1], [2, 2, 0, 1]], np.uint8)
    read = imread(io.BytesIO(palette_png(indices, palette)), format="png")
    np.testing.assert_array_equal((read[..., :3] * 255).round().astype(np.uint8), palette[indices])


def test_numbers_stay_with_their_units_in_the_first_lines_of_a_page():
    page = render(
        title="", about="", when=None, judgement="PESQ +0.1 (95 % interval), 44.3 dB", verdict="185 ms of 12 clips",
        numbers=[], sections=[],
    )  # fmt: skip
    assert "PESQ +0.1 (95\N{NO-BREAK SPACE}% interval), 44.3\N{NO-BREAK SPACE}dB</p>" in page
    assert "185\N{NO-BREAK SPACE}ms of 12 clips</p>" in page


def test_a_tone_is_a_bright_line_where_its_frequency_is():
    import base64

    wave = np.sin(2 * np.pi * 2000 * np.arange(16000, dtype=np.float32) / 16000)
    content = base64.b64decode(spectrogram_image(wave, Stft(), 40.0).partition(",")[2])
    read = imread(io.BytesIO(content), format="png")[..., :3].sum(axis=2)
    assert read.shape == (129, 101)
    assert 129 - read[:, 50].argmax() == pytest.approx(129 * 2000 / 8000, abs=2)


def test_a_drawing_has_words_and_the_colours_of_the_page():
    with drawing("one", "A <title>") as made:
        made.axes.plot([0, 1], color=COLOURS["int8"])
        made.axes.set_xlabel("k<Hz")
        made.alt = 'words with "quotes" & <signs>'
    svg = str(made.picture.svg)
    assert 'aria-label="words with &#34;quotes&#34; &amp; &lt;signs&gt;"' in svg
    assert "var(--int8)" in svg
    assert COLOURS["int8"] not in svg
    assert "k&lt;Hz" in svg
    assert "<metadata" not in svg
    assert "DejaVu" not in svg


def test_the_words_of_a_drawing_are_printable_and_short():
    with drawing("one", "title") as made:
        made.alt = "lowest is \x1b[2J\0\u202e\r" + "n" * 10_000
    words = re.search(r'aria-label="([^"]*)"', str(made.picture.svg))[1]
    assert words.isprintable()
    assert words.startswith("lowest is ")
    assert len(words) < 1000


def test_two_drawings_share_no_ids():
    import re

    ids = []
    for name in ("one", "other"):
        with drawing(name, "t") as made:
            made.axes.plot([0, 1], marker="o")
        ids.append({each for each in re.findall(r'id="([^"]+)"', str(made.picture.svg)) if "_" not in each})
    assert ids[0]
    assert not ids[0] & ids[1]


def test_a_range_shows_what_is_used_what_came_and_how_often():
    tensor = Tensor("t", low=-1.0, high=1.0, seen_low=-2.0, seen_high=3.0)
    assert 'class="used" x="36.0" y="18" width="72.0"' in range_drawing(tensor)
    assert 'class="seen" x="0.0"' in range_drawing(tensor)
    assert "histogram" not in range_drawing(tensor)
    counted = Tensor("t", low=-1.0, high=1.0, histogram=[1, 10, 0], histogram_low=-2.0, histogram_high=4.0)
    assert 'class="histogram"' in range_drawing(counted)
    assert range_drawing(Tensor("t")) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (bytes_text(1_600_000), "1.53 MiB"),
        (bytes_text(1023), "1023 B"),
        (count_text(63_528_960), "63.5 M"),
        (percent_text(1.316), "132 %"),
        (percent_text(0.0421), "4.2 %"),
        (format_signed(-0.0731, "{:.3f}"), "−0.073"),  # noqa: RUF001
        (format_signed(-0.0001, "{:.3f}"), "0.000"),
        (format_signed(0.0, "{:.2e}"), "0"),
        (format_signed(2e-7, "{:.2e}"), "+2.00e-07"),
        (range_text(-7.77, 14.0), "−7.77 to\N{NO-BREAK SPACE}14"),  # noqa: RUF001
        (range_text(8.4e-7, 24.8), "0 to\N{NO-BREAK SPACE}24.8"),
        (join_words(["a", "b", "c"]), "a, b and c"),
    ],
)
def test_numbers_are_short(text, expected):
    assert text == expected


def test_a_change_is_good_or_bad_where_it_is_no_chance():
    assert change_tone(Mean(0.1, 0.05, 0.2, 9), "pesq") == "good"
    assert change_tone(Mean(0.1, 0.05, 0.2, 9), "mse") == "bad"
    assert change_tone(Mean(0.1, -0.05, 0.2, 9), "pesq") == ""


def test_boards_are_held_against_the_program_on_their_core(full_run):
    fits = {fit.name: fit for fit in board_fits(read_run(full_run))}
    large, small = fits["STM32N6570-DK"], fits["NUCLEO-F401RE"]
    assert large.fits
    assert large.load == pytest.approx(13e6 / 0.3 / 800e6)
    assert small.too_much == ["flash", "time"]  # a cortex-m4 has the instructions of the cortex-m7
    assert small.load == pytest.approx(83e6 / 0.3 / 84e6)


def test_without_a_program_the_weights_alone_are_held_against_boards(bare_run):
    (bare_run / "saved_models").mkdir()
    (bare_run / "saved_models" / "quantized_model_int8.onnx").write_bytes(bytes(1024 * 1024))
    fits = {fit.name: fit for fit in board_fits(read_run(bare_run))}
    assert fits["NUCLEO-F401RE"].too_much == ["flash"]
    assert fits["NUCLEO-H743ZI2"].flash == pytest.approx(0.5)
    assert fits["NUCLEO-H743ZI2"].ram is None


def test_a_board_that_is_asked_for_and_too_small_is_named_first(full_run):
    facts = read_run(full_run)
    assert "cannot keep up" not in verdict(facts)
    asked = {
        **facts.config,
        "operation_mode": "deployment",
        "deployment": {"hardware_setup": {"board": "NUCLEO-F401RE"}},
    }
    told = verdict(dataclasses.replace(facts, config=asked))
    assert "NUCLEO-F401RE has too little flash for it and cannot keep up (329 % of real time); " in told
    assert told.index("NUCLEO-F401RE has") < told.rindex("fits")


def test_a_dry_run_says_so(bare_run):
    facts = read_run(bare_run)
    config = {**facts.config, "operation_mode": "deployment", "deployment": {"dry_run": True}}
    assert verdict(dataclasses.replace(facts, config=config)).startswith("A dry run: ")


def test_what_devices_do_is_told_device_by_device(full_run):
    facts = read_run(full_run)
    assert "1.700 as deployed" in verdict(facts)
    assert [version.name for version in facts.evaluation.on_devices()] == ["int8_board"]
    board = facts.evaluation.as_deployed()
    play = {"like": "stream", "context": [14, 14], "frames": 1}
    stream = dataclasses.replace(board, name="int8_stream", label="int8 streaming", play=play)
    patches = dataclasses.replace(board, name="int8_patches", label="int8 in patches", play={"like": "patches"})
    versions = [*facts.evaluation.versions, patches, stream]
    scores = [
        dataclasses.replace(clip, scores={**clip.scores, "int8_stream": {"pesq": 1.9}, "int8_patches": {}})
        for clip in facts.evaluation.scores
    ]
    found = dataclasses.replace(facts.evaluation, versions=versions, scores=scores)
    assert [version.name for version in found.on_devices()] == ["int8_stream", "int8_board"]
    assert found.as_deployed() is stream and found.in_patches() is board
    told = verdict(dataclasses.replace(facts, evaluation=found))
    assert "as deployed" not in told and "int8 streaming" in told and "int8 on the board" in told


def test_a_silence_gate_is_on_the_page_with_what_it_mutes(full_run):
    from sezoo.report.chip_section import chip_section

    facts = read_run(full_run)
    told = "deployment.output_silence_threshold: -50: the silence gate mutes 8.6 % of the frames with speech (12 clips)"
    evaluation = dataclasses.replace(facts.evaluation, silence_gate=[SilenceGate(told=told)])
    blocks = chip_section(dataclasses.replace(facts, evaluation=evaluation), 1e6).blocks
    assert any(f"{told}." in getattr(block, "notes", ()) for block in blocks)


@pytest.mark.parametrize(
    ("targets", "told"),
    [
        (["cortex-m55"], "RAM: all that is written to, stack included. "),
        (["ethos-u55-128"], "RAM: the SRAM that vela plans for the network's tensors. "),
        (
            ["cortex-m55", "ethos-u55-128"],
            "RAM: all that is written to, stack included; on an NPU the SRAM that vela plans for the network's "
            "tensors. ",
        ),
        (["host"], ""),
    ],
)
def test_what_ram_counts_is_told_of_the_targets_that_were_measured(bare_run, targets, told):
    from sezoo.report.blocks import Heading, Table
    from sezoo.report.chip_section import chip_section
    from sezoo.results.benchmark import Benchmark, Measurement

    facts = {"cortex-m55": {"ram": 9000}, "ethos-u55-128": {"ram": 8000, "cycles": 7000}, "host": {}}
    measured = [
        Measurement(target=each, model="int8", what="patch", milliseconds=1.0, **facts[each]) for each in targets
    ]
    run = dataclasses.replace(read_run(bare_run), benchmark=Benchmark("STM32N6570-DK", tuple(measured)))
    blocks = chip_section(run, 1e6).blocks
    heading = "Benchmark" if targets == ["ethos-u55-128"] else "Benchmark, compared with STM32N6570-DK"
    assert heading in [block.text for block in blocks if isinstance(block, Heading)]
    captions = [block.caption for block in blocks if isinstance(block, Table)]
    wanted = f"~ is an estimate. {told}Latency: look-ahead, window and block of a step."
    assert any(caption.endswith(wanted) for caption in captions)
