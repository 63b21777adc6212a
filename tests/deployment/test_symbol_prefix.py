"""`deployment.symbol_prefix`: packages whose names are their own, in one program."""

import re

import pytest

from c_builds import compiled, needs_gcc, ran
from sezoo.base.errors import UserError
from sezoo.services import run_services
from tiny_models import NEW, configuration, write_tiny_model

BOTH = """
#include "left_denoiser.h"
#include "right_denoiser.h"
#include <stdio.h>
static left_denoiser left;
static right_denoiser right;
static int8_t arenas[2][LEFT_ARENA_BYTES > RIGHT_ARENA_BYTES ? LEFT_ARENA_BYTES : RIGHT_ARENA_BYTES]
    __attribute__((aligned(16)));
int main(void)
{
    static int16_t in[LEFT_SAMPLES_PER_CALL], out[2][LEFT_SAMPLES_PER_CALL];
    int loud = 0;
    left_init(&left, arenas[0]);
    right_init(&right, arenas[1]);
    for (int call = 0; call < 6; ++call) {
        for (int i = 0; i < LEFT_SAMPLES_PER_CALL; ++i) in[i] = (int16_t)((i * 7919 + call * 131) % 20000 - 10000);
        left_process(&left, in, out[0]);
        right_process(&right, in, out[1]);
        for (int i = 0; i < LEFT_SAMPLES_PER_CALL; ++i) {
            if (out[0][i] != out[1][i]) return 1;
            loud += out[0][i] != 0;
        }
    }
    return loud ? 0 : 2;
}
"""


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_tiny_model(tmp_path / "model.onnx")
    return tmp_path


def package_of(folder, prefix):
    run_services(configuration(engine="patch", frames_per_patch=NEW, emulate=False, symbol_prefix=prefix), folder)
    return folder / "c_package"


@needs_gcc
def test_two_packages_link_into_one_program(here):
    packages = [package_of(here / name, name) for name in ("left", "right")]
    (here / "both.c").write_text(BOTH, encoding="utf-8")
    sources = [source for package in packages for source in sorted((package / "src").glob("*.c"))]
    includes = [f"-I{package / name}" for package in packages for name in ("include", "src")]
    compiled("-O1", "-ffp-contract=off", *includes, *sources, here / "both.c", "-lm", "-o", here / "both")
    assert ran(here / "both", folder=here)[0] == 0


@needs_gcc
def test_its_vectors_are_as_they_were(here):
    package = package_of(here / "run", "My2nd")
    assert sorted(path.name for path in (package / "include").iterdir()) == ["My2nd_denoiser.h"]
    text = "".join(
        path.read_text(encoding="utf-8") for path in package.rglob("*") if path.suffix in (".c", ".h", ".txt")
    )
    assert not re.search(r"sezoo_|SEZOO_", text)
    assert "#define MY2ND_ARENA_BYTES" in text and "add_library(My2nd STATIC" in text
    sources = [*sorted((package / "src").glob("*.c")), package / "examples/check_vectors.c"]
    includes = [f"-I{package / name}" for name in ("include", "src", "examples")]
    host = package / "examples/host/files_stdio.c"
    compiled("-O1", "-ffp-contract=off", *includes, *sources, host, "-lm", "-o", package / "check_vectors")
    assert ran(package / "check_vectors", folder=package / "test_vectors")[0] == 0


@pytest.mark.parametrize("prefix", ["2nd", "my-model", "a b", "ä"])
def test_what_is_no_name_in_c(prefix):
    with pytest.raises(UserError, match=r"deployment\.symbol_prefix: found .*allowed: a name in C"):
        configuration(symbol_prefix=prefix)
