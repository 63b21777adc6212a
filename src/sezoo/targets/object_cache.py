"""Objects of the C sources that are the same in every package, compiled once for each core, compiler and version."""

from __future__ import annotations

import hashlib
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from sezoo.base.errors import UserError
from sezoo.base.files import atomic_write
from sezoo.targets.programs import run_program

__all__ = ["compiled_objects"]

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*"([^"]+)"', re.MULTILINE)
OF_A_NETWORK = ("_model.h", "_denoiser.h")
"""Endings of the headers whose contents depend on the network."""


def default_folder() -> Path:
    """Return the folder of the cached objects, in the user's cache folder."""
    from platformdirs import user_cache_path

    return user_cache_path("sezoo", appauthor=False) / "objects"


@contextmanager
def compiled_objects(
    command: Sequence[str], version: str, folders: Sequence[Path], sources: Iterable[Path], log_file: Path,
    *, timeout: float, of_network: Path | None = None,
) -> Iterator[list[Path]]:  # fmt: skip
    """Return the files to link: cached objects of the sources that do not depend on the network, and the other sources.

    The objects are compiled if they are not in the user's cache, and kept there where it can be written.

    Parameters
    ----------
    command : the compiler and its options, without folders of headers.
    version : of the compiler.
    folders : of headers.
    log_file : for what the compiler says; it stays only if there is something.
    of_network : a folder in which objects of the other sources are kept likewise, for the next program of a package.

    Raises
    ------
    UserError : a source does not compile.
    """
    cache = default_folder()
    with tempfile.TemporaryDirectory() as scratch:
        found, missing = [], {}
        for source in sources:
            name, depends_on_network = _object_name(source, folders, [*command, version])
            folder = of_network if depends_on_network else cache
            kept = source if folder is None else folder / name
            if not kept.is_file():
                missing[source], kept = kept, Path(scratch, f"{source.stem}.o")
            found.append(kept)
        if missing:
            words = [*command, *(f"-I{folder}" for folder in folders), "-c", *map(str, missing)]
            if not run_program(words, log_file, timeout=timeout, folder=Path(scratch)):
                log_file.unlink()
            for source, kept in missing.items():
                with (
                    suppress(OSError, UserError),
                    atomic_write(kept) as temporary,
                ):  # a cache that cannot be written is none
                    shutil.copyfile(Path(scratch, f"{source.stem}.o"), temporary)
        yield found


def _object_name(source: Path, folders: Sequence[Path], words: Sequence[str]) -> tuple[str, bool]:
    """The name of an object by all that it depends on, and whether a network is among that."""
    key = hashlib.sha256("\0".join(words).encode())
    wanted, seen, depends_on_network = [source], set(), False
    while wanted:
        path = wanted.pop()
        if path in seen:
            continue
        seen.add(path)
        content = path.read_bytes()
        key.update(f"\0{path.name}\0{len(content)}\0".encode() + content)
        for name in INCLUDE.findall(content.decode("utf-8", errors="replace")):
            depends_on_network = depends_on_network or name.endswith(OF_A_NETWORK)
            wanted += [file for folder in (path.parent, *folders) if (file := folder / name).is_file()][:1]
    return f"{source.stem}_{key.hexdigest()[:32]}.o", depends_on_network
