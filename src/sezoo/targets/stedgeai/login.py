"""Logging in to ST's Developer Cloud: through the page that people log in at, once; then with the token of it."""

from __future__ import annotations

import getpass
import json
import logging
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import parse_qs, urlencode, urljoin, urlsplit

from sezoo.base.errors import UserError
from sezoo.targets.stedgeai.addresses import Addresses
from sezoo.targets.stedgeai.tokens import Token, load_token, save_token, token_of
from sezoo.targets.stedgeai.urls import public_url
from sezoo.targets.stedgeai.web import Answer, Web, is_transient

__all__ = ["NO_ACCOUNT", "PASSWORD", "USERNAME", "Login", "can_log_in", "login_form"]

log = logging.getLogger(__name__)

USERNAME, PASSWORD = "stmai_username", "stmai_password"
"""Variables of the environment."""

NO_ACCOUNT = (
    f"ST's developer cloud needs an account (free, at my.st.com): set {USERNAME} and {PASSWORD} in the environment, or "
    "set tools.stedgeai.on_cloud=False to use the stedgeai program of this computer"
)
CLIENT = "oidc_prod_client_app_stm32ai"
MOST_REDIRECTS = 20
LARGEST_PAGE = 2**20
"""Characters of a page in which a form is looked for."""
WHAT = "login at ST's developer cloud"
FORM, JSON = "application/x-www-form-urlencoded", "application/json"


class Login:
    """The way to a token that is valid, by the shortest path: the kept one, a refreshed one, a new login.

    Parameters
    ----------
    now : clock, in seconds since 1970.
    """

    def __init__(self, where: Addresses, web: Web, now: Callable[[], float] = time.time):
        self.where, self.web, self.now = where, web, now
        self.token: Token | None = None
        if password := os.environ.get(PASSWORD):
            web.secrets.add(password)

    def bearer(self) -> str:
        """The token to show."""
        if self.token is None and (token := load_token(self._owner)) is not None:
            self._take(token)
        if self.token is None:
            self.begin()
        elif self.token.is_over(self.now()):
            log.debug("the login at ST's developer cloud has expired and is renewed")
            self.refresh()
        return self.token.access

    def refresh(self) -> None:
        """Get a new token with the refresh token; if it is rejected, log in again.

        Raises
        ------
        UserError : as `begin`, or the cloud is out of order.
        """
        if self.token is not None and self.token.refresh is not None:
            try:
                self._ask_token("login/refresh", {"refresh_token": self.token.refresh})
                return
            except UserError as error:
                if is_transient(error):
                    raise
                log.debug("the login cannot be renewed: %s", error)
        self.begin()

    def begin(self) -> None:
        """Log in with the user's name and password.

        Raises
        ------
        UserError : they are not known, or not right; or the cloud does not behave as it should.
        """
        self.token = None
        name, password = credentials()
        self.web.secrets.add(password)
        log.info("logging in at %s", public_url(self.where.sso))
        # A session of its own: cookies of an earlier one would lead past the form.
        session = Web(self.web.origins, self.web.timeout, self.web.secrets)
        code = _Browser(session, self.where).code(name, password)
        self.web.secrets.add(code)
        self._ask_token("login/callback", {"redirect_url": self.where.callback, "code": code})

    def _ask_token(self, route: str, question: dict[str, str]) -> None:
        url = f"{self.where.user}/{route}"
        answer = self.web.send("POST", url, body=json.dumps(question).encode(), content_type=JSON)
        content = self.web.json_of(answer, WHAT)
        token = token_of(content, f"{WHAT}: the answer of {answer.url}")
        if token.refresh is None and self.token is not None:
            token = Token(token.access, self.token.refresh, token.expires_at)
        self._take(token)
        save_token(token, self._owner)

    def _take(self, token: Token) -> None:
        self.web.secrets.update(text for text in (token.access, token.refresh) if text)
        self.token = token

    @property
    def _owner(self) -> dict[str, str]:
        name = os.environ.get(USERNAME)
        return {"cloud": self.where.user, **({"user": name} if name else {})}


def can_log_in() -> bool:
    """Return whether name and password are in the environment, or can be asked interactively."""
    known = os.environ.get(USERNAME) and os.environ.get(PASSWORD)
    return bool(known) or (sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty())


