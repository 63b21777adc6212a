"""Files of `torch.save`: checked for what they declare, and read without running anything that is in them."""

from __future__ import annotations

import io
import re
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch

from sezoo.base.errors import UserError
from sezoo.base.foreign_text import to_printable
from sezoo.base.git_lfs import LFS_POINTER, is_lfs_pointer

__all__ = ["check_tensors", "read_torch_file"]

MAX_BYTES = 4 * 2**30
"""Of a file, and of what it declares to hold: far beyond any network for a microcontroller, with its optimizer."""

MAX_CONTENTS = 8 * 2**20
"""Bytes of the list of contents (`data.pkl`), which names some ten thousand tensors."""

MAX_NAMES = 100_000
"""Entries of one mapping in the file."""


def read_torch_file(path: Path) -> object:
    """Read a file of `torch.save`: tensors, on the CPU, and plain containers, but no objects, which can run code.

    Raises
    ------
    UserError : no file of torch, a damaged one, one with more than tensors, or one that declares to be huge.
    """
    try:
        if is_lfs_pointer(path):
            raise UserError(f"{path}: {LFS_POINTER}")
        _check_size(path)
        content = io.BytesIO(path.read_bytes())
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror or error}") from error
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of TorchScript, which is an error here
            return torch.load(content, map_location="cpu", weights_only=True)
    except Exception as error:  # torn files raise nearly anything
        kind = re.search(r"GLOBAL ([\w.]+) w(?:as|hose)|(TorchScript)", str(error))
        if kind:
            raise UserError(
                f"{path} holds more than tensors ({kind[1] or kind[2]}), which is not read because it can run code; "
                "save only the weights: torch.save(network.state_dict(), path)"
            ) from error
        raise UserError(f"{path} is not a file of torch.save (or is damaged): it cannot be read") from error


def _check_size(path: Path) -> None:
    """Check the sizes that a file declares, before any of it is read."""
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise UserError(f"{path} has {size / 2**30:.1f} GiB; at most {MAX_BYTES / 2**30:g} GiB are read")
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError):  # of an older torch, or no file of torch at all
        return
    declared = sum(entry.file_size for entry in entries)
    if declared > 2 * size + MAX_CONTENTS or declared > MAX_BYTES:  # torch.save compresses nothing
        raise UserError(
            f"{path} has {size / 2**20:.1f} MiB, and declares to hold {declared / 2**20:,.0f} MiB: it is not unpacked"
        )
    contents = max((entry.file_size for entry in entries if entry.filename.endswith("data.pkl")), default=0)
    if contents > MAX_CONTENTS:
        raise UserError(
            f"{path}: its list of contents has {contents / 2**20:.1f} MiB, at most {MAX_CONTENTS / 2**20:g} MiB are "
            "read; save only the weights: torch.save(network.state_dict(), path)"
        )


def check_tensors(content: object, path: Path) -> None:
    """Check that all tensors in what was read are plain arrays of numbers.

    Raises
    ------
    UserError : a sparse, a quantized, or an empty ("meta") tensor, or a mapping of far too many names.
    """
    for name, tensor in _tensors(content, "", path):
        kind = (
            f"sparse ({str(tensor.layout).removeprefix('torch.')})" if tensor.layout is not torch.strided
            else "without data (on the device meta)" if tensor.is_meta
            else f"quantized ({str(tensor.dtype).removeprefix('torch.')})" if tensor.is_quantized
            else "complex" if tensor.is_complex()
            else None
        )  # fmt: skip
        if kind:
            what = f"the tensor {to_printable(name)}" if name else "its tensor"
            raise UserError(f"{path}: {what} is {kind}; dense tensors of numbers are needed")


def _tensors(content: object, name: str, path: Path) -> Iterator[tuple[str, torch.Tensor]]:
    if isinstance(content, torch.Tensor):
        yield name, content
    elif isinstance(content, Mapping | list | tuple):
        if len(content) > MAX_NAMES:
            raise UserError(f"{path} holds {len(content):,} entries; at most {MAX_NAMES:,} are taken")
        items = content.items() if isinstance(content, Mapping) else enumerate(content)
        for key, value in items:
            if isinstance(value, torch.Tensor | Mapping | list | tuple):
                yield from _tensors(value, f"{name}.{key}" if name else str(key), path)
