import pytest

from sezoo.api.running import _goes_on_in
from sezoo.base.errors import UserError
from sezoo.base.files import write_text
from sezoo.run.folder import claim_run_folder, is_being_repeated, mark_as_running, was_killed


def test_runs_of_the_same_second_get_folders_of_their_own(tmp_path):
    folder = tmp_path / "2026_01_01_12_00_00"
    taken = [claim_run_folder(folder, named_by_time=True) for _ in range(3)]
    assert [path.name for path in taken] == [folder.name, f"{folder.name}_1", f"{folder.name}_2"]
    assert all(path.is_dir() for path in taken)


def test_a_folder_that_hydra_made_is_free(tmp_path):
    (tmp_path / "2026").mkdir()
    assert claim_run_folder(tmp_path / "2026", named_by_time=True) == tmp_path / "2026"


def test_a_folder_with_a_name_of_its_own_is_the_one_that_was_meant(tmp_path):
    for _ in range(2):
        assert claim_run_folder(tmp_path / "mine", named_by_time=False) == tmp_path / "mine"


def test_the_working_directory_is_no_folder_of_a_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"hydra\.run\.dir: it is the working directory itself"):
        claim_run_folder(tmp_path, named_by_time=False)
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_way(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot write"):
        claim_run_folder(tmp_path / "file" / "run", named_by_time=True)


# -- runs that were killed ------------------------------------------------------------------------------


@pytest.fixture
def killed(tmp_path):
    """The folder of a run of a process that has this one's number, but is not this one; as in a container."""
    folder = tmp_path / "run"
    with mark_as_running(folder):
        marker = (folder / ".hydra" / "running").read_text(encoding="utf-8")
    write_text(folder / ".hydra" / "running", marker.replace(marker.split("-")[2], "0123abcd\n"))
    return folder


def test_a_run_is_marked_as_long_as_it_lasts(tmp_path):
    with pytest.raises(KeyboardInterrupt), mark_as_running(tmp_path):
        assert not was_killed(tmp_path)
        assert not is_being_repeated(tmp_path)
        assert [path.name for path in (tmp_path / ".hydra").iterdir()] == ["running"]
        raise KeyboardInterrupt
    assert list((tmp_path / ".hydra").iterdir()) == []


def test_a_run_that_was_killed_is_known_until_one_has_come_to_its_end(killed):
    assert was_killed(killed)
    with mark_as_running(killed), mark_as_running(killed):
        assert not was_killed(killed)
        assert is_being_repeated(killed)
    assert not is_being_repeated(killed)


@pytest.mark.parametrize("text", ["", "nonsense", "again\nagain\n", "\x00", "a-1-b\n"])
def test_a_marker_of_anything_is_none(killed, text):
    write_text(killed / ".hydra" / "running", text)
    assert not was_killed(killed)


def test_a_folder_of_a_killed_run_is_free_for_the_same_run_only(killed):
    config = killed / ".hydra" / "config.yaml"
    write_text(config, "operation_mode: quantization\n")
    write_text(killed / "half", "done")
    assert _goes_on_in(killed, "operation_mode: quantization\n")
    assert not _goes_on_in(killed, "operation_mode: training\n")
    (killed / ".hydra" / "running").unlink()
    assert not _goes_on_in(killed, "operation_mode: quantization\n")
    config.unlink()
    assert not _goes_on_in(killed, "operation_mode: quantization\n")
    (killed / "half").unlink()  # a run that was killed before it had written anything
    assert _goes_on_in(killed, "operation_mode: quantization\n")
    assert not _goes_on_in(killed.parent / "nothing", "operation_mode: quantization\n")
