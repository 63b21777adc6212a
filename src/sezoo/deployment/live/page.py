"""The live page: template, model properties and WebAssembly module in one file that works offline."""

from __future__ import annotations

import base64
import json
import logging
import re
from importlib.resources import files
from pathlib import Path

from sezoo.base.errors import UserError
from sezoo.base.files import display_path, write_text
from sezoo.base.foreign_text import to_one_line
from sezoo.base.shipped import model_text
from sezoo.base.text import latency_text
from sezoo.base.version import __version__
from sezoo.config.sections import Config
from sezoo.denoising.backend import STREAM, check_input_gain, engine_of
from sezoo.deployment.c_package.deploy import program_for
from sezoo.deployment.c_package.program import Program
from sezoo.deployment.c_package.settings import PackageSettings
from sezoo.deployment.live.compiled import compiled_module
from sezoo.deployment.live.webassembly import check_zig, webassembly_of
from sezoo.models.onnx_file import load_configured

__all__ = ["page_of", "write_live_page"]

log = logging.getLogger(__name__)

MOST_WEIGHTS = 8_000_000
"""Most weights, as a page holds them as text."""

MOST_MACS = 1_000_000_000
"""Most multiply-accumulates per second that one core of a fast computer can sustain in a browser."""

PARTS = {
    "style": "live.css",
    "engine": "engine.js",
    "worklet": "worklet.js",
    "pictures": "pictures.js",
    "live": "live.js",
}


def write_live_page(config: Config, path: Path, *, overwrite: bool = False) -> Path:
    """Write the page of the configured static int8 model.

    Raises
    ------
    UserError : the model does not fit, is too large, or needs patches; zig is missing; the file exists.
    """
    model_path = config.model.onnx_path
    if path.is_dir():
        raise UserError(f"-o: {path} is a folder; the name of a file is needed")
    if path.exists() and not overwrite:
        raise UserError(f"{path} already exists; --overwrite replaces it, or choose another file with -o")
    if engine_of(config) != STREAM:
        raise UserError(
            f"{model_path}: sezoo live needs the stream engine; leave deployment.engine: patch and "
            "deployment.input_gain: True out"
        )
    check_input_gain(config)
    program, settings = program_for(load_configured(model_path), model_path, config)
    _check_size(program, settings, model_path)
    module = compiled_module(program, settings, model_path)
    if module is None:
        check_zig()
        log.info("compiling to WebAssembly: %s", to_one_line(model_text(model_path)))
        module = webassembly_of(program, settings)
    write_text(path, page_of(program, settings, module, model_path.stem))
    log.info(
        "open %s in a browser; the latency is %s, and that of the sound devices",
        display_path(path),
        latency_text(_latency_ms(program, settings)),
    )
    return path


def _check_size(program: Program, settings: PackageSettings, path: Path) -> None:
    weights, macs = program.graph.parameters, _macs_per_second(program, settings)
    if weights > MOST_WEIGHTS:
        raise UserError(f"{path} has {weights:,} weights; a page has room for {MOST_WEIGHTS:,}")
    if macs > MOST_MACS:
        raise UserError(
            f"{path} takes {macs / 1e6:,.0f} million multiply-accumulates a second; a browser keeps up with "
            f"{MOST_MACS / 1e6:,.0f} million at most"
        )


def _macs_per_second(program: Program, settings: PackageSettings) -> float:
    return program.graph.macs_per_frame * settings.sample_rate / program.stft.hop_length


def _latency_ms(program: Program, settings: PackageSettings) -> float:
    return 1000 * program.engine.latency(program.stft) / settings.sample_rate


def page_of(program: Program, settings: PackageSettings, module: bytes, name: str) -> str:
    """Return the page as text.

    Parameters
    ----------
    module : WebAssembly module.
    name : name of the model, for display.
    """
    stft, engine, rate = program.stft, program.engine, settings.sample_rate
    facts = {
        "name": to_one_line(name),
        "version": __version__,
        "rate": rate,
        "n_fft": stft.n_fft,
        "hop": stft.hop_length,
        "window": stft.win_length,
        "frames": engine.new,
        "delay": engine.delay(stft),
        "latency_ms": _latency_ms(program, settings),
        "limit": settings.attenuation_limit,
        "parameters": program.graph.parameters,
        "macs_per_second": _macs_per_second(program, settings),
    }
    parts = {part: _template(file) for part, file in PARTS.items()}
    parts["model"] = json.dumps(facts).replace("<", "\\u003c")
    parts["wasm"] = base64.b64encode(module).decode("ascii")
    return re.sub(r"/\*@(\w+)@\*/", lambda found: parts[found[1]], _template("live.html"))


def _template(name: str) -> str:
    return files("sezoo.deployment.live").joinpath("template", name).read_text(encoding="utf-8").rstrip()
