"""Files that add other build systems than CMake to a package; all of them compile the same sources.

Each folder here holds the files that are copied into the package, with @NAME@ as a placeholder for a value.
"""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Iterable
from importlib.resources import as_file, files
from pathlib import Path

from sezoo.base.text import latency_text
from sezoo.base.version import __version__
from sezoo.deployment.c_package.program import Program
from sezoo.deployment.c_package.settings import PackageSettings

__all__ = ["LAYERS", "add_layers", "summary_of", "write_pack"]

LAYERS = ("arduino", "platformio", "zephyr", "cmsis-pack", "esp-idf")

FIRST_DATE_OF_ZIP = (1980, 1, 1, 0, 0, 0)


def summary_of(program: Program, settings: PackageSettings) -> str:
    """Return a one-line description of the package that needs no quotes in any of the files."""
    engine, stft = program.engine, program.stft
    samples, latency = engine.new * stft.hop_length, 1000 * engine.latency(stft) / settings.sample_rate
    return (
        f"Speech denoiser for {settings.sample_rate} Hz, {samples} samples a call, {latency_text(latency)} of latency, "
        f"model {settings.model_hash[:12]}."
    )


def add_layers(package: Path, names: Iterable[str], model_hash: str, summary: str) -> None:
    """Copy build-system layers into a package whose sources exist.

    Parameters
    ----------
    names : names of layers, each in `LAYERS`.
    summary : one-line description of the package.
    """
    sources = "\n".join(
        f'        <file category="sourceC" name="src/{path.name}"/>' for path in sorted((package / "src").glob("*.c"))
    )
    values = {"VERSION": __version__, "HASH": model_hash, "SUMMARY": summary, "FILES": sources}
    with as_file(files("sezoo.deployment.c_package") / "layers") as layers:
        for name in names:
            for source in sorted(path for path in (layers / name).rglob("*") if path.is_file()):
                text = source.read_text(encoding="utf-8")
                for key, value in values.items():
                    text = text.replace(f"@{key}@", value)
                target = package / source.relative_to(layers / name)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_text(text, encoding="utf-8", newline="\n")


def write_pack(package: Path, folder: Path) -> Path | None:
    """Write the package as a CMSIS-Pack, one file that tools import; return its path, or None without that layer.

    Parameters
    ----------
    folder : folder of the file.
    """
    description = next(package.glob("*.pdsc"), None)
    if description is None:
        return None
    target = folder / f"{description.stem}.{__version__}.pack"
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as pack:
        for path in sorted(path for path in package.rglob("*") if path.is_file()):
            entry = zipfile.ZipInfo(path.relative_to(package).as_posix(), FIRST_DATE_OF_ZIP)
            entry.compress_type = zipfile.ZIP_DEFLATED
            with path.open("rb") as source, pack.open(entry, "w") as to:
                shutil.copyfileobj(source, to)
    return target
