"""The shipped models' programs in WebAssembly, compiled beforehand, for pages without zig."""

from pathlib import Path

import pytest

from sezoo.api.sections import Spectrum
from sezoo.api.settings import deployment_settings
from sezoo.config.validation import build_config
from sezoo.deployment.c_package.deploy import program_for
from sezoo.deployment.live import compiled
from sezoo.deployment.live.compiled import compiled_module, digest_of, module_without_weights, name_of_module
from sezoo.deployment.live.webassembly import sources_digest
from sezoo.models.onnx_file import load_onnx
from sezoo.zoo import names_of_models, zoo_model

FOLDER = Path(compiled.__file__).parent / "modules"
SMALL = ("utcn_live_small", "utcn_small")


def program_of_shipped(name, **deployment):
    model = zoo_model(name).int8_static
    settings = deployment_settings(
        model, Spectrum(), backend="portable-c", engine="stream", emulate=False, more={"deployment": deployment}
    )
    return *program_for(load_onnx(model), model, build_config(settings)), model


def test_they_are_small_and_there_is_one_for_each_model():
    sizes = [path.stat().st_size for path in FOLDER.iterdir()]
    assert len(sizes) == len(names_of_models()), "run python tools/live_modules.py"
    assert sum(sizes) < 300_000


@pytest.mark.parametrize("name", SMALL)
def test_they_are_of_the_sources_as_they_are(name):
    program, settings, model = program_of_shipped(name)
    file = FOLDER / name_of_module(program, settings, model)
    assert file.is_file(), "run python tools/live_modules.py"
    assert digest_of(file.read_bytes()) == sources_digest(program, settings), "run python tools/live_modules.py"


def test_a_module_gets_its_weights_back():
    program, settings, model = program_of_shipped("utcn_live_small", attenuation_limit_db=12.0)
    module = compiled_module(program, settings, model)
    assert module.startswith(b"\0asm")
    file = (FOLDER / name_of_module(program, settings, model)).read_bytes()
    assert module_without_weights(program, module, digest_of(file)) == file


@pytest.mark.parametrize("change", [{"frames_per_patch": 2}, {"output_silence_threshold": -60.0}])
def test_other_settings_find_none(change):
    program, settings, model = program_of_shipped("utcn_live_small", **change)
    assert compiled_module(program, settings, model) is None
