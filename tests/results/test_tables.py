"""Results as people look at them: three lines, a table in a notebook, a DataFrame."""

import re
import sys
from pathlib import Path

import pytest

from sezoo.api.evaluation import Evaluation, ScoredVersion
from sezoo.api.results import TrainedModel, plain
from sezoo.base.errors import UserError
from sezoo.results import tables
from sezoo.results.benchmark import Benchmark, LayerCost, Measurement
from sezoo.results.scores import Mean

NOISY = {"pesq": Mean(1.5, 1.4, 1.6, 2), "snr": Mean(5.0, 4.0, 6.0, 2)}
SCORES = {"a<b>.wav": {"pesq": 2.0, "snr": 9.0}, "b.wav": {"pesq": 2.5}}
VERSION = ScoredVersion("int8 on the <board>", Path("m.onnx"), "board", {"pesq": Mean(2.25, 2, 2.5, 2)}, {}, SCORES)
EVALUATION = Evaluation(Path("out"), 7.2, NOISY, {"int8_board": VERSION}, (), {}, None)
HOST = Measurement(
    target="host", model="int8", what="patch", milliseconds=1.5, audio_seconds=0.3, layers=(LayerCost("conv"),)
)
BENCHMARK = Benchmark("STM32N6570-DK", (HOST,))
TRAINED = TrainedModel(Path("out"), Path("out/m/best.onnx"), Path("out/m/last.onnx"), ({"epoch": 1, "snr": 3.0},), None)


@pytest.mark.parametrize(
    ("result", "lines"),
    [
        (EVALUATION, ["Evaluation of 1 version on 2 clips, 7 s", "PESQ: noisy 1.500, int8_board 2.250", "out"]),
        (BENCHMARK, ["Benchmark of 1 measurement", "int8, patch on host: 1.5 ms", "compared with STM32N6570-DK"]),
        (TRAINED, ["Trained model: 1 epoch", "snr 3", str(Path("out/m"))]),
    ],
)
def test_three_lines(result, lines):
    assert repr(result).splitlines() == lines


def test_a_notebook_has_a_table_in_which_names_are_text():
    page = EVALUATION._repr_html_()
    assert "<th>PESQ</th><th>SNR dB</th>" in page
    assert "int8 on the &lt;board&gt;</td>" in page and "<board>" not in page
    assert page.count("<tr>") == 3
    assert '<td style="text-align: right">2.250</td><td></td></tr>' in page
    page = BENCHMARK._repr_html_()
    assert "<th>real_time_factor</th>" in page and "0.005" in page
    assert "flash" not in page and "layers" not in page  # of which nothing is known


def test_a_notebook_shows_pictures_and_plays_sounds(tmp_path):
    (tmp_path / "a.png").write_bytes(b"picture")
    (tmp_path / "b.flac").write_bytes(b"sound")
    with (tmp_path / "large.wav").open("wb") as file:
        file.truncate(tables.LARGEST_FILE + 1)

    class Result(tables.Table):
        def lines(self):
            return ["a", "b", "c"]

        def records(self):
            return [{"row": number} for number in range(50)]

        def pictures(self):
            return {'a "picture"': tmp_path / "a.png", "gone": tmp_path / "gone.png"}

        def sounds(self):
            return {"<noisy>": tmp_path / "b.flac", "large": tmp_path / "large.wav", "text": Path(__file__)}

    page = Result()._repr_html_()
    assert re.findall(r'<img src="data:image/png;base64,(\S+)" alt="(.*?)"', page) == [
        ("cGljdHVyZQ==", "a &quot;picture&quot;")
    ]
    assert re.findall(r"base64,(\S+)\"></audio>", page) == ["c291bmQ="]
    assert "&lt;noisy&gt;" in page and "large" not in page
    assert page.count("<tr><td style") == tables.MOST_ROWS + 1
    assert "20 of 50 rows; to_dataframe() has all" in page
    assert "<p><img" in page

    class Several(Result):
        def pictures(self):
            return {f"<{name}>": tmp_path / "a.png" for name in "bc"}

    page = Several()._repr_html_()
    assert "<p>&lt;b&gt;<br><img" in page and "<p>&lt;c&gt;<br><img" in page


def test_rows_for_pandas():
    pandas = pytest.importorskip("pandas")
    frame = EVALUATION.to_dataframe()
    assert isinstance(frame, pandas.DataFrame)
    assert list(frame.columns) == ["version", "clip", "pesq", "snr"]
    assert frame.groupby("version")["pesq"].mean()["int8_board"] == 2.25
    assert BENCHMARK.to_dataframe().loc[0, "milliseconds"] == 1.5
    assert TRAINED.to_dataframe()["epoch"].tolist() == [1]


def test_without_pandas_it_is_told_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(UserError, match="pip install pandas"):
        EVALUATION.to_dataframe()


def test_as_json_a_result_is_its_fields_only():
    told = plain(EVALUATION)
    assert set(told) == {"folder", "seconds", "noisy", "versions", "advice", "left_out", "report"}
    assert told["noisy"]["pesq"] == {"value": 1.5, "low": 1.4, "high": 1.6, "clips": 2}
