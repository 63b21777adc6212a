"""Files that are being written: names that are nobody else's, and leftovers of killed processes."""

import os
import subprocess
import sys
import threading
import time

import pytest

from sezoo.base import part_files
from sezoo.base.files import atomic_folder, atomic_write, write_text
from sezoo.base.part_files import ABANDONED_SECONDS, part_path, remove_leftovers


@pytest.fixture
def ended():
    """The number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-S", "-c", ""])
    process.wait()
    return process.pid


def leftover(folder, *, pid, place=None, process="0123abcd", stem="saved_models", suffix="", age=0):
    path = folder / f".{stem}.{place or part_files._process_namespace()}-{pid}-{process}-0.part{suffix}"
    path.mkdir()
    write_text(path / "model.onnx", "half")
    for each in (path / "model.onnx", path):
        os.utime(each, (time.time() - age,) * 2)
    return path


def tidied(folder):
    part_files._cleaned.clear()
    remove_leftovers(folder)
    return sorted(path.name for path in folder.iterdir())


def test_names_are_different_also_for_the_same_target(tmp_path):
    paths = {part_path(tmp_path / "a.onnx") for _ in range(100)}
    assert len(paths) == 100
    assert {path.suffix for path in paths} == {".onnx"}
    assert {path.parent for path in paths} == {tmp_path}


@pytest.mark.parametrize("stem", ["x" * 250, "ö" * 125, "模" * 83])
def test_a_name_may_be_as_long_as_the_system_allows(tmp_path, stem):
    write_text(tmp_path / f"{stem}.txt", "whole")
    assert [path.name for path in tmp_path.iterdir()] == [f"{stem}.txt"]


def test_threads_may_write_the_same_file(tmp_path):
    barrier, texts = threading.Barrier(2, timeout=10), ("a" * 1000, "b" * 1000)

    def write(text):
        with atomic_write(tmp_path / "x") as aside:
            aside.write_text(text, encoding="utf-8")
            barrier.wait()

    threads = [threading.Thread(target=write, args=(text,)) for text in texts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (tmp_path / "x").read_text(encoding="utf-8") in texts
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def test_what_a_killed_process_of_the_same_number_left_blocks_nothing_and_is_removed(tmp_path):
    left = leftover(tmp_path, pid=os.getpid())  # as in a container that is started again: it is process 1 each time
    part_files._cleaned.clear()
    with atomic_folder(tmp_path / "saved_models") as aside:
        write_text(aside / "model.onnx", "whole")
    assert not left.exists()
    assert (tmp_path / "saved_models" / "model.onnx").read_text(encoding="utf-8") == "whole"


@pytest.mark.skipif(os.name != "posix", reason="other systems are not asked for a process")
def test_what_a_process_that_has_ended_left_is_removed(tmp_path, ended, caplog):
    caplog.set_level("INFO", "sezoo")
    leftover(tmp_path, pid=ended)
    leftover(tmp_path, pid=ended, suffix=".wav")
    assert tidied(tmp_path) == []
    assert "left by a process that was terminated" in caplog.text


def test_what_may_be_in_use_stays_for_a_day(tmp_path, ended):
    at_work = leftover(tmp_path, pid=os.getppid())
    elsewhere = leftover(tmp_path, pid=ended, place="00000000")
    mine = part_path(tmp_path / "mine")
    write_text(mine, "half")
    assert tidied(tmp_path) == sorted(path.name for path in (at_work, elsewhere, mine))
    for path in (at_work, elsewhere):
        for each in (*path.iterdir(), path):
            os.utime(each, (time.time() - ABANDONED_SECONDS - 10,) * 2)
    os.utime(mine, (0, 0))
    os.utime(elsewhere / "model.onnx")  # somebody writes into it
    assert tidied(tmp_path) == sorted(path.name for path in (elsewhere, mine))


def test_files_of_other_names_stay(tmp_path, ended):
    names = [".hidden", "a.part", f".a.{ended}.part", ".saved.part", "part", f".x.abc-{ended}-0123abcd-0.part"]
    for name in names:
        write_text(tmp_path / name, "mine")
        os.utime(tmp_path / name, (0, 0))
    assert tidied(tmp_path) == sorted(names)
