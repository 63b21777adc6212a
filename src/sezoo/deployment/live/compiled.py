"""The modules of the shipped models, compiled beforehand: their pages need no zig.

A module is kept without its weights, which come from the model's file: a tenth of the bytes is left. The files in
`modules/` are made by `tools/live_modules.py`. They are named by what a module is compiled from, so that another file,
or other settings, never find one of them.
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
"""Bytes of weights from which on they are found in a module by themselves."""


def name_of_module(program: Program, settings: PackageSettings, model: Path) -> str:
    """The name of the file that has the module of a model with these settings; the attenuation limit is set later."""
    rest = (settings.sample_rate, settings.input_gain, settings.silence_threshold, program.engine, program.stft)
    return hashlib.sha256(repr(rest).encode() + model.read_bytes()).hexdigest()[:24] + SUFFIX


def compiled_module(program: Program, settings: PackageSettings, model: Path) -> bytes | None:
    """The WebAssembly module that was compiled of a shipped model, or None."""
    path = MODULES / name_of_module(program, settings, model)
    if not path.is_file():
        return None
    head, module = zlib.decompress(path.read_bytes()).split(b"\n", 1)
    whole = bytearray(module)
    for place, weights in zip(json.loads(head)["places"], _weights(program), strict=True):
        whole[place : place + len(weights)] = weights
    return bytes(whole)


def module_without_weights(program: Program, module: bytes, digest: str) -> bytes:
    """What `compiled_module` reads: where the weights were, and the rest, compressed.

    Parameters
    ----------
    digest : of the sources that it was compiled from, for `digest_of`.
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
    """The digest of the sources that such a file was compiled from."""
    return json.loads(zlib.decompress(file).split(b"\n", 1)[0])["sources"]


def _weights(program: Program) -> Iterator[bytes]:
    """The weights of each layer that has more than a few."""
    convolutions = (step for step in program.steps if isinstance(step, Conv))
    yield from (each for conv in convolutions if len(each := packed_weights(program, conv).tobytes()) >= SHORTEST)
