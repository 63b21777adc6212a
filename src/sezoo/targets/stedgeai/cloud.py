"""ST's Developer Cloud: models are put there, compiled with a version of ST Edge AI, and run on ST's boards."""

from __future__ import annotations

import json
import logging
import re
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote, urlencode

from sezoo.base.errors import UserError
from sezoo.base.files import display_path, reason_of
from sezoo.targets.stedgeai.addresses import addresses
from sezoo.targets.stedgeai.local import is_n6, target_of
from sezoo.targets.stedgeai.login import FORM, JSON, Login
from sezoo.targets.stedgeai.reports import holds_report
from sezoo.targets.stedgeai.urls import public_url
from sezoo.targets.stedgeai.web import REQUEST_SECONDS, Answer, RefusedError, Web, is_transient

__all__ = ["Cloud", "Patience", "tool_arguments"]

log = logging.getLogger(__name__)

WHAT = "ST's developer cloud"
VERSION = re.compile(r"\d[\w.+-]{0,40}", re.ASCII)
"""It becomes part of an address and of reports."""

DONE = ("done",)
FAILED = ("error", "failed", "aborted", "cancelled", "canceled", "timeout")
POSITIONS = ("position", "queue_position", "queuePosition")
"""Keys under which an answer may have the position in the queue."""


@dataclass(frozen=True)
class Patience:
    """Time limits of the cloud, in seconds.

    Attributes
    ----------
    request : without a word of the server in one request.
    upload : the same for the model.
    run, benchmark : from the start to the end.
    run_pause, benchmark_pause : between two questions whether it is done.
    log_again : after which an unchanged state is logged again.
    tries_again : pauses before a question that had no answer is put again.
    sleep, clock : of the computer; tests put others in.
    """

    request: float = REQUEST_SECONDS
    upload: float = 300
    run: float = 300
    benchmark: float = 2500
    run_pause: float = 2
    benchmark_pause: float = 5
    log_again: float = 60
    tries_again: tuple[float, ...] = (2, 5, 10, 20)
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic


def tool_arguments(board: str, optimization: str) -> dict[str, object]:
    """Return the arguments with which the cloud calls the tool, without the model."""
    arguments: dict[str, object] = {
        "target": target_of(board),
        "optimization": optimization,
        "allocateInputs": True,
        "allocateOutputs": True,
    }
    if is_n6(board):
        arguments |= {"stNeuralArt": "default", "atonnOptions": {"enable_epoch_controller": True}}
    return arguments


