"""One axis of a convolution: where its zeros stand, and which of TensorFlow Lite's two paddings that is."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Axis"]


@dataclass(frozen=True)
class Axis:
    """Frames or positions, as a convolution goes over them.

    Attributes
    ----------
    size, made : of the input and of the output.
    before : zeros in front of the input.
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
        """Zeros behind the input."""
        return max(0, self._read - self.before - self.size)

    @property
    def used(self) -> int:
        """Of the input, counted from its beginning: what lies behind is not read, and would make more outputs."""
        would_make = (self.before + self.size + self.behind - (self.taps - 1) * self.dilation - 1) // self.stride + 1
        return self.size if would_make == self.made else self._read - self.before

    @property
    def is_same(self) -> bool:
        """Whether SAME puts the zeros where they belong, which is half of them, rounded down, in front."""
        total = max(0, self._read - self.size)
        return self.made == -(-self.size // self.stride) and self.before == total // 2

    @property
    def is_valid(self) -> bool:
        """Whether there are none."""
        return self.before == 0 and self.behind == 0
