"""Serial lines: a port of this computer, by pyserial, or a TCP connection, as emulators and adapters have."""

from __future__ import annotations

import socket
import time
from typing import Protocol

from sezoo.base.errors import UserError

__all__ = ["Line", "TcpLine", "open_line"]

TCP = "tcp:"
CONNECT_SECONDS = 5.0


class Line(Protocol):
    """A bidirectional byte stream."""

    def read(self, seconds: float) -> bytes:
        """Return received bytes as soon as there are any; nothing after the time-out."""

    def write(self, data: bytes) -> None:
        """Send all of it."""

    def close(self) -> None:
        """Close the port."""


def open_line(port: str, baud: int) -> Line:
    """Open `COM3`, `/dev/ttyACM0` or `tcp:HOST:PORT`.

    Parameters
    ----------
    baud : bits a second; a TCP connection has none.

    Raises
    ------
    UserError : pyserial is missing; there is no such port, or it is in use; nobody listens there.
    """
    if not port.strip():
        raise UserError("--port: found nothing; allowed: COM3, /dev/ttyACM0, tcp:HOST:PORT ...")
    return _connect(port) if port.startswith(TCP) else _SerialLine(port, baud)


def _connect(port: str) -> Line:
    host, _, number = port.removeprefix(TCP).rpartition(":")
    if not host or not number.isdecimal() or not 0 < int(number) < 65536:
        raise UserError(f"--port: found {port}; allowed: tcp:HOST:PORT, with a PORT from 1 to 65535")
    try:
        return TcpLine(socket.create_connection((host.strip("[]"), int(number)), CONNECT_SECONDS), port)
    except (OSError, UnicodeError) as error:
        raise UserError(f"--port {port}: cannot connect: {_reason(error)}; does something listen there?") from error


class TcpLine:
    """A line over an open TCP connection.

    Parameters
    ----------
    name : of the port, for messages.
    """

    def __init__(self, connection: socket.socket, name: str):
        self.socket, self.name = connection, name
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def read(self, seconds: float) -> bytes:
        """Read as `Line.read`."""
        self.socket.settimeout(max(seconds, 0.001))
        try:
            data = self.socket.recv(65536)
        except TimeoutError:
            return b""
        except OSError as error:
            raise UserError(f"--port {self.name}: the connection broke: {_reason(error)}") from error
        if not data:
            raise UserError(f"--port {self.name}: the other side has closed the connection")
        return data

    def write(self, data: bytes) -> None:
        """Write as `Line.write`."""
        self.socket.settimeout(CONNECT_SECONDS)
        try:
            self.socket.sendall(data)
        except OSError as error:
            raise UserError(f"--port {self.name}: the connection broke: {_reason(error)}") from error

    def close(self) -> None:
        """Close as `Line.close`."""
        self.socket.close()


class _SerialLine:
    def __init__(self, port: str, baud: int):
        try:
            import serial
            from serial.tools import list_ports
        except ImportError as error:
            raise UserError(
                f"--port {port}: serial ports need pyserial: pip install 'sezoo[board]' (tcp:HOST:PORT does not)"
            ) from error
        self.name = port
        try:
            self.serial = serial.Serial(port, baud, timeout=0, write_timeout=CONNECT_SECONDS, exclusive=True)
        except ValueError as error:
            raise UserError(f"--baud: found {baud}; this port cannot do so: {error}") from error
        except OSError as error:  # SerialException is one
            there = [each.device for each in list_ports.comports()]
            allowed = f"ports of this computer: {', '.join(there) or 'none'}; or tcp:HOST:PORT"
            text = str(error)
            if "busy" in text.lower() or "lock" in text.lower() or "PermissionError(13" in text:
                text = "it is in use by another program (a terminal, an IDE?), or you may not open it"
            raise UserError(f"--port {port}: cannot open it: {text}; {allowed}") from error

    def read(self, seconds: float) -> bytes:
        end = time.monotonic() + seconds
        try:
            while not (data := self.serial.read(65536)) and time.monotonic() < end:
                time.sleep(0.001)
        except OSError as error:
            raise UserError(f"--port {self.name}: it is gone (unplugged?): {error}") from error
        return data

    def write(self, data: bytes) -> None:
        try:
            self.serial.write(data)
        except OSError as error:
            raise UserError(f"--port {self.name}: cannot send: {error}") from error

    def close(self) -> None:
        self.serial.close()


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
