"""One axis of a convolution: its zero padding, and whether that is TensorFlow Lite's SAME or VALID."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Axis"]


@dataclass(frozen=True)
class Axis:
    """Geometry of a convolution along frames or positions.

    Attributes
    ----------
    size, made : length of the input and of the output.
    before : number of zeros before the input.
    """

    size: int
    made: int
    taps: int
    stride: int = 1
    dilation: int = 1
    before: int = 0

    @property
    def _read(self) -> int:
        return (self.made - 1) * self.stride + (self.taps - 1) * self.dilation + 1

    @property
    def behind(self) -> int:
        """Number of zeros after the input."""
        return max(0, self._read - self.before - self.size)

    @property
    def used(self) -> int:
        """Length of the input that is read, from its beginning; reading the rest would add outputs."""
        would_make = (self.before + self.size + self.behind - (self.taps - 1) * self.dilation - 1) // self.stride + 1
        return self.size if would_make == self.made else self._read - self.before

    @property
    def is_same(self) -> bool:
        """Whether the padding equals SAME: half of the zeros, rounded down, before the input."""
        total = max(0, self._read - self.size)
        return self.made == -(-self.size // self.stride) and self.before == total // 2

    @property
    def is_valid(self) -> bool:
        """Whether there is no padding."""
        return self.before == 0 and self.behind == 0
