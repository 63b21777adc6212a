"""Errors that the user can fix."""

from collections.abc import Iterable

from sezoo.base.foreign_text import to_one_line

__all__ = ["UserError"]


class UserError(Exception):
    """Bad input or a bad setting, with a one-line message: what was found, where, and what is allowed.

    The command line prints the message alone and exits with code 2. Anything else that is raised is a
    fault of the program and keeps its traceback.

    Parameters
    ----------
    message : names and values in it may be anything; it is made printable here (`sezoo.base.foreign_text.to_one_line`).
    lines : what another program said last; on the command line each has a line of its own below the message.
    """

    def __init__(self, message: str = "", lines: Iterable[str] = ()):
        self.message, self.lines = to_one_line(message), tuple(to_one_line(line) for line in lines)
        super().__init__(self.message, self.lines)

    def __str__(self) -> str:
        return " | ".join([self.message, *self.lines])

    def with_message(self, message: str) -> "UserError":
        """An error with another message and the same lines."""
        return UserError(message, self.lines)
