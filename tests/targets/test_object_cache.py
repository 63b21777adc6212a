"""Sources that are the same in every package are compiled once, and anew when anything that they depend on changes."""

import shutil

import pytest

from c_builds import HOST_GCC, needs_gcc, ran
from sezoo.base.errors import UserError
from sezoo.targets import object_cache
from sezoo.targets.object_cache import compiled_objects
from sezoo.targets.programs import run_program

pytestmark = needs_gcc


@pytest.fixture
def package(tmp_path, monkeypatch):
    """The sources of a program that prints 12, one of which depends on a network; with a cache of its own."""
    files = {
        "main.c": '#include <stdio.h>\n#include "x_model.h"\nint twice(void);\n'
        'int main(void) { fprintf(stderr, "%d", SIZE + twice()); return 0; }\n',
        "twice.c": '#include "numbers.h"\nint twice(void) { return 2 * NUMBER; }\n',
        "numbers.h": '  # include "deeper.h"\n',
        "deeper.h": "#define NUMBER 5\n",
        "x_model.h": "#define SIZE 2\n",
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    monkeypatch.setattr(object_cache, "default_folder", lambda: tmp_path / "cache")
    monkeypatch.setattr(object_cache, "OF_A_NETWORK", ("_model.h",))
    return tmp_path


@pytest.fixture
def compilations(monkeypatch):
    """The names of the sources of each call of the compiler."""
    calls = []

    def called(command, *arguments, **options):
        calls.append([word.rsplit("/", 1)[-1] for word in command[command.index("-c") + 1 :]])
        return run_program(command, *arguments, **options)

    monkeypatch.setattr(object_cache, "run_program", called)
    return calls


def printed(package, *options, version="1"):
    """What the program prints."""
    sources, command = [package / "main.c", package / "twice.c"], [HOST_GCC, *options]
    with compiled_objects(command, version, [package], sources, package / "o.log", timeout=60) as objects:
        assert objects[0] == sources[0] and objects[1].suffix == ".o"
        run_program([*command, *objects, "-o", package / "program"], package / "link.log", timeout=60)
    return int(ran(package / "program", folder=package)[1])


def test_what_depends_on_no_network_is_compiled_once(package, compilations):
    assert printed(package) == 12
    (package / "x_model.h").write_text("#define SIZE 3\n", encoding="utf-8")
    assert printed(package) == 13
    assert compilations == [["twice.c"]]
    assert not (package / "o.log").exists()  # the compiler had nothing to say
    assert [path.suffix for path in (package / "cache").iterdir()] == [".o"]


def test_what_has_changed_is_compiled_anew(package, compilations):
    assert printed(package) == 12
    (package / "deeper.h").write_text("#define NUMBER 6\n", encoding="utf-8")
    assert printed(package) == 14
    (package / "twice.c").write_text('#include "numbers.h"\nint twice(void) { return 3 * NUMBER; }\n', encoding="utf-8")
    assert printed(package) == 20
    assert printed(package, "-O1") == 20
    assert printed(package, "-O1", version="2") == 20
    assert compilations == [["twice.c"]] * 5
    assert printed(package) == 20 and len(compilations) == 5


def test_a_cache_that_cannot_be_written_is_none(package, compilations):
    (package / "cache").write_text("a file", encoding="utf-8")
    assert (printed(package), printed(package)) == (12, 12)
    assert compilations == [["twice.c"]] * 2


def test_a_source_that_does_not_compile_leaves_the_reason_and_no_object(package):
    (package / "deeper.h").write_text("#define NUMBER nothing\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"o\.log.*nothing"):
        printed(package)
    assert "nothing" in (package / "o.log").read_text(encoding="utf-8")
    assert not (package / "cache").exists() or not list((package / "cache").iterdir())


def test_warnings_stay_beside_the_log(package):
    (package / "twice.c").write_text("int twice(void) { int unused; return 10; }\n", encoding="utf-8")
    shutil.rmtree(package / "cache", ignore_errors=True)
    assert printed(package, "-Wall") == 12
    assert "unused" in (package / "o.log").read_text(encoding="utf-8")


def test_programs_of_a_package_may_share_what_depends_on_its_network(package, compilations):
    sources, of_network = [package / "main.c", package / "twice.c"], package / "of_network"
    for size, expected in ((2, 12), (2, 12), (3, 13)):
        (package / "x_model.h").write_text(f"#define SIZE {size}\n", encoding="utf-8")
        with compiled_objects(
            [HOST_GCC], "1", [package], sources, package / "o.log", timeout=60, of_network=of_network
        ) as objects:
            run_program([HOST_GCC, *objects, "-o", package / "program"], package / "link.log", timeout=60)
        assert int(ran(package / "program", folder=package)[1]) == expected
    assert compilations == [["main.c", "twice.c"], ["main.c"]]
    assert len(list(of_network.iterdir())) == 2 and len(list((package / "cache").iterdir())) == 1