class Cloud:
    """A user's session with the cloud.

    Raises
    ------
    UserError : of every method: one message with the request, its address, and its outcome.
    """

    def __init__(self, patience: Patience | None = None):
        self.patience = patience or Patience()
        self.where = addresses()
        self.web = Web(self.where.origins, self.patience.request)
        self.login = Login(self.where, self.web)

    def version(self, wanted: str | None) -> str:
        """The wanted version of the tool if it is offered, else, with a warning, the newest one; None for that."""
        answer = self.web.send("GET", self.where.versions, secret=False)
        content = self.web.json_of(answer, f"{WHAT}, versions")
        offered = [entry for entry in _list(content) if VERSION.fullmatch(str(entry.get("version")))]
        names = list(dict.fromkeys(str(entry["version"]) for entry in offered))
        if not names:
            raise self._error("versions", f"{answer.url} names none")
        if wanted in names:
            return wanted
        newest = next((str(entry["version"]) for entry in offered if entry.get("isLatest") is True), names[-1])
        if wanted is not None:
            log.warning(
                "tools.stedgeai.version: found %s, which ST's developer cloud does not offer (but %s): %s is used",
                wanted,
                self.web.phrase(", ".join(names)),
                newest,
            )
        return newest

    @contextmanager
    def upload(self, model: Path) -> Iterator[str]:
        """Put a model there, under a name that no other has, for as long as the context lasts."""
        # the user's own models there may have the same name
        name = f"{re.sub(r'[^A-Za-z0-9_-]', '_', model.stem)[:60]}_{secrets.token_hex(6)}.onnx"
        try:
            content = model.read_bytes()
        except OSError as error:
            raise UserError(f"cannot read {display_path(model)}: {reason_of(error)}") from error
        url = f"{self.where.file}/files/models"
        log.info("%s (%.2f MiB) is sent to %s", display_path(model), len(content) / 1024**2, public_url(url))
        kind, body = _multipart(name, content)
        self.login.bearer()  # where that fails, nothing is there to be removed
        there = True
        try:
            try:
                self._ask(
                    "POST", url, "upload of the model", body=body, content_type=kind, timeout=self.patience.upload
                )
            except RefusedError:
                there = False
                raise
            if name not in self.models():
                log.warning("%s does not list the model that was sent to it", WHAT)
            yield name
        finally:
            if there:
                self.delete(name)

    def models(self) -> list[str]:
        """Names of the models that the user has there."""
        content = self._ask("GET", f"{self.where.file}/files/models", "list of models")
        names = content if isinstance(content, list) else []
        return [name for n in names if isinstance(name := n.get("name") if isinstance(n, dict) else n, str)]

    def delete(self, name: str) -> None:
        """Remove a model; a failure is logged, and stops nothing."""
        url = f"{self.where.file}/files/models/{quote(name)}"
        try:
            answer = self._send("DELETE", url)
            if not 200 <= answer.status < 300 and answer.status != 404:
                raise self.web.refusal(answer, f"{WHAT}, removal of the model")
        except UserError as error:
            log.warning("the model %s stays in ST's developer cloud: %s", name, error)

    def run(
        self, action: Literal["analyze", "generate", "validate"], arguments: dict[str, object], version: str
    ) -> dict[str, object]:
        """Let the cloud call the tool, and wait for the end.

        Parameters
        ----------
        arguments : of the tool; `model` is the name that it was uploaded under.
        """
        service = self.where.stm32ai_of(version)
        body = urlencode({"args": json.dumps(arguments)}).encode()
        content = self._ask("POST", f"{service}/{action}", action, body=body, content_type=FORM)
        number = self._number(content, "runtimeId", action)
        patience = self.patience
        return self._wait(f"{service}/run/{number}", action, patience.run, patience.run_pause)

    def boards(self) -> dict[str, object]:
        """Return the available boards by name, with their number and properties."""
        content = self._ask("GET", f"{self.where.benchmark}/boards", "list of boards")
        if not isinstance(content, dict) or not content:
            raise self._error("list of boards", "the answer names none")
        return content

    def benchmark(self, board: str, arguments: dict[str, object], version: str) -> dict[str, object]:
        """Run a model on a board of ST's, and wait for the end.

        Parameters
        ----------
        arguments : as in `run`.
        """
        boards = {name.lower(): entry for name, entry in self.boards().items()}
        if board.lower() not in boards:
            raise self._error(
                "benchmark", f"it has no {board}, but {self.web.phrase(', '.join(sorted(boards)).upper())}"
            )
        entry = boards[board.lower()]
        if isinstance(entry, dict) and entry.get("boardCount") == 0:
            raise self._error("benchmark", f"none of its {board} can be used at present")
        service = f"{self.where.benchmark}/benchmark"
        body = json.dumps({**arguments, "version": version}).encode()
        content = self._ask("POST", f"{service}/{quote(board.lower())}", "benchmark", body=body, content_type=JSON)
        number = self._number(content, "benchmarkId", "benchmark")
        patience = self.patience
        return self._wait(f"{service}/{number}", "benchmark", patience.benchmark, patience.benchmark_pause)

    def _wait(self, url: str, what: str, limit: float, pause: float) -> dict[str, object]:
        """Poll until it is done; changes of its state are logged."""
        clock, sleep = self.patience.clock, self.patience.sleep
        started = logged_at = clock()
        logged, failures = "no state", 0
        while True:
            try:
                content = self._ask("GET", url, what)
                failures = 0
            except UserError as error:
                if not is_transient(error) or failures == len(self.patience.tries_again):
                    raise
                content = None
                log.warning("%s; asking again", error)
            if content is not None:
                if not isinstance(content, dict):
                    raise self._error(what, f"{public_url(url)} answered with something else than a state")
                state, shown_state = _state(content)
                if state in DONE or (not state and holds_report(content)):
                    return content
                if state in FAILED:
                    said = self.web.words_of(content) or "no reason given"
                    raise self._error(what, f"it ended with the state '{self.web.phrase(state)}': {said}")
                if shown_state != logged or clock() - logged_at >= self.patience.log_again:
                    logged, logged_at = shown_state, clock()
                    log.info("%s, %s: %s (%.0f s)", WHAT, what, self.web.phrase(logged), logged_at - started)
            left = started + limit - clock()
            if left <= 0:
                raise self._error(what, f"not done within {limit:g} s, at last: {self.web.phrase(logged)}")
            if content is None:
                sleep(min(self.patience.tries_again[failures], left))
                failures += 1
            else:
                sleep(min(pause, left))

    def _ask(self, method: str, url: str, what: str, **request: Any) -> object:
        """The JSON that a request is answered with; None where an answer is empty, as it may be to an upload."""
        answer = self._send(method, url, **request)
        if method == "POST" and 200 <= answer.status < 300 and not answer.body:
            return None
        return self.web.json_of(answer, f"{WHAT}, {what}")

    def _send(self, method: str, url: str, **request: Any) -> Answer:
        """Send with a token. One that is not accepted is renewed, and after that, replaced by a new login."""
        answer = self.web.send(method, url, bearer=self.login.bearer(), **request)
        for renew in (self.login.refresh, self.login.begin):
            if answer.status == 401:
                renew()
                answer = self.web.send(method, url, bearer=self.login.bearer(), **request)
        return answer

    def _error(self, what: str, problem: str) -> UserError:
        return UserError(self.web.clean(f"{WHAT}, {what}: {problem}"))

    def _number(self, content: object, key: str, what: str) -> str:
        """The number of what was started, as a part of an address."""
        number = content.get(key) if isinstance(content, dict) else None
        if not isinstance(number, str | int) or isinstance(number, bool) or not str(number):
            raise self._error(what, f"the answer has no {key}")
        return quote(str(number), safe="")


def _list(content: object) -> list[dict[str, object]]:
    return [entry for entry in content if isinstance(entry, dict)] if isinstance(content, list) else []


def _state(content: dict[str, object]) -> tuple[str, str]:
    """The state in small letters, and for the log with the position in the queue."""
    state = content.get("state", content.get("status"))
    state = state.lower() if isinstance(state, str) else ""
    position = next((content[key] for key in POSITIONS if isinstance(content.get(key), int)), None)
    phrase = state.replace("_", " ") or "no state"
    return state, f"{phrase}, position {position}" if position is not None else phrase


def _multipart(name: str, content: bytes) -> tuple[str, bytes]:
    """Content type and body of a form with one file."""
    boundary = f"----{secrets.token_hex(16)}"
    head = (
        f"--{boundary}\r\n"
        f'Content-Disposition: form-data; name="file"; filename="{name}"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    )
    return f"multipart/form-data; boundary={boundary}", head.encode() + content + f"\r\n--{boundary}--\r\n".encode()
