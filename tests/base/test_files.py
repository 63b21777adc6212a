import os
from pathlib import Path

import pytest

from sezoo.base.errors import UserError
from sezoo.base.files import atomic_folder, atomic_write, check_writable, display_path, write_text


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_appears_when_it_is_whole(tmp_path):
    with atomic_write(tmp_path / "new" / "a.txt") as aside:
        aside.write_text("half", encoding="utf-8")
        assert names(tmp_path / "new") == [aside.name]
    assert names(tmp_path / "new") == ["a.txt"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_what_fails_leaves_the_old_file_and_no_other(tmp_path, error):
    write_text(tmp_path / "a.txt", "old")
    with pytest.raises(error), atomic_write(tmp_path / "a.txt") as aside:
        aside.write_text("half", encoding="utf-8")
        raise error
    assert names(tmp_path) == ["a.txt"]
    assert (tmp_path / "a.txt").read_text(encoding="utf-8") == "old"


def test_text_is_utf8_with_plain_newlines(tmp_path):
    write_text(tmp_path / "a.txt", "größe\n")
    assert (tmp_path / "a.txt").read_bytes() == "größe\n".encode()


def test_a_file_where_the_folder_should_be(tmp_path):
    write_text(tmp_path / "file", "")
    with pytest.raises(UserError, match=r"cannot write .*file.x: "):
        write_text(tmp_path / "file" / "x", "")


@pytest.mark.parametrize("below", [".", "new", "new/er"])
def test_a_folder_that_can_be_written_to_is_as_it_was(tmp_path, below):
    check_writable(tmp_path / below, "a.key")
    assert names(tmp_path) == []


@pytest.mark.parametrize("below", ["", "x", "x/y"])
def test_a_folder_below_a_file(tmp_path, monkeypatch, below):
    monkeypatch.chdir(tmp_path)
    write_text(tmp_path / "file", "")
    with pytest.raises(UserError) as caught:
        check_writable(tmp_path / "file" / below, "a.key")
    assert str(caught.value).startswith(f"a.key: cannot write to the folder {Path('file', below)}: ")
    assert names(tmp_path) == ["file"]


@pytest.mark.parametrize("below", [".", "x"])
def test_a_folder_without_the_right_to_write(tmp_path, below):
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    if os.name != "posix" or os.access(locked, os.W_OK):
        pytest.skip("this user may write anywhere")
    with pytest.raises(UserError, match=r"^a.key: cannot write to the folder .*: Permission denied$"):
        check_writable(locked / below, "a.key")


@pytest.mark.parametrize("there", [False, True])
def test_files_appear_together(tmp_path, there):
    folder = tmp_path / "models"
    if there:
        folder.mkdir()
    with atomic_folder(folder) as aside:
        write_text(aside / "a", "1")
        assert not folder.exists() or names(folder) == []
        write_text(aside / "b", "2")
    assert names(folder) == ["a", "b"]
    assert names(tmp_path) == ["models"]


@pytest.mark.parametrize("error", [UserError, KeyboardInterrupt])
def test_files_do_not_appear_if_one_fails(tmp_path, error):
    with pytest.raises(error), atomic_folder(tmp_path / "models") as aside:
        write_text(aside / "a", "1")
        raise error
    assert names(tmp_path) == []


def test_files_are_put_to_those_of_a_folder(tmp_path, caplog):
    folder = tmp_path / "models"
    write_text(folder / "a", "old")
    write_text(folder / "mine", "precious")
    with atomic_folder(folder) as aside:
        write_text(aside / "a", "new")
        write_text(aside / "b", "new")
    assert {name: (folder / name).read_text(encoding="utf-8") for name in names(folder)} == {
        "a": "new",
        "b": "new",
        "mine": "precious",
    }
    assert "a already existed" in caplog.text
    assert "b was" not in caplog.text


def test_paths_are_shown_short(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert display_path(tmp_path / "a" / "b") == str((tmp_path / "a" / "b").relative_to(tmp_path))
    assert display_path(tmp_path.parent / "x") == str(tmp_path.parent / "x")


@pytest.mark.parametrize("writing", [atomic_write, atomic_folder])
def test_errors_name_the_path_that_a_user_knows(tmp_path, writing):
    with pytest.raises(UserError) as caught, writing(tmp_path / "models") as aside:
        raise UserError(f"{aside / 'a.onnx'}: cannot be loaded", ["what onnxruntime says"])
    assert str(caught.value) == f"{tmp_path / 'models' / 'a.onnx'}: cannot be loaded | what onnxruntime says"
