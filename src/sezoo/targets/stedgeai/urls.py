"""Checks of web addresses, and their display without secrets."""

from __future__ import annotations

import ipaddress
from urllib.parse import SplitResult, urlsplit

from sezoo.base.errors import UserError

__all__ = ["AddressError", "is_loopback", "is_safe", "origin", "public_url"]


class AddressError(UserError):
    """An address that is invalid, or not safe for a login; nothing was sent."""


def origin(url: str) -> str | None:
    """Scheme, host and port of an address of the web, as `https://host` or `http://host:8080`; None where it is none.

    What one program could take for another host than the next (a user's name before it, a backslash, characters that
    cannot be seen) is none.
    """
    parts = parts_of(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return None
    if "@" in parts.netloc or "\\" in url or not (url.isascii() and url.isprintable()) or " " in url:
        return None
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    usual = {"http": 80, "https": 443}[parts.scheme]
    return f"{parts.scheme}://{host}" + (f":{parts.port}" if parts.port not in (None, usual) else "")


def is_safe(url: str) -> bool:
    """Return whether a connection to the address is encrypted or local."""
    parts = parts_of(url)
    return (parts.scheme == "https" and bool(parts.hostname)) or (parts.scheme == "http" and is_loopback(url))


def is_loopback(url: str) -> bool:
    """Whether an address is this machine itself."""
    host = parts_of(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def public_url(url: str) -> str:
    """An address for messages: without a user's name, a password, a query."""
    parts = parts_of(url)
    if not parts.hostname:
        return parts.path or "?"
    port = f":{parts.port}" if parts.port else ""
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}{port}{parts.path}"


def parts_of(url: str) -> SplitResult:
    """The parts of an address; none where it is no address at all."""
    try:
        parts = urlsplit(url)
        _ = parts.port  # looks at it only now
    except ValueError:
        return urlsplit("")
    return parts
