"""Connections with a total time limit, even if the other side keeps sending a byte every few seconds."""

from __future__ import annotations

import http.client
import http.cookiejar
import socket
import threading
import urllib.request
from contextlib import suppress

__all__ = ["Deadline", "opener"]


class Deadline:
    """A moment at which the connections that were made meanwhile are shut down; a context.

    A time-out of a socket is for one answer of the operating system only: name, handshake, headers and body of a
    response are many of them.

    Parameters
    ----------
    seconds : from the beginning of the context on.

    Attributes
    ----------
    is_over : the moment has come.
    """

    def __init__(self, seconds: float):
        self.is_over = False
        self.timer = threading.Timer(seconds, self._end)
        self.timer.daemon = True
        self.lock = threading.Lock()
        self.sockets: list[socket.socket] = []

    def __enter__(self) -> Deadline:
        self.timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.timer.cancel()
        with self.lock:
            for each in self.sockets:
                each.close()
            self.sockets.clear()

    def connect(self, *address: object, **how: object) -> socket.socket:
        """Open a connection as `socket.create_connection`.

        Raises
        ------
        TimeoutError : the moment has come.
        """
        made = socket.create_connection(*address, **how)
        with self.lock:
            if not self.is_over:
                self.sockets.append(made.dup())  # encryption will take `made` over
                return made
        made.close()
        raise TimeoutError

    def _end(self) -> None:
        with self.lock:
            self.is_over = True
            for each in self.sockets:
                with suppress(OSError):  # it has ended by itself
                    each.shutdown(socket.SHUT_RDWR)


def opener(
    deadline: Deadline, proxies: dict[str, str] | None, cookies: http.cookiejar.CookieJar
) -> urllib.request.OpenerDirector:
    """An opener of http and https addresses only, no files; redirects are not followed: they are answers.

    Parameters
    ----------
    proxies : by scheme; None for those of the environment.
    """

    def connect_in_time(
        connection: type[http.client.HTTPConnection], host: str, **how: object
    ) -> http.client.HTTPConnection:
        made = connection(host, **how)
        made._create_connection = deadline.connect  # what it opens its socket with; there is no public way
        return made

    class Http(urllib.request.HTTPHandler):
        def http_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
            return self.do_open(lambda host, **how: connect_in_time(http.client.HTTPConnection, host, **how), request)

    class Https(urllib.request.HTTPSHandler):
        def https_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
            return self.do_open(lambda host, **how: connect_in_time(http.client.HTTPSConnection, host, **how), request)

    director = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(proxies),
        urllib.request.ProxyBasicAuthHandler(),
        Http(),
        Https(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.HTTPCookieProcessor(cookies),
    ):
        director.add_handler(handler)
    return director
