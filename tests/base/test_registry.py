"""Names of ours, of packages and of users: what each stands for, and what is said where it stands for nothing."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from sezoo.base.errors import UserError
from sezoo.base.registry import Registry, shadowed_names

OWN = Registry("food.fruit", "sezoo_test.fruit", "fruit", {"pear": "pathlib:Path", "plum": "pathlib:PurePath"})


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Install a package that adds entry points: `package(name, line, ...)`."""
    monkeypatch.syspath_prepend(tmp_path)

    def install(name: str, *lines: str, code: str = "apple = 1\n"):
        monkeypatch.delitem(sys.modules, name, raising=False)
        (tmp_path / f"{name}.py").write_text(code, encoding="utf-8")
        info = tmp_path / f"{name}-1.2.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n", encoding="utf-8")
        (info / "entry_points.txt").write_text("\n".join(["[sezoo_test.fruit]", *lines]), encoding="utf-8")

    return install


def error_of(name: str) -> str:
    with pytest.raises(UserError) as error:
        OWN.load(name)
    return str(error.value)


def test_ours_are_imported_when_they_are_used():
    assert OWN.load("pear") is Path
    assert OWN.knows("pear")
    assert not OWN.knows("apple")


def test_a_package_adds_one(package):
    package("orchard", "apple = orchard:apple")
    assert OWN.knows("apple")
    assert OWN.load("apple") == 1


def test_a_users_file_has_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text("cherry = 3\n", encoding="utf-8")
    assert OWN.knows("mine.py:cherry")
    assert OWN.load("mine.py:cherry") == 3


def test_a_file_is_run_again_once_it_was_edited(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text("cherry = []\n", encoding="utf-8")
    first = OWN.load(f"{path}:cherry")
    assert OWN.load(f"{path}:cherry") is first
    path.write_text("cherry = [1, 2]\n", encoding="utf-8")
    assert OWN.load(f"{path}:cherry") == [1, 2]


def test_names_that_stand_for_nothing(package, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text("def cherry(): ...\n", encoding="utf-8")
    assert error_of("banana").startswith("food.fruit: found 'banana'; allowed: pear, plum, or your own as path/to/")
    assert error_of("mine.py:chery") == "food.fruit: mine.py has no fruit chery; did you mean cherry?"
    assert error_of("gone.py:cherry") == "food.fruit: there is no file gone.py"


def test_an_entry_point_that_cannot_be_imported(package):
    package("orchard", "apple = orchard:apple", code="import nothing_of_that_name\n")
    assert error_of("apple") == (
        "food.fruit: apple of the package orchard 1.2 cannot be imported: ModuleNotFoundError: No module named "
        "'nothing_of_that_name' (entry point sezoo_test.fruit, orchard:apple)"
    )


@pytest.mark.parametrize("value", ["orchard apple", "orchard:", "", ":apple", "orchard-x:apple", "orchard"])
def test_an_entry_point_that_names_no_object(package, value):
    package("orchard", f"apple = {value}")
    assert error_of("apple") == (
        "food.fruit: apple of the package orchard 1.2 cannot be imported: its entry point in the group "
        f"sezoo_test.fruit is {value!r}; allowed: package.module:Name"
    )


def test_a_package_whose_entry_points_cannot_be_read_is_left_out(package, caplog):
    package("weeds", "apple")
    package("orchard", "plum = orchard:apple", "peach = orchard:apple")
    assert OWN.load("peach") == 1
    assert not OWN.knows("apple")
    assert [entry.name for entry in OWN.added()] == ["peach", "plum"]
    assert shadowed_names([OWN])[0].startswith("food.fruit: plum of the package orchard 1.2")
    (line,) = [record.getMessage() for record in caplog.records]
    assert line.startswith("the package weeds 1.2 adds nothing to sezoo: its entry_points.txt cannot be read")


def test_a_name_that_two_packages_have(package):
    package("orchard", "apple = orchard:apple")
    package("market", "apple = market:apple")
    told = error_of("apple")
    assert "the package market 1.2 and the package orchard 1.2 both have a fruit named apple" in told
    assert "market:apple or orchard:apple" in told


def test_a_name_of_ours_stays_ours(package):
    package("orchard", "pear = orchard:apple")
    assert OWN.load("pear") is Path
    (told,) = shadowed_names([OWN])
    assert told.startswith("food.fruit: pear of the package orchard 1.2 is not used")
