import pytest

from sezoo.errors import UserError
from sezoo.run_folder import claimed


def test_runs_of_the_same_second_get_folders_of_their_own(tmp_path):
    folder = tmp_path / "2026_01_01_12_00_00"
    taken = [claimed(folder, named_by_time=True) for _ in range(3)]
    assert [path.name for path in taken] == [folder.name, f"{folder.name}_1", f"{folder.name}_2"]
    assert all(path.is_dir() for path in taken)


def test_a_folder_that_hydra_made_is_free(tmp_path):
    (tmp_path / "2026").mkdir()
    assert claimed(tmp_path / "2026", named_by_time=True) == tmp_path / "2026"


def test_a_folder_with_a_name_of_its_own_is_the_one_that_was_meant(tmp_path):
    for _ in range(2):
        assert claimed(tmp_path / "mine", named_by_time=False) == tmp_path / "mine"


def test_the_working_directory_is_no_folder_of_a_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"hydra\.run\.dir: it is the working directory itself"):
        claimed(tmp_path, named_by_time=False)
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_way(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot write"):
        claimed(tmp_path / "file" / "run", named_by_time=True)
