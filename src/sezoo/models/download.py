"""Models that a configuration names by an https:// address: downloaded once, into the user's cache."""

from __future__ import annotations

import hashlib
import http.client
import logging
import re
import time
import urllib.error
import urllib.request
from email.message import Message
from pathlib import Path
from typing import IO
from urllib.parse import unquote, urlsplit

from sezoo.base.errors import UserError
from sezoo.base.files import atomic_write
from sezoo.base.version import __version__
from sezoo.config.sections import Config

__all__ = ["LARGEST", "LONGEST_SECONDS", "download", "with_local_model"]

log = logging.getLogger(__name__)

KEY = "model.onnx_path"

LARGEST = 1024**3
"""Bytes of a model; networks for microcontrollers have a few MB."""

SILENT_SECONDS = 30.0
"""Without a word of the server, after which it is given up."""

LONGEST_SECONDS = 600.0
"""May a download take altogether, redirects among it."""

PIECE = 1 << 16


def with_local_model(config: Config) -> tuple[Config, str | None]:
    """The configuration with the path of a file in the place of a model's address, and a line on that for the log.

    Raises
    ------
    UserError : the address cannot be downloaded, or is no ONNX model.
    """
    if config.model is None or not isinstance(config.model.onnx_path, str):
        return config, None
    address = config.model.onnx_path
    path = download(address)
    model = config.model.model_copy(update={"onnx_path": path})
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    message = f"{public_url(address)} is {path}, {path.stat().st_size / 2**20:.2f} MiB, SHA-256 {digest}"
    return config.model_copy(update={"model": model}), message


def download(address: str, folder: Path | None = None, *, seconds: float = LONGEST_SECONDS) -> Path:
    """The file of an address in the cache, where it is put if it is not there yet: whole, or not at all.

    Parameters
    ----------
    address : https://...
    folder : of the cache; the user's if None.
    seconds : that it may take.

    Raises
    ------
    UserError : no https address; no answer, or not in time; too large; no ONNX model.
    """
    parts = urlsplit(address)
    if parts.scheme.lower() != "https" or not parts.hostname:
        raise UserError(f"{KEY}: {public_url(address)}: only https:// addresses are downloaded")
    if parts.username is not None or parts.password is not None:
        raise UserError(f"{KEY}: {public_url(address)}: an address with a user name or a password is not accepted")
    path = _cache_path(address, folder or _cache_folder())
    if path.is_file():
        log.info("%s was downloaded before (remove %s to download it anew)", public_url(address), path)
        return path
    log.info("downloading %s", public_url(address))
    from sezoo.models.onnx_file import load_onnx

    with atomic_write(path) as temporary:
        _download(address, temporary, time.monotonic() + seconds)
        try:
            load_onnx(temporary)
        except UserError as error:
            raise UserError(
                f"{KEY}: {public_url(address)} is no ONNX model (a page about one, perhaps: it needs the address of "
                "the "
                "file itself)"
            ) from error
    return path


def public_url(address: str) -> str:
    """An address for messages: without a name, a password, or a query, which may hold a token."""
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.hostname or ''}{f':{parts.port}' if parts.port else ''}{parts.path}"


def _cache_folder() -> Path:
    from platformdirs import user_cache_path

    return user_cache_path("sezoo", appauthor=False) / "models"


def _cache_path(address: str, folder: Path) -> Path:
    """Return the cache path of an address: a folder of its own, and a similar file name."""
    name = unquote(urlsplit(address).path).rpartition("/")[2]
    stem = re.sub(r"[^A-Za-z0-9._-]", "_", name.removesuffix(".onnx"))[:80].strip(".") or "model"
    return folder / hashlib.sha256(address.encode()).hexdigest()[:16] / f"{stem}.onnx"


def _download(address: str, path: Path, until: float) -> None:
    request = urllib.request.Request(address, headers={"User-Agent": f"sezoo/{__version__}"})
    try:
        with urllib.request.build_opener(_OnlyHttps(until)).open(request, timeout=SILENT_SECONDS) as response:
            announced = int(response.headers.get("Content-Length") or 0)
            if announced > LARGEST:
                raise _too_large(address)
            got = _copy(response, path, until, address)
            if announced and got != announced:
                raise UserError(f"{KEY}: {public_url(address)}: only {got} of {announced} bytes arrived; try again")
    except urllib.error.HTTPError as error:
        error.close()
        said = f"{error.code} {http.client.responses.get(error.code, '')}".rstrip()
        why = "; only https:// addresses are followed, ten of them at most" if 300 <= error.code < 400 else ""
        raise UserError(f"{KEY}: {public_url(address)} answers {said}{why}") from error
    except TimeoutError as error:
        raise UserError(f"{KEY}: {public_url(address)} takes too long to answer") from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        if isinstance(reason, TimeoutError):
            raise UserError(f"{KEY}: {public_url(address)} takes too long to answer") from error
        raise UserError(
            f"{KEY}: {public_url(address)} cannot be downloaded: {reason}; see whether the network works and "
            "HTTPS_PROXY is "
            "as it should be"
        ) from error


def _copy(response: http.client.HTTPResponse, path: Path, until: float, address: str) -> int:
    """Write the body to the file; its length in bytes."""
    size = 0
    with path.open("wb") as file:
        while piece := response.read1(PIECE):
            size += file.write(piece)
            if size > LARGEST:
                raise _too_large(address)
            if time.monotonic() > until:
                raise TimeoutError
    return size


def _too_large(address: str) -> UserError:
    return UserError(f"{KEY}: {public_url(address)} is larger than {LARGEST // 2**20} MiB; download it yourself")


class _OnlyHttps(urllib.request.HTTPRedirectHandler):
    """Follows redirects to HTTPS addresses only, until the time is up."""

    def __init__(self, until: float):
        self.until = until

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Message, newurl: str
    ) -> urllib.request.Request | None:
        """The request to go on with."""
        if urlsplit(newurl).scheme.lower() != "https":
            fp.close()
            raise UserError(
                f"{KEY}: {public_url(req.full_url)} leads to {public_url(newurl)}, which is no https:// address"
            )
        if time.monotonic() > self.until:
            raise TimeoutError
        return super().redirect_request(req, fp, code, msg, headers, newurl)
