"""The C package as a WebAssembly module without imports, by zig."""

from __future__ import annotations

import tempfile
from importlib.resources import files
from pathlib import Path

from sezoo.deployment.c_package.package import PackageSettings, write_sources
from sezoo.deployment.c_package.program import Program
from sezoo.targets.c_compiler import build_webassembly, find_zig

__all__ = ["check_zig", "webassembly_of"]


def check_zig() -> None:
    """Check that zig is there.

    Raises
    ------
    UserError : it is not; which extra brings it.
    """
    find_zig()


def webassembly_of(program: Program, settings: PackageSettings) -> bytes:
    """The module: the package's sources and the functions of `exports.c`, vectors of 128 bits where they pay.

    Raises
    ------
    UserError : zig is not installed, or the package does not compile.
    """
    exports = files("sezoo.deployment.live").joinpath("exports.c").read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory(prefix="sezoo_") as scratch:
        package = Path(scratch) / "package"
        package.mkdir()
        write_sources(program, settings, package)
        (package / "exports.c").write_text(exports, encoding="utf-8")
        library = package / "examples" / "cortex_m" / "freestanding"
        sources = [*sorted((package / "src").glob("*.c")), package / "exports.c", library / "string.c"]
        folders = [*(package / name for name in ("include", "src")), library]
        module = Path(scratch) / "denoiser.wasm"
        build_webassembly(sources, folders, module, Path(scratch) / "build.log")
        return module.read_bytes()
