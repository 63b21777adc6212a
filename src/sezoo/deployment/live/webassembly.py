"""Compilation of the C package to a WebAssembly module without imports, with zig."""

from __future__ import annotations

import hashlib
import tempfile
from importlib.resources import files
from pathlib import Path

from sezoo.base.version import __version__
from sezoo.deployment.c_package.package import write_sources
from sezoo.deployment.c_package.program import Program
from sezoo.deployment.c_package.settings import PackageSettings
from sezoo.targets.c_compiler import build_webassembly, find_zig

__all__ = ["check_zig", "sources_digest", "webassembly_of"]


LIBRARY = Path("examples", "cortex_m", "freestanding")


def check_zig() -> None:
    """Check that zig is installed.

    Raises
    ------
    UserError : it is not; the message names the extra that installs it.
    """
    find_zig()


def webassembly_of(program: Program, settings: PackageSettings) -> bytes:
    """Compile the package's sources and `exports.c` to a module, with 128-bit SIMD where it is faster.

    Raises
    ------
    UserError : zig is not installed, or the package does not compile.
    """
    with tempfile.TemporaryDirectory(prefix="sezoo_") as scratch:
        package = Path(scratch) / "package"
        sources = _sources(program, settings, package)
        folders = [*(package / name for name in ("include", "src")), package / LIBRARY]
        module = Path(scratch) / "denoiser.wasm"
        build_webassembly(sources, folders, module, Path(scratch) / "build.log")
        return module.read_bytes()


def sources_digest(program: Program, settings: PackageSettings) -> str:
    """Return a hash of all sources that is independent of the version of sezoo."""
    with tempfile.TemporaryDirectory(prefix="sezoo_") as scratch:
        package = Path(scratch) / "package"
        _sources(program, settings, package)
        texts = sorted(path for path in package.rglob("*") if path.suffix in (".c", ".h"))
        whole = b"".join(path.read_bytes() for path in texts)
        return hashlib.sha256(whole.replace(__version__.encode(), b"")).hexdigest()


def _sources(program: Program, settings: PackageSettings, package: Path) -> list[Path]:
    package.mkdir()
    write_sources(program, settings, package)
    exports = files("sezoo.deployment.live").joinpath("exports.c").read_text(encoding="utf-8")
    (package / "exports.c").write_text(exports, encoding="utf-8")
    return [*sorted((package / "src").glob("*.c")), package / "exports.c", package / LIBRARY / "string.c"]
