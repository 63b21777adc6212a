"""Make untrusted text (names in models, file names, server messages) safe for the place it is written to.

`to_printable`, `to_one_line` and `short_list` prepare such text for a person, `escape` prepares it for a file that
another program reads. Tables are written by `csv_file`,
paths `inner_path`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Literal

__all__ = [
    "Target",
    "escape",
    "short_list",
    "shorten",
    "to_encodable",
    "to_one_line",
    "to_printable",
    "use_plain_labels",
    "without_passwords",
]

Target = Literal["c", "cmake", "markdown", "html"]

UNPRINTABLE = re.compile(
    "["
    "\x00-\x1f\x7f-\x9f"  # control characters, the escape character and NEL among them
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # they change the order in which text is shown
    "\u200b\u2060\ufeff\ufff9-\ufffb\U000e0000-\U000e007f"  # they are not seen at all
    "\u2028\u2029"  # other line ends
    "\ud800-\udfff\ufffe\uffff"  # no characters: bytes of a path that are no UTF-8, for example
    "]"
)
USER_IN_ADDRESS = re.compile(r"(?<=://)(?![^/\s@]*\$\{[^/\s@]*@)[^/\s\"'<>]+(?=@)")
LONG_WORD = re.compile(r"\S{301,}")
"""Longer than any path that works everywhere; names of tensors can have any length."""

LONGEST_WORD, LONGEST_LINE, LONGEST_NAME = 200, 2000, 120
"""Characters; what is longer loses its middle. The last one is for generated files."""

LISTED = 6

UNSAFE = {
    "c": re.compile(r"[^ -~]|[\"*?\\]"),  # what ends a comment or a string, trigraphs, and a line that goes on
    "cmake": re.compile(r"[^ -~]|[\"'#$;@\[\]{}\\]"),
    "markdown": re.compile(r"[^ -~]|\|"),  # in a code span only backticks mean anything, and in a table the bar
}


def without_passwords(text: str) -> str:
    """Text whose addresses have `***` for a user's name and password: `https://***@host`; `${NAME}` in them stays."""
    return USER_IN_ADDRESS.sub("***", text) if "://" in text else text


def to_printable(text: str, *, lines: bool = False) -> str:
    r"""Escape the characters that a terminal, log or page would not show: `\x1b`, `\n`, `\u202e` ...

    Parameters
    ----------
    lines : keep newlines and tabs.
    """
    if text.isprintable():
        return text
    return UNPRINTABLE.sub(lambda found: found[0] if lines and found[0] in "\n\t" else _visible(found[0]), text)


def to_one_line(text: str) -> str:
    """Return a message as one printable line without passwords: 2,000 characters, words of at most 300."""
    text = to_printable(without_passwords(text))
    if len(text) > LONGEST_WORD:
        text = LONG_WORD.sub(lambda found: shorten(found[0], LONGEST_WORD), text)
    return shorten(text, LONGEST_LINE)


def shorten(text: str, most: int) -> str:
    """Text of at most `most` characters: its beginning and its end, which distinguish names."""
    if len(text) <= most:
        return text
    end = (most - 3) // 3
    return f"{text[: most - 3 - end]}...{text[len(text) - end :]}"


def short_list(words: Iterable[object], most: int = LISTED) -> str:
    """`a, b, c`, or `a, b, c, d, e, f and 995 more`; each word in one line, and short."""
    shown = [shorten(to_printable(str(word)), LONGEST_NAME) for word in words]
    rest = len(shown) - most
    return ", ".join(shown[:most]) + (f" and {rest} more" if rest > 0 else "")


def to_encodable(text: str, encoding: str = "utf-8") -> str:
    r"""Escape the characters that the encoding lacks: `\udce9`, `\u4e2d` ..."""
    return text.encode(encoding, "backslashreplace").decode(encoding)


def escape(text: str, target: Target) -> str:
    """A name for a generated file, at most 120 characters of it, in one line.

    Parameters
    ----------
    target :
        "c" : for a comment or a string literal of C or C++, whatever stands before and behind it.
        "cmake" : for a comment or a quoted argument of CMake.
        "markdown" : a code span, the backticks included.
        "html" : for text and for quoted attributes, of any length; a `markupsafe.Markup`.

    What a target cannot hold becomes `<U+000A>`.
    """
    if target == "html":
        from markupsafe import escape

        return escape(to_printable(text, lines=True))
    text = UNSAFE[target].sub(lambda found: f"<U+{ord(found[0]):04X}>", shorten(text, LONGEST_NAME))
    if target != "markdown":
        return text
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", text)), default=0))
    apart = " " if text.strip() != text or text.strip("`") != text or not text else ""
    return f"{fence}{apart}{text}{apart}{fence}"


@contextmanager
def use_plain_labels() -> Iterator[None]:
    """Let matplotlib draw labels literally: `$` starts no formula, and a missing glyph gives no warning."""
    import warnings

    import matplotlib as mpl

    with mpl.rc_context({"text.parse_math": False}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        yield


def _visible(character: str) -> str:
    return character.encode("unicode_escape", "backslashreplace").decode("ascii")
