import io
import json
import sys
import warnings
from dataclasses import replace

import pytest

from hostile_names import HOSTILE
from sezoo.base.terminal import stdout_console
from sezoo.base.text import bytes_text, count_text
from sezoo.benchmarking import table
from sezoo.benchmarking.amounts import costs_of_layers, milliseconds_text
from sezoo.benchmarking.figure import save_benchmark_figure
from sezoo.results.benchmark import Benchmark, LayerCost, Measurement

LAYERS = tuple(LayerCost(f"/net/conv[{index}]/Conv", "Conv", 1000 * index, 2000 * index) for index in range(12))
HOST = Measurement(
    target="host",
    model="float",
    what="patch",
    macs=63_528_960,
    parameters=1_595_910,
    milliseconds=1.5,
    p95_milliseconds=1.75,
    audio_seconds=0.3,
    threads=2,
    how="onnxruntime here",
)
EMULATED = Measurement(
    target="cortex-m4",
    model="int8",
    what="patch",
    macs=63_528_960,
    parameters=1_595_910,
    flash=700 * 1024,
    ram=100 * 1024,
    arena=90 * 1024,
    stack=3000,
    milliseconds=600.0,
    instructions=102_000_000,
    audio_seconds=0.3,
    is_estimate=True,
    clock_mhz=170,
    how="the package in an emulator",
    layers=LAYERS,
)
BOTH = Benchmark("NUCLEO-G474RE", (HOST, EMULATED))


@pytest.fixture
def printed(monkeypatch):
    """What is printed on a terminal of so many columns."""

    def call(benchmark, width, encoding="utf-8"):
        file = io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors="strict", newline="\n")
        with monkeypatch.context() as patched:
            patched.setattr(sys, "stdout", file)
            patched.setattr(table, "stdout_console", lambda _: stdout_console(width))
            table.print_benchmark(benchmark)
        file.flush()
        return file.buffer.getvalue().decode(encoding)

    return call


def test_the_real_time_factor():
    assert HOST.real_time_factor == pytest.approx(0.005)
    assert EMULATED.real_time_factor == pytest.approx(2)
    assert replace(HOST, audio_seconds=None).real_time_factor is None
    assert replace(HOST, milliseconds=None).real_time_factor is None


def test_deadlines_are_those_of_the_longest_call():
    call = replace(EMULATED, audio_seconds=0.01, instructions=800_000, worst_instructions=1_000_000)
    assert call.lowest_clock_mhz == pytest.approx(100)
    assert call.core_shares == pytest.approx({"160": 0.5, "400": 0.2, "800": 0.1})
    assert HOST.core_shares is HOST.lowest_clock_mhz is None


def test_what_fits_the_board():
    (fit,) = BOTH.fits  # of the host nothing is known
    assert fit.measurement == "int8, patch on cortex-m4"
    assert (fit.flash_share, fit.ram_share) == (700 / 512, 100 / 128)
    assert (fit.fits, fit.too_large) == (False, ("flash",))
    (fit,) = replace(BOTH, board="STM32N6570-DK").fits
    assert (fit.fits, fit.too_large) == (True, ())
    exactly = replace(EMULATED, flash=512 * 1024, ram=None)
    assert Benchmark("NUCLEO-G474RE", (exactly,)).fits[0].fits is True
    assert Benchmark("NUCLEO-G474RE", (replace(exactly, flash=512 * 1024 + 1),)).fits[0].fits is False
    assert replace(BOTH, measurements=(replace(EMULATED, ram=1024 * 1024),)).fits[0].too_large == ("flash", "RAM")


def test_the_json_has_everything(tmp_path):
    path = BOTH.write(tmp_path / "new")
    assert path == tmp_path / "new" / "benchmark.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    assert content["board"] == {
        "name": "NUCLEO-G474RE",
        "chip": "STM32G474RE",
        "core": "cortex-m4",
        "clock_mhz": 170,
        "flash": 512 * 1024,
        "ram": 128 * 1024,
    }
    host, emulated = content["measurements"]
    assert (host["target"], host["flash"], host["layers"], host["is_estimate"]) == ("host", None, [], False)
    assert emulated["real_time_factor"] == pytest.approx(2)
    assert emulated["layers"][3] == {
        "name": "/net/conv[3]/Conv",
        "kind": "Conv",
        "macs": 3000,
        "instructions": 6000,
        "milliseconds": None,
        "flash": None,
    }
    assert content["fits"][0]["too_large"] == ["flash"]


