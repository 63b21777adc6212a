"""process() calls on a board over a serial line, with retransmission of lost packets."""

from __future__ import annotations

import secrets
import struct
import time
from dataclasses import dataclass, field

import numpy as np

from sezoo.base.errors import UserError
from sezoo.deployment.board_test.packets import Decoder, Packet
from sezoo.targets.serial_line import Line

__all__ = ["Answer", "Firmware", "Link"]

PROTOCOL = 1
TRIES = 5
DAMAGED, NOT_BEGUN, OUT_OF_ORDER, UNKNOWN = 1, 2, 3, 4
NUMBERS = struct.Struct("<7I")


@dataclass(frozen=True)
class Firmware:
    """Properties of the firmware on a board.

    Attributes
    ----------
    model_hash : SHA-256 of the ONNX file.
    arena_bytes, state_bytes : memory of the denoiser.
    ticks_per_second : frequency of its clock; 0 if unknown.
    kernels, ticks_are : kernel variant and unit of the ticks: "DSP extension", "cycles" ...
    """

    sample_rate: int
    samples_per_call: int
    frames_per_call: int
    bins: int
    arena_bytes: int
    state_bytes: int
    ticks_per_second: int
    model_hash: str
    version: str
    kernels: str
    ticks_are: str


@dataclass(frozen=True, eq=False)
class Answer:
    """Result of a process() call.

    Attributes
    ----------
    ticks, stack : time in ticks, and stack in bytes.
    samples : (samples,) int16
    masks : (frames, bins) float32; no frames if not requested.
    """

    ticks: int
    stack: int
    samples: np.ndarray
    masks: np.ndarray


@dataclass
class Link:
    """Connection to a board.

    Attributes
    ----------
    port : name of the port, for messages.
    seconds : time-out for an answer.
    repeated : number of packets that were sent again because they or their answers were lost or damaged.
    """

    line: Line
    port: str
    seconds: float
    repeated: int = 0
    decoder: Decoder = field(default_factory=Decoder)

    def firmware(self) -> Firmware:
        """Query the properties of the firmware.

        Raises
        ------
        UserError : nothing answers, or the firmware is not `board_test.c`.
        """
        answer = self._ask(Packet(b"H"), b"h", None)
        if answer.number != PROTOCOL or len(answer.data) < NUMBERS.size:
            raise UserError(
                f"{self.port}: the firmware speaks version {answer.number} of the protocol, this sezoo {PROTOCOL}: "
                "build examples/board_test.c of a package that this version has written"
            )
        texts = answer.data[NUMBERS.size :].decode("ascii", "replace").split("\0")
        return Firmware(*NUMBERS.unpack_from(answer.data), *(texts + [""] * 4)[:4])

    def begin(self) -> None:
        """Reset the denoiser to silence, and the call counter to 0."""
        session = secrets.randbits(32)
        self._ask(Packet(b"B", session), b"b", session)

    def call(self, number: int, samples: np.ndarray, with_masks: bool, firmware: Firmware) -> Answer:
        """Denoise the samples of a call.

        Raises
        ------
        UserError : the board was reset or is at another call, or it does not answer after several tries.
        """
        data = bytes([with_masks]) + samples.astype("<i2").tobytes()
        answer = self._ask(Packet(b"F", number, data), b"f", number).data
        frames = firmware.frames_per_call if with_masks else 0
        count, bins = firmware.samples_per_call, firmware.bins
        if len(answer) != 8 + 2 * count + 4 * frames * bins:
            raise UserError(
                f"{self.port}: call {number} was answered with {len(answer)} bytes; is it the same firmware?"
            )
        ticks, stack = struct.unpack_from("<2I", answer)
        masks = np.frombuffer(answer, "<f4", frames * bins, 8 + 2 * count).reshape(frames, bins)
        return Answer(ticks, stack, np.frombuffer(answer, "<i2", count, 8), masks)

    def _ask(self, packet: Packet, wanted: bytes, number: int | None) -> Packet:
        """Send a packet, repeatedly if needed, and return its answer.

        Parameters
        ----------
        wanted, number : kind and number of the answer; None for any number.
        """
        before = self.decoder.received
        for attempt in range(TRIES):
            self.repeated += attempt > 0
            self.line.write(packet.encode())
            answer = self._wait_for(wanted, number)
            if answer is not None:
                return answer
        what = "the first packet" if packet.kind == b"H" else f"call {packet.number}" if number is not None else "it"
        if (count := self.decoder.received - before) == 0:
            raise UserError(
                f"{self.port}: nothing answers {what} within {TRIES} x {self.seconds:g} s: is the firmware of "
                "examples/board_test.c running, on this port, and are board_read and board_write filled in?"
            )
        raise UserError(
            f"{self.port}: {count} bytes arrived, and none of them is a whole answer to {what}: another speed "
            "(--baud), another firmware, or a line that loses bytes"
        )

    def _wait_for(self, wanted: bytes, number: int | None) -> Packet | None:
        """Return the answer, or None after a time-out or a damaged packet."""
        end, damaged = time.monotonic() + self.seconds, self.decoder.damaged
        while (left := end - time.monotonic()) > 0:
            for packet in self.decoder.packets(self.line.read(left)):
                if packet.kind == wanted and number in (None, packet.number):
                    return packet
                if packet.kind == b"e" and packet.data and self._is_lost(packet, number):
                    return None
            if self.decoder.damaged > damaged:
                return None
        return None

    def _is_lost(self, error: Packet, number: int | None) -> bool:
        """Return whether the board requests the packet again.

        Raises
        ------
        UserError : the board was reset, or is at another call.
        """
        match error.data[0]:
            case code if code == NOT_BEGUN:
                raise UserError(
                    f"{self.port}: the board was reset before call {number}: it has begun anew (a fault, the watchdog, "
                    "the supply?); the results of this test are not whole"
                )
            case code if code == OUT_OF_ORDER and number is not None:
                raise UserError(
                    f"{self.port}: the board is at call {error.number}, not at {number}: does another program use it?"
                )
            case code if code == UNKNOWN:
                raise UserError(f"{self.port}: the firmware does not know this packet: is it of another package?")
        return True
