"""Addresses of the services of ST's Developer Cloud."""

from __future__ import annotations

import os
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from sezoo.base.errors import UserError
from sezoo.targets.stedgeai.urls import origin

__all__ = ["Addresses", "addresses"]

CLOUD = "https://stm32ai-cs.st.com"
SSO = "https://sso.st.com"

ST_LOGIN_PAGES = {"https://my.st.com"}
"""Where the way from `SSO` may lead: ST's users have their accounts there."""


@dataclass(frozen=True)
class Addresses:
    """Addresses of the services, without a trailing slash.

    Attributes
    ----------
    stm32ai : None where nobody moved it; then it depends on the version of the tool.
    """

    versions: str
    sso: str
    user: str
    file: str
    benchmark: str
    stm32ai: str | None

    @property
    def callback(self) -> str:
        """Address to which the login page redirects after a login, at the user service."""
        parts = urlsplit(self.user)
        return f"{parts.scheme}://{parts.netloc}/callback"

    @property
    def origins(self) -> frozenset[str]:
        """Scheme and host of the addresses that a name, a password or a token may be sent to: these and no others.

        They are the services', and for ST's own login page also the other host on which ST shows it.
        """
        known = {self.sso, self.user, self.file, self.benchmark, self.stm32ai or CLOUD}
        if self.sso == SSO:
            known |= ST_LOGIN_PAGES
        return frozenset(found for url in known if (found := origin(url)) is not None)

    def stm32ai_of(self, version: str) -> str:
        """The service that runs a version of the tool."""
        return self.stm32ai or f"{CLOUD}/api/{quote(version, safe='')}/stm32ai"


def addresses() -> Addresses:
    """ST's own, or those that the environment names, one variable a service.

    Raises
    ------
    UserError : a variable holds no address.
    """
    return Addresses(
        versions=_address("VERSIONS_URL") or f"{CLOUD}/assets/versions.json",
        sso=_address("SSO_URL") or SSO,
        user=_address("USER_SERVICE_URL") or f"{CLOUD}/api/user_service",
        file=_address("FILE_SERVICE_URL") or f"{CLOUD}/api/file",
        benchmark=_address("BENCHMARK_SERVICE_URL") or f"{CLOUD}/api/benchmark",
        stm32ai=_address("STM32AI_SERVICE_URL"),
    )


def _address(variable: str) -> str | None:
    text = os.environ.get(variable, "").strip()
    if not text:
        return None
    try:
        parts = urlsplit(text)
        right = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        right = False
    if not right or parts.query or parts.fragment or parts.username:
        raise UserError(f"{variable} should be an address like https://host/path, which it is not")
    return text.rstrip("/")