def test_all_numbers_are_in_the_table_whole_at_120_and_at_80_columns(printed):
    for width in (80, 120, 160):
        text = printed(BOTH, width)
        lines = text.splitlines()
        assert max(map(len, lines)) <= width
        cells = " ".join(text.split())
        for words in ("1.5 ms", "1.75 ms", "~600 ms", "102 M", "63.5 M", "1.6 M", "0.005", "~2"):
            assert f" {words} " in cells
        for words in ("700 KiB", "100 KiB", "90 KiB", "2.93 KiB", "137 %", "78 %", "cortex-m4", "int8, patch"):
            assert f" {words} " in cells
        assert "…" not in text
        assert "int8, patch on cortex-m4 does not fit NUCLEO-G474RE" in cells
        assert "it needs 137 % of the flash" in cells
        assert "~ estimate: instructions, one a cycle, at 170 MHz; not measured on hardware" in text
        assert "host (2 threads): onnxruntime here" in text
    assert printed(BOTH, 160).count("int8, patch  ") == 1
    assert printed(BOTH, 80).count("int8, patch  ") == 2


def test_columns_of_which_nothing_is_known_are_left_out(printed):
    text = printed(Benchmark("STM32N6570-DK", (HOST,)), 120)
    for words in ("flash", "RAM", "arena", "instr.", "estimate", "fits", "layers", "~"):
        assert words not in text


def test_the_heaviest_layers(printed):
    text = printed(BOTH, 80)
    below = text.splitlines()[next(i for i, line in enumerate(text.splitlines()) if "heaviest layers" in line) :]
    assert below[0] == "heaviest layers of int8, patch on cortex-m4, by instructions"
    rows = [line for line in below if "/net/conv" in line]
    assert [row.split()[0] for row in rows] == [f"/net/conv[{index}]/Conv" for index in range(11, 3, -1)]
    assert "22 k" in rows[0] and "16.7 %" in rows[0]  # 11 of 66
    bars = [len(row.split("%")[1].strip()) for row in rows]
    assert bars[0] == 20 and bars == sorted(bars, reverse=True)
    assert "3 others: 9.1 %" in text


def test_a_terminal_without_blocks_has_bars_of_letters(printed):
    assert "#" * 20 in printed(BOTH, 100, "ascii")


def test_layers_are_told_in_the_best_that_is_known():
    assert costs_of_layers(HOST) is None
    unit, costs = costs_of_layers(EMULATED)
    assert unit == "instructions" and costs[0][1] == 22_000 and len(costs) == 11
    timed = replace(EMULATED, layers=(replace(LAYERS[1], milliseconds=0.5), replace(LAYERS[2], milliseconds=2.0)))
    unit, costs = costs_of_layers(timed)
    assert unit == "ms" and [cost for _, cost in costs] == [2.0, 0.5]


def test_amounts():
    assert [bytes_text(size) for size in (12, 1023.9, 1536, 100.09 * 1024, 4200 * 1024, 128 * 1024**2)] == [
        *("12 B", "1 KiB", "1.5 KiB", "100 KiB", "4.1 MiB", "128 MiB")
    ]
    assert [count_text(count) for count in (0, 870, 999.6, 12_400, 63_528_960, 1.59e9)] == [
        *("0", "870", "1 k", "12.4 k", "63.5 M", "1.59 G")
    ]
    assert [milliseconds_text(ms) for ms in (0.048, 1.5, 53.76, 1200)] == ["0.048 ms", "1.5 ms", "53.8 ms", "1.2 s"]


@pytest.mark.parametrize(
    "measurements", [(HOST, EMULATED), (HOST,), (EMULATED,), (replace(EMULATED, milliseconds=None, layers=()),)]
)
def test_the_picture(measurements, tmp_path):
    save_benchmark_figure(tmp_path / "b.png", Benchmark("NUCLEO-G474RE", measurements))
    assert (tmp_path / "b.png").read_bytes().startswith(b"\x89PNG")


def test_nothing_to_draw_is_no_picture(tmp_path):
    nothing = Measurement(target="stedgeai", model="int8", what="patch")
    save_benchmark_figure(tmp_path / "b.png", Benchmark("NUCLEO-G474RE", (nothing,)))
    assert not (tmp_path / "b.png").exists()


def test_names_of_layers_are_no_formulas(tmp_path):
    layers = tuple(LayerCost(name, name, 1000 * index, 2000) for index, name in enumerate(HOSTILE, 1))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        save_benchmark_figure(tmp_path / "layers.png", replace(BOTH, measurements=(replace(HOST, layers=layers),)))
    assert (tmp_path / "layers.png").stat().st_size > 10_000
