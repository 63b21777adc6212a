"""Building the C of the package with this computer's compiler, and what is needed to do so."""

import functools
import shutil
import subprocess
import tempfile
from contextlib import ExitStack, contextmanager
from importlib.resources import files
from pathlib import Path

import pytest

from sezoo.targets.object_cache import compiled_objects

SOURCES = Path(str(files("sezoo.deployment.c_package"))) / "sources"
FIXED = ("conv", "dense", "matmul", "elementwise", "groups", "products", "fft", "stream")
"""The sources that are the same in every package."""

OF_A_PACKAGE = ("model", "denoiser", "spectra")
"""Those that depend on the sizes of a network."""

STRICT = ("-std=c99", "-pedantic", "-Wall", "-Wextra", "-Wconversion", "-Werror", "-ffp-contract=off")
SANITIZED = (*STRICT, "-O0", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
"""Optimised as well, GCC takes a quarter of a minute for the Fourier transform."""

DENOISE_FILE = """\
#include <stdio.h>
#include "sezoo_denoiser.h"
static sezoo_denoiser denoiser;
static SEZOO_ARENA(arena);
static int16_t samples[SEZOO_SAMPLES_PER_CALL];
int main(void)
{
    FILE *in = fopen("in.s16", "rb"), *out = fopen("out.s16", "wb");
    sezoo_init(&denoiser, arena);
    while (fread(samples, sizeof samples, 1, in) == 1) {
        sezoo_process(&denoiser, samples, samples);
        fwrite(samples, sizeof samples, 1, out);
    }
    return fclose(in) + fclose(out);
}
"""
"""A program that denoises in.s16 to out.s16, raw samples of 16 bits, call by call."""

HOST_GCC = shutil.which("gcc")
needs_gcc = pytest.mark.skipif(HOST_GCC is None, reason="gcc is not installed on this computer")


@functools.cache
def version_of(*compiler):
    """What a compiler says of its version."""
    return subprocess.run([*compiler, "--version"], capture_output=True, text=True, check=True).stdout


def compiled(*words, folder=None):
    """Run this computer's compiler; what it says is shown if it fails.

    Where it links a program, sources are compiled once for all tests that have them (`cache` in conftest.py).
    """
    words = [str(word) for word in words]
    with ExitStack() as stack:
        if folder is None and not {"-c", "-fsyntax-only"}.intersection(words):
            options = [word for word in words if word.startswith("-") and word[:2] not in ("-I", "-o", "-l")]
            folders = [Path(word[2:]) for word in words if word.startswith("-I")]
            sources = [Path(word) for word in words if word.endswith(".c")]
            objects = stack.enter_context(host_objects(options, folders, sources))
            others = dict(zip(map(str, sources), map(str, objects), strict=True))
            words = [others.get(word, word) for word in words]
        done = subprocess.run([HOST_GCC, *words], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]


@contextmanager
def host_objects(options, folders, sources):
    """`compiled_objects` by this computer's compiler."""
    with tempfile.TemporaryDirectory() as scratch:
        log_file = Path(scratch, "gcc.log")
        command = [HOST_GCC, *options]
        with compiled_objects(command, version_of(HOST_GCC), folders, sources, log_file, timeout=60) as objects:
            yield objects


def fixed_objects(folder):
    """The sources that all packages share, compiled strictly and with sanitizers: the objects."""
    sources = [SOURCES / "src" / f"sezoo_{name}.c" for name in FIXED]
    with host_objects(SANITIZED, (), sources) as objects:
        return [shutil.copy(path, folder) for path in objects]


def built(package, program, objects):
    """An example program of a package, linked with the objects that all packages share: its path."""
    sources = [package / "src" / f"sezoo_{name}.c" for name in OF_A_PACKAGE]
    sources += [package / "examples" / f"{program}.c", package / "examples" / "host" / "files_stdio.c"]
    folders = [f"-I{package / name}" for name in ("include", "src", "examples")]
    compiled(*SANITIZED, *folders, *sources, *objects, "-lm", "-o", package / program)
    return package / program


def ran(program, *words, folder, seconds=60):
    """Run a program that was built here, for so many seconds at most: its exit code, and what it said."""
    done = subprocess.run([program, *map(str, words)], cwd=folder, capture_output=True, text=True, timeout=seconds)
    return done.returncode, done.stderr
