"""HTTP as ST's Developer Cloud needs it: proxies, time-outs, secrets that stay secret, and one message a fault."""

from __future__ import annotations

import http.client
import http.cookiejar
import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Collection
from dataclasses import dataclass, field
from email.message import Message
from html import escape
from urllib.parse import quote, quote_plus

from sezoo.base.errors import UserError
from sezoo.base.foreign_text import to_printable
from sezoo.base.version import __version__
from sezoo.targets.stedgeai.connection import Deadline, opener
from sezoo.targets.stedgeai.urls import AddressError, is_loopback, is_safe, origin, public_url

__all__ = ["Answer", "RefusedError", "UnreachableError", "Web", "is_transient"]

REQUEST_SECONDS = 30.0
"""Without a word of the server, after which a request is given up."""


TIMES_LONGER = 2
"""May a request take altogether, of a server that does send something."""


LARGEST_ANSWER = 16 * 1024 * 1024
"""Bytes; the reports have a few 100 KB."""


SHORTEST_SECRET = 4
"""Characters. Shorter ones are in every other word, and hiding them would make nonsense of a message."""


DEEPEST = 100
"""Objects in objects that are kept of an answer."""


LONGEST_WORDS = 500
"""Characters of a server's message that are passed on."""


ADVICE = {
    401: "it does not accept the login",
    403: "the account may not do that: log in once at the website and accept its terms",
    404: "not found: check the addresses of the cloud in the environment",
}


class UnreachableError(UserError):
    """No answer: no network, no such host, silence."""


class RefusedError(UserError):
    """An answer with a status that is not success."""

    def __init__(self, message: str, status: int):
        super().__init__(message)
        self.status = status


def is_transient(error: UserError) -> bool:
    """Whether the same request may succeed later: there was no answer, or a server error."""
    if isinstance(error, RefusedError):
        return error.status == 429 or error.status >= 500
    return isinstance(error, UnreachableError)


@dataclass(frozen=True)
class Answer:
    """Answer of a server; `url` has no query, which may hold secrets."""

    status: int
    url: str
    headers: Message
    body: bytes = field(repr=False)

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode("utf-8", errors="replace")


