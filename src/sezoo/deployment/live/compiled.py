"""Precompiled WebAssembly modules of the shipped models, whose pages need no zig.

Modules are stored without their weights, which come from the model's file, at a tenth of the size. The files in
`modules/` are written by `tools/live_modules.py`. Their names are hashes of everything that a module is compiled from,
so that another model or other settings never match.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

from sezoo.deployment.c_package.constants_source import packed_weights
from sezoo.deployment.c_package.program import Program
from sezoo.deployment.c_package.settings import PackageSettings
from sezoo.deployment.engine.conv import Conv

__all__ = ["SUFFIX", "compiled_module", "digest_of", "module_without_weights", "name_of_module"]

MODULES = files("sezoo.deployment.live") / "modules"
SUFFIX = ".module"
SHORTEST = 64
"""Smallest weight array, in bytes, that is searched in a module."""


def name_of_module(program: Program, settings: PackageSettings, model: Path) -> str:
    """Return the file name of the module for a model and settings, except the attenuation limit, which is set later."""
    rest = (settings.sample_rate, settings.input_gain, settings.silence_threshold, program.engine, program.stft)
    return hashlib.sha256(repr(rest).encode() + model.read_bytes()).hexdigest()[:24] + SUFFIX


def compiled_module(program: Program, settings: PackageSettings, model: Path) -> bytes | None:
    """Return the precompiled WebAssembly module of a shipped model, or None for another model."""
    path = MODULES / name_of_module(program, settings, model)
    if not path.is_file():
        return None
    head, module = zlib.decompress(path.read_bytes()).split(b"\n", 1)
    whole = bytearray(module)
    for place, weights in zip(json.loads(head)["places"], _weights(program), strict=True):
        whole[place : place + len(weights)] = weights
    return bytes(whole)


def module_without_weights(program: Program, module: bytes, digest: str) -> bytes:
    """Return the file content for `compiled_module`: offsets of the weights and the rest of the module, compressed.

    Parameters
    ----------
    digest : digest of the sources of the module, for `digest_of`.
    """
    rest, places = bytearray(module), []
    for weights in _weights(program):
        if module.count(weights) != 1:
            raise ValueError("a layer's weights are not in the module, or more than once")
        places.append(module.index(weights))
        rest[places[-1] : places[-1] + len(weights)] = bytes(len(weights))
    head = json.dumps({"sources": digest, "places": places})
    return zlib.compress(head.encode() + b"\n" + bytes(rest), 9)


def digest_of(file: bytes) -> str:
    """Return the digest of the sources of a module file."""
    return json.loads(zlib.decompress(file).split(b"\n", 1)[0])["sources"]


def _weights(program: Program) -> Iterator[bytes]:
    """Yield the weights of each layer with at least `SHORTEST` bytes."""
    convolutions = (step for step in program.steps if isinstance(step, Conv))
    yield from (each for conv in convolutions if len(each := packed_weights(program, conv).tobytes()) >= SHORTEST)