def credentials() -> tuple[str, str]:
    """Return the user's name and password from the environment, or else from an interactive prompt.

    Raises
    ------
    UserError : nobody is there to ask.
    """
    name, password = os.environ.get(USERNAME), os.environ.get(PASSWORD)
    if name and password:
        return name, password
    if not can_log_in():
        raise UserError(NO_ACCOUNT)
    from sezoo.base.progress import rest

    rest()
    try:
        if not name:
            from sezoo.base.terminal import console

            name = console().input("User name (e-mail address) at ST: ").strip()
        password = password or getpass.getpass(f"Password of {name} at ST: ")
    except EOFError:
        raise UserError(NO_ACCOUNT) from None
    if not name or not password:
        raise UserError(NO_ACCOUNT)
    return name, password


@dataclass
class Form:
    """A form of a page: its address and its fields; `password` is the name of the password field."""

    action: str
    fields: dict[str, str] = field(default_factory=dict)
    password: str | None = None


class _Forms(HTMLParser):
    """Collects the forms of a page."""

    def __init__(self):
        super().__init__()
        self.forms: list[Form] = []
        self.inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a form, or a field of one."""
        values = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append(Form(values.get("action", "")))
            self.inside = True
        elif tag == "input" and self.inside and (name := values.get("name")):
            form, kind = self.forms[-1], values.get("type", "text").lower()
            if kind == "password":
                form.password = name
            elif kind in ("hidden", "text", "email"):
                form.fields[name] = values.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        """Note that a form has ended."""
        if tag == "form":
            self.inside = False


def login_form(page: str) -> Form | None:
    """The first form of a page that asks for a password; None where none does."""
    parser = _Forms()
    try:
        parser.feed(page[:LARGEST_PAGE])  # not closed: to look for the end of each thing that has none takes for ever
    except AssertionError:  # of the parser, about what is no HTML
        log.debug("the login page is no HTML that can be read")
    return next((form for form in parser.forms if form.password is not None), None)


class _Browser:
    """A minimal browser for the login, from the first page to the final code."""

    def __init__(self, web: Web, where: Addresses):
        self.web, self.where = web, where

    def code(self, name: str, password: str) -> str:
        question = {
            "response_type": "code",
            "client_id": CLIENT,
            "scope": "openid",
            "redirect_uri": self.where.callback,
        }
        url, answer = self._follow(f"{self.where.sso}/as/authorization.oauth2?{urlencode(question)}")
        if answer is None:
            return self._code_in(url)
        form = login_form(answer.text)
        if form is None:
            raise UserError(f"{WHAT}: {answer.url} shows no form to log in with: see with a browser what it shows")
        filled = {**form.fields, "username": name, form.password: password, "_eventId": "Login"}
        self.web.secrets.update(value for key, value in form.fields.items() if key == "lt" and value)
        url, answer = self._follow(join_url(url, form.action), urlencode(filled).encode())
        if answer is None:
            return self._code_in(url)
        if answer.status == 401 or login_form(answer.text) is not None:
            raise UserError(f"{WHAT}: {answer.url} does not accept the name and the password ({USERNAME}, {PASSWORD})")
        raise UserError(
            f"{WHAT}: {answer.url} shows another page than expected: log in once with a browser, there may be "
            "something to agree to"
        )

    def _code_in(self, url: str) -> str:
        fields = parse_qs(urlsplit(url).query)
        if codes := fields.get("code"):
            return codes[0]
        said = " ".join(fields.get("error_description") or fields.get("error") or ["it gives no code"])
        raise UserError(f"{WHAT}: it ended without success: {self.web.phrase(said)[:200]}")

    def _follow(self, url: str, body: bytes | None = None) -> tuple[str, Answer | None]:
        """Go on until a page is shown, or until the way leads back to us: then there is no answer."""
        for _ in range(MOST_REDIRECTS):
            if url.split("?")[0] == self.where.callback:
                return url, None
            method, kind = ("GET", None) if body is None else ("POST", FORM)
            answer = self.web.send(method, url, body=body, content_type=kind)
            body = None
            if answer.status not in (301, 302, 303, 307, 308):
                if answer.status == 401 or 200 <= answer.status < 300:
                    return url, answer
                raise self.web.refusal(answer, WHAT)
            url = join_url(url, answer.headers.get("Location") or "")
        raise UserError(f"{WHAT}: {public_url(url)} redirects in a circle")


def join_url(url: str, reference: str) -> str:
    """The address that a page means by a reference.

    Raises
    ------
    UserError : it is no address.
    """
    try:
        return urljoin(url, reference.strip())
    except ValueError:
        raise UserError(f"{WHAT}: {public_url(url)} redirects to an invalid address") from None
