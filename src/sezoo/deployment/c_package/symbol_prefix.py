"""A symbol prefix per package, so that several packages link into one program."""

from __future__ import annotations

import re
from pathlib import Path

__all__ = ["DEFAULT", "rename_symbols"]

DEFAULT = "sezoo"

NAMED = re.compile(r"(sezoo|SEZOO)_")
CMAKE_TARGET = re.compile(r"\bsezoo\b(?=[ )])")
TEXTS = {".c", ".cc", ".h", ".txt", ".md", ".ld", ".ino", ".properties", ".json", ".yml", ".pdsc"}
NAMES = {"Kconfig"}


def rename_symbols(folder: Path, prefix: str) -> None:
    """Replace the prefix `sezoo` of a package's functions, types, macros, headers and files.

    Parameters
    ----------
    folder : folder of the package, which is changed in place.
    prefix : a C identifier; macros have it in upper case.
    """
    if prefix == DEFAULT:
        return

    def with_prefix(found: re.Match[str]) -> str:
        return f"{prefix.upper() if found[1].isupper() else prefix}_"

    texts = (path for path in folder.rglob("*") if path.suffix in TEXTS or path.name in NAMES)
    for path in sorted(path for path in texts if path.is_file()):
        text = NAMED.sub(with_prefix, path.read_text(encoding="utf-8"))
        if path.name == "CMakeLists.txt":
            text = CMAKE_TARGET.sub(prefix, text)
        target = path.with_name(NAMED.sub(with_prefix, path.name))
        target.write_text(text, encoding="utf-8", newline="\n")
        if target != path:
            path.unlink()
