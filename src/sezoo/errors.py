"""The one error that a user can mend."""

__all__ = ["UserError"]


class UserError(Exception):
    """Bad input or a bad setting: the message is one line that says what was found, where, and what to do.

    The command line prints the message alone and exits with code 2. Anything else that is raised is a
    fault of the program and keeps its traceback.
    """
