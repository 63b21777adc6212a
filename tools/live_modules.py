"""Compiles the programs of the shipped models for pages of `sezoo live` that need no zig; needs zig itself.

    python tools/live_modules.py

To be run when a shipped model or the C sources have changed; tests/deployment/test_live_modules.py says so.
"""

from pathlib import Path

from sezoo.api.sections import Spectrum
from sezoo.api.settings import deployment_settings
from sezoo.config.validation import build_config
from sezoo.deployment.c_package.deploy import program_for
from sezoo.deployment.live import compiled
from sezoo.deployment.live.webassembly import sources_digest, webassembly_of
from sezoo.models.onnx_file import load_onnx
from sezoo.zoo import zoo_models

FOLDER = Path(compiled.__file__).parent / "modules"


def main() -> None:
    """Write the module of each model, with one frame a call, and remove those of earlier ones."""
    made = {}
    for shipped in zoo_models():
        model = shipped.int8_static
        settings = deployment_settings(model, Spectrum(), backend="portable-c", engine="stream", emulate=False)
        program, package = program_for(load_onnx(model), model, build_config(settings))
        module, digest = webassembly_of(program, package), sources_digest(program, package)
        made[compiled.name_of_module(program, package, model)] = compiled.module_without_weights(
            program, module, digest
        )
    FOLDER.mkdir(exist_ok=True)
    for path in FOLDER.iterdir():
        path.unlink()
    for name, content in made.items():
        (FOLDER / name).write_bytes(content)


if __name__ == "__main__":
    main()
