"""Tables whose cells are names."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given

from hostile_names import HOSTILE, hostile_names
from sezoo.base.csv_file import csv_text, read_csv, write_csv
from sezoo.base.errors import UserError
from sezoo.base.foreign_text import to_encodable


@pytest.mark.parametrize("name", ["=1+1", "+x", "-x", "@x", "\tx", "\rx", "'=x", "''-x"])
def test_no_name_is_a_formula(name):
    cell = next(csv.reader(io.StringIO(csv_text([name], []), newline="")))[0]
    assert cell == f"'{name}"


def test_numbers_stay_numbers():
    assert csv_text(["clip", "si_snr"], [["a.wav", -1.5], ["b.wav", None]]) == "clip,si_snr\na.wav,-1.5\nb.wav,\n"


def test_a_carriage_return_splits_no_row():
    text = csv_text(["name", "pesq"], [["a\rb.wav", 2.0], ["c\nd", 1.0]])
    assert list(csv.reader(io.StringIO(text, newline=""))) == [["name", "pesq"], ["a\rb.wav", "2.0"], ["c\nd", "1.0"]]


@given(hostile_names())
def test_names_come_back(tmp_path_factory, name):
    path = tmp_path_factory.getbasetemp() / "table.csv"
    name = to_encodable(name)
    write_csv(path, ["name", "other"], [[name, 1], ["x", name]])
    assert read_csv(path) == [{"name": name, "other": "1"}, {"name": "x", "other": name}]


def test_all_hostile_names_at_once(tmp_path):
    names = [to_encodable(name) for name in HOSTILE]
    write_csv(tmp_path / "a.csv", ["name"], [[name] for name in names])
    assert [row["name"] for row in read_csv(tmp_path / "a.csv")] == names


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b'a,b\n"x', b"a\n" + b"x" * 200_000])
def test_what_is_no_table_is_refused(tmp_path, content):
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(UserError, match=r"a\.csv: not CSV"):
        read_csv(tmp_path / "a.csv")


def test_short_rows_have_empty_cells(tmp_path):
    (tmp_path / "a.csv").write_text("a,b\n1\n1,2,3\n", encoding="utf-8")
    assert read_csv(tmp_path / "a.csv") == [{"a": "1", "b": ""}, {"a": "1", "b": "2"}]
