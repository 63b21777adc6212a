"""Reader of JSON with comments, trailing commas, and tabs in strings."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from sezoo.base.errors import UserError
from sezoo.base.files import json_error_text, reason_of

__all__ = ["read_relaxed_json"]

STRING = r'"(?:\\.|[^"\\])*"'
COMMENT = re.compile(STRING + r"|//[^\n]*|/\*.*?\*/", re.DOTALL)
TRAILING_COMMA = re.compile(STRING + r"|,(?=\s*[}\]])")


def read_relaxed_json(path: Path) -> dict[str, Any]:
    """Read a file that holds one JSON object; `//` and `/* */` inside its strings are text.

    Raises
    ------
    UserError : the file cannot be read, or is not UTF-8, JSON or an object.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {reason_of(error)}") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: cannot be read: it is no text in UTF-8") from error
    text = TRAILING_COMMA.sub(_blank, COMMENT.sub(_blank, text))
    try:
        content = json.loads(text, strict=False)  # allows tabs in strings
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: {json_error_text(error)}; comments and trailing commas are allowed") from error
    if not isinstance(content, dict):
        raise UserError(f"{path}: a mapping of keys to values is expected")
    return content


def _blank(found: re.Match) -> str:
    """Return blanks for a comment or a comma, which preserves the line numbers in messages."""
    return found[0] if found[0].startswith('"') else re.sub(r"[^\n]", " ", found[0])
