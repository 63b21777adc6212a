"""The tokens of a login, stored in a file that only the user can read."""

from __future__ import annotations

import json
import logging
import os
import stat
import tempfile
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from sezoo.base.errors import UserError
from sezoo.base.files import display_path

__all__ = ["Token", "load_token", "save_token", "token_file", "token_of"]

log = logging.getLogger(__name__)

EARLY_SECONDS = 60
"""Before its end, from which on a token is not used any more."""

FIRST_MILLISECOND = 1e11
"""A moment from here on is given in milliseconds: in seconds it would be in the year 5138."""


@dataclass(frozen=True)
class Token:
    """Token of a logged-in user.

    Attributes
    ----------
    access : to be shown with every request.
    refresh : buys a new one; None where the cloud gave none.
    expires_at : in seconds since 1970; None where the cloud does not say.
    """

    access: str = field(repr=False)
    refresh: str | None = field(repr=False)
    expires_at: float | None

    def is_over(self, now: float) -> bool:
        """Whether it is at its end, or close to it."""
        return self.expires_at is not None and now >= self.expires_at - EARLY_SECONDS


def token_of(content: object, where: str) -> Token:
    """The token in an answer, or in the file.

    Raises
    ------
    UserError : there is none.
    """
    fields = content if isinstance(content, dict) else {}
    access, refresh, expires_at = (fields.get(key) for key in ("access_token", "refresh_token", "expires_at"))
    if not isinstance(access, str) or not access or not access.isascii() or not access.isprintable():
        raise UserError(f"{where} holds no access_token")
    try:
        seconds = float(expires_at)
    except (TypeError, ValueError, OverflowError):
        seconds = None
    if seconds is not None and seconds >= FIRST_MILLISECOND:
        seconds /= 1000
    return Token(access, refresh if isinstance(refresh, str) and refresh else None, seconds)


def token_file() -> Path:
    """Return the path of the token file, in the user's cache folder."""
    from platformdirs import user_cache_path

    return user_cache_path("sezoo", appauthor=False) / "st_cloud_token.json"


def load_token(owner: dict[str, str]) -> Token | None:
    """The token that was kept for the same owner; None where there is none that can be used.

    Parameters
    ----------
    owner : the cloud's address, and the user's name if it is known.
    """
    path = token_file()
    try:
        if os.name == "posix" and stat.S_IMODE(path.stat().st_mode) & 0o077:
            log.warning("%s could be read by others: what is in it is not used", display_path(path))
            return None
        content = json.loads(path.read_text(encoding="utf-8"))
        token = token_of(content, str(path))
    except (OSError, ValueError, UserError):
        return None
    return token if all(content.get(key) == value for key, value in owner.items()) else None


def save_token(token: Token, owner: dict[str, str]) -> None:
    """Keep a token for later runs. Where that is not possible they log in again."""
    path = token_file()
    content = {
        "access_token": token.access,
        "refresh_token": token.refresh,
        "expires_at": token.expires_at,
        **owner,
    }
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # mkstemp opens a new file that only the user can read, from its first moment on (mode 0600)
        number, temporary = tempfile.mkstemp(prefix=f".{path.stem}.", dir=path.parent)
        with os.fdopen(number, "w", encoding="utf-8", newline="\n") as file:
            json.dump(content, file)
        Path(temporary).replace(path)
    except OSError as error:
        log.warning(
            "the login is not kept for later runs: cannot write %s: %s", display_path(path), error.strerror or error
        )
    finally:
        if temporary is not None:
            with suppress(OSError):
                Path(temporary).unlink(missing_ok=True)
