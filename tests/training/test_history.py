import csv

import pytest

from sezoo.training.history import COLUMNS, History, is_better, save_curves


def row(epoch, **values):
    return {**dict.fromkeys(COLUMNS, 0.5), "epoch": epoch, **values}


def test_the_file_has_a_row_an_epoch(tmp_path):
    history = History([row(1, pesq=None)])
    history.add(row(2, pesq=1.25, train_loss=1e-9))
    history.save(tmp_path / "log.csv")
    with (tmp_path / "log.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == list(COLUMNS)
    assert (rows[0]["epoch"], rows[0]["pesq"], rows[1]["pesq"]) == ("1", "", "1.25")
    assert float(rows[1]["train_loss"]) == 1e-9


def test_the_same_rows_give_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        History([row(1, snr=1 / 3)]).save(tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert repr(1 / 3) in (tmp_path / "a").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("metric", "value", "than", "better"),
    [("pesq", 2.0, None, True), ("pesq", 2.0, 1.0, True), ("pesq", 1.0, 1.0, False), ("train_loss", 1.0, 2.0, True),
     ("wave_mse", 3.0, 2.0, False), ("si-snr", -1.0, -2.0, True)],
)  # fmt: skip
def test_which_value_is_better(metric, value, than, better):
    assert is_better(value, than, metric) == better


def test_the_curves_are_drawn_also_with_gaps(tmp_path):
    history = History([row(1, pesq=None), row(2), row(3)])
    save_curves(tmp_path / "c.png", history, 2)
    save_curves(tmp_path / "noisy.png", history, 2, {"pesq": 0.25, "stoi": None})
    assert (tmp_path / "noisy.png").read_bytes() != (tmp_path / "c.png").read_bytes()
    save_curves(tmp_path / "d.png", History([row(1)]), None)
    assert (tmp_path / "c.png").read_bytes().startswith(b"\x89PNG")
