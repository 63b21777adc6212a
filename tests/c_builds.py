"""Building the C of the package with this computer's compiler, and what is needed to do so."""

import shutil
import subprocess
from importlib.resources import files
from pathlib import Path

import pytest

SOURCES = Path(str(files("sezoo.deployment.c_package"))) / "sources"
FIXED = ("conv", "dense", "matmul", "elementwise", "groups", "fft", "stream")
"""The sources that are the same in every package."""

OF_A_PACKAGE = ("model", "denoiser", "spectra")
"""Those that depend on the sizes of a network."""

STRICT = ("-std=c99", "-pedantic", "-Wall", "-Wextra", "-Wconversion", "-Werror", "-ffp-contract=off")
SANITIZED = (*STRICT, "-O0", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
"""Optimised as well, GCC takes a quarter of a minute for the Fourier transform."""

HOST_GCC = shutil.which("gcc")
needs_gcc = pytest.mark.skipif(HOST_GCC is None, reason="gcc is not installed on this computer")


def compiled(*words, folder=None):
    """Run this computer's compiler; what it says is shown if it fails."""
    done = subprocess.run([HOST_GCC, *map(str, words)], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]


def fixed_objects(folder):
    """The sources that all packages share, compiled strictly and with sanitizers: the objects."""
    objects = []
    for name in FIXED:
        objects.append(folder / f"{name}.o")
        compiled(*SANITIZED, "-c", SOURCES / "src" / f"sezoo_{name}.c", "-o", objects[-1])
    return objects


def built(package, program, objects):
    """An example program of a package, linked with the objects that all packages share: its path."""
    sources = [package / "src" / f"sezoo_{name}.c" for name in OF_A_PACKAGE]
    sources += [package / "examples" / f"{program}.c", package / "examples" / "host" / "files_stdio.c"]
    folders = [f"-I{package / name}" for name in ("include", "src", "examples")]
    compiled(*SANITIZED, *folders, *sources, *objects, "-lm", "-o", package / program)
    return package / program


def ran(program, *words, folder):
    """Run a program that was built here: its exit code, and what it said."""
    done = subprocess.run([program, *map(str, words)], cwd=folder, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stderr