class Web:
    """Requests, each with a time limit, and the cookies and secrets between them.

    Parameters
    ----------
    origins : of addresses (see `origin`) that a secret may be sent to; https, or http on this computer.
    timeout : seconds without a word of the server.
    secrets : passwords and tokens; whoever gets to know one puts it in, and no message shows it.
    """

    def __init__(self, origins: Collection[str], timeout: float = REQUEST_SECONDS, secrets: set[str] | None = None):
        self.origins = frozenset(origins)
        self.timeout = timeout
        self.secrets = set() if secrets is None else secrets
        self.cookies = http.cookiejar.CookieJar()

    def send(
        self,
        method: str,
        url: str,
        *,
        body: bytes | None = None,
        content_type: str | None = None,
        bearer: str | None = None,
        secret: bool = True,
        timeout: float | None = None,
    ) -> Answer:
        """Send a request. Redirects are not followed: they are answers.

        Parameters
        ----------
        bearer : token to show.
        secret : something in it is; then the address has to be one of `origins`, and the way there has to be
            encrypted, or not to leave this computer.
        timeout : seconds without a word of the server, where they are others than usual.

        Raises
        ------
        AddressError : a secret would go where none may go; it is no address of the web.
        UnreachableError : there is no answer, or not in time.
        """
        self._check_address(url, secret or bearer is not None)
        headers = {"User-Agent": f"sezoo/{__version__}", "Accept": "application/json, text/html;q=0.9, */*;q=0.8"}
        if content_type is not None:
            headers["Content-Type"] = content_type
        if bearer is not None:
            headers["Authorization"] = f"Bearer {bearer}"
        timeout = timeout or self.timeout
        # Proxies are those of the environment, but what is for this computer does not leave it.
        proxies = {} if is_loopback(url) else None
        with Deadline(TIMES_LONGER * timeout) as deadline:
            try:
                request = urllib.request.Request(url, data=body, headers=headers, method=method)
                try:
                    response = opener(deadline, proxies, self.cookies).open(request, timeout=timeout)
                except urllib.error.HTTPError as error:  # which is the response
                    response = error
                with response:
                    answer = Answer(
                        response.status, public_url(url), response.headers, _read(response, public_url(url))
                    )
                if deadline.is_over:  # an end of what it sent, made by us
                    raise TimeoutError
                return answer
            except (OSError, http.client.HTTPException, ValueError) as error:
                why = _why(TimeoutError() if deadline.is_over else error, timeout)
                raise UnreachableError(self.clean(f"{public_url(url)} {why}")) from None

    def _check_address(self, url: str, secret: bool) -> None:
        found, where = origin(url), self.phrase(public_url(url))
        if secret and not is_safe(url):
            raise AddressError(f"{where}: a login is not sent unencrypted: the address has to begin with https://")
        if found is None:
            raise AddressError(f"{where} is not a web address; nothing was sent")
        if secret and found not in self.origins:
            raise AddressError(f"{where}: a login is sent to {', '.join(sorted(self.origins))} only; nothing was sent")

    def json_of(self, answer: Answer, what: str) -> object:
        """The JSON in an answer.

        Parameters
        ----------
        what : was asked for, to begin the message with.

        Raises
        ------
        RefusedError : the status is not success; what the server said of it.
        UserError : the answer is not JSON.
        """
        if not 200 <= answer.status < 300:
            raise self.refusal(answer, what)
        try:
            return json.loads(answer.body)
        except (ValueError, RecursionError):
            kind = answer.headers.get_content_type()
            found = f"{len(answer.body)} bytes of {self.phrase(kind)}, which begin {self.clean(answer.text)[:40]!r}"
            raise UserError(
                f"{what}: {answer.url} did not answer with JSON: {found if answer.body else 'nothing'}"
            ) from None

    def refusal(self, answer: Answer, what: str) -> RefusedError:
        """The error that an answer is which is no success."""
        status = answer.status
        advice = ADVICE.get(status) or ("the server failed; try again later" if status >= 500 else "")
        if 300 <= status < 400:
            advice = f"it has moved to {self.phrase(public_url(answer.headers.get('Location') or '?'))}"
        phrase = http.client.responses.get(status, "")
        parts = [
            f"{what}: {answer.url} answered {status} {phrase}".rstrip(),
            self.words_of(json_in_error(answer)),
            advice,
        ]
        return RefusedError(": ".join(part for part in parts if part), status)

    def words_of(self, content: object) -> str:
        """The words for people in a JSON object of the server; empty where there are none."""
        return self.phrase(_words(content))

    def phrase(self, text: str) -> str:
        """Return a server's text for a message: one short, printable line without secrets."""
        return to_printable(" ".join(self.clean(text).split())[:LONGEST_WORDS])

    def clean(self, text: str) -> str:
        """The text with every secret hidden, however it is written."""
        for secret in sorted(self.secrets, key=len, reverse=True):
            if len(secret) >= SHORTEST_SECRET:
                written = {secret, quote(secret, safe=""), quote_plus(secret), json.dumps(secret)[1:-1], escape(secret)}
                for form in written:
                    text = text.replace(form, "***")
        return text

    def clean_document(self, document: object, depth: int = DEEPEST) -> object:
        """A JSON document with every secret hidden."""
        if isinstance(document, dict | list) and not depth:
            return None
        if isinstance(document, dict):
            return {self.clean(key): self.clean_document(value, depth - 1) for key, value in document.items()}
        if isinstance(document, list):
            return [self.clean_document(value, depth - 1) for value in document]
        return self.clean(document) if isinstance(document, str) else document


def _why(error: Exception, timeout: float) -> str:
    reason = getattr(error, "reason", None) or error
    if isinstance(reason, TimeoutError):
        return f"does not answer within {timeout:g} s"
    if isinstance(reason, ssl.SSLCertVerificationError):
        return (
            f"has a certificate that is not trusted ({reason.verify_message}): where a proxy looks into "
            "encrypted connections, let SSL_CERT_FILE name its certificate"
        )
    said = reason.strerror if isinstance(reason, OSError) and reason.strerror else str(reason)
    said = said or type(reason).__name__
    return f"cannot be reached: {said}; check the network and HTTPS_PROXY"


def _read(response: http.client.HTTPResponse, url: str) -> bytes:
    parts, size = [], 0
    while part := response.read1(65536):
        parts.append(part)
        size += len(part)
        if size > LARGEST_ANSWER:
            raise UserError(f"{url} answers with more than {LARGEST_ANSWER // 1024**2} MiB")
    return b"".join(parts)


def json_in_error(answer: Answer) -> object:
    """The JSON of an answer that is no success; None where there is none."""
    try:
        return json.loads(answer.body)
    except (ValueError, RecursionError):
        return None


def _words(content: object, depth: int = 4) -> str:
    if not isinstance(content, dict) or not depth:
        return ""
    found = next((content[key] for key in ("message", "error", "detail", "errors", "result") if content.get(key)), "")
    if isinstance(found, str):
        return found
    return _words(found, depth - 1) or (json.dumps(found, ensure_ascii=False) if found != content.get("result") else "")
