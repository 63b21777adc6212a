"""Convert raw YAML values: empty values, environment variables, arithmetic, tuples.

The conversion happens in two stages, because only the target type tells `10-2` in a number from `10-2` in a name:

* `expand` knows no types. It is applied to the whole file: the text `None` becomes null and `${ENV_VAR}` becomes
  the value of that variable. `${a.b}` and `${now:...}` hold a dot or a colon: those are OmegaConf's, resolved before.
* `number` and `literal` are called by the typed sections, for the keys that hold numbers and for those that may hold
  anything. Keys typed as text or as a path never pass through them: `version: 10.0.0`, a folder called `2024-10-12`
  or a file `1-2.wav` keep the text as it was written.

Arithmetic is numbers, `+ - * / // % **`, signs and parentheses, walked over Python's syntax tree: no name, call or
attribute is known, and nothing is ever executed. What is not arithmetic stays the text that it was, and the typed
section then says that it is no number. Where any type is allowed (`literal`), digits joined by `-` (`2024-10-12`,
`0-5`) or three and more groups joined by `/` (`1/2/2024`) are taken as dates and ranges and stay text.
"""

import ast
import math
import operator
import os
import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from sezoo.base.errors import UserError

__all__ = [
    "ENVIRONMENT_VARIABLE",
    "arithmetic",
    "expand",
    "expand_known",
    "literal",
    "number",
    "texts_from_environment",
]

LONGEST_EXPRESSION = 200  # characters: keeps the parser's recursion and the size of products small
LARGEST_POWER_BITS = 1024  # bits of an integer power: `9**9**9` would otherwise run for hours

ENVIRONMENT_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_DATE_OR_RANGE = re.compile(r"\d+(-\d+)+|\d+(/\d+){2,}")
_WORDS = {"True": True, "False": False, "None": None}


class _NotLiteralError(ValueError):
    """The text contains something other than literals and arithmetic."""


def _power(base: int | float, exponent: int | float) -> int | float:
    if isinstance(base, int) and isinstance(exponent, int) and base.bit_length() * exponent > LARGEST_POWER_BITS:
        raise _NotLiteralError
    result = base**exponent
    if isinstance(result, complex):
        raise _NotLiteralError
    return result


_BINARY: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: _power,
}
_UNARY: dict[type[ast.unaryop], Callable[[Any], Any]] = {ast.UAdd: operator.pos, ast.USub: operator.neg}


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _walk(node: ast.expr) -> Any:
    """The value of a syntax tree of numbers, arithmetic, and tuples of numbers, words and quoted text."""
    match node:
        case ast.Constant(value=value) if _is_number(value):
            return value
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
            operands = _walk(left), _walk(right)
            if not all(_is_number(operand) for operand in operands):  # `(1, 2) * 3` would be a longer tuple
                raise _NotLiteralError
            return _BINARY[type(op)](*operands)
        case ast.UnaryOp(op=op, operand=operand) if type(op) in _UNARY:
            value = _walk(operand)
            if not _is_number(value):
                raise _NotLiteralError
            return _UNARY[type(op)](value)
        case ast.Tuple(elts=elements):
            return tuple(_element(element) for element in elements)
    raise _NotLiteralError


def _element(node: ast.expr) -> Any:
    """One entry of a tuple, where quoted text, True, False and None are allowed besides numbers."""
    if isinstance(node, ast.Constant) and (node.value is None or isinstance(node.value, bool | str)):
        return node.value
    return _walk(node)


def _finite(value: Any) -> bool:
    if isinstance(value, tuple):
        return all(_finite(element) for element in value)
    return not isinstance(value, float) or math.isfinite(value)


def _evaluate(text: str) -> Any:
    """The value of `text`, or `_NotLiteralError`."""
    stripped = text.strip()
    if not stripped or len(stripped) > LONGEST_EXPRESSION or stripped[0] not in "0123456789.+-(":
        raise _NotLiteralError
    try:
        with warnings.catch_warnings():  # the parser warns of `\d` inside quotes: this is a user's text, not code
            warnings.simplefilter("ignore")
            tree = ast.parse(stripped, mode="eval")
        value = _walk(tree.body)
    except (SyntaxError, ValueError, ArithmeticError, RecursionError, MemoryError) as error:
        raise _NotLiteralError from error
    if not _finite(value):
        raise _NotLiteralError
    return value


def arithmetic(text: str) -> int | float | str:
    """The number that `text` computes to (`1./255`, `-(1+2)`, `2**10`), or `text` itself when it is none."""
    try:
        value = _evaluate(text)
    except _NotLiteralError:
        return text
    return value if _is_number(value) else text


def number(value: Any) -> Any:
    """Return the value of a number-typed key: text is evaluated, booleans are rejected, other values are unchanged."""
    if isinstance(value, bool):
        raise ValueError("True and False are no numbers")
    return arithmetic(value) if isinstance(value, str) else value


def literal(value: Any) -> Any:
    """Return the value of an any-typed key: text is evaluated to words, numbers or tuples, also when nested."""
    if isinstance(value, Mapping):
        return {key: literal(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [literal(entry) for entry in value]
    if not isinstance(value, str):
        return value
    stripped = value.strip()
    if stripped in _WORDS:
        return _WORDS[stripped]
    if _DATE_OR_RANGE.fullmatch(stripped) or ("," in stripped and not stripped.startswith("(")):
        return value  # `1, 2` without parentheses is a tuple to Python, a list of words to most people
    try:
        return _evaluate(value)
    except _NotLiteralError:
        return value


def texts_from_environment(raw: Any, keys: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """The texts in `raw` that hold a `${ENV_VAR}`, as they stand there, and the keys that lead to each."""
    if isinstance(raw, Mapping):
        for key, value in raw.items():
            yield from texts_from_environment(value, (*keys, str(key)))
    elif isinstance(raw, list | tuple):
        for index, value in enumerate(raw):
            yield from texts_from_environment(value, (*keys, index))
    elif isinstance(raw, str) and ENVIRONMENT_VARIABLE.search(raw):
        yield keys, raw


def expand_known(raw: Any) -> Any:
    """Expand the `${ENV_VAR}` that are set, for a run's own YAML file, whose variables may no longer exist."""
    if isinstance(raw, Mapping):
        return {key: expand_known(value) for key, value in raw.items()}
    if isinstance(raw, list):
        return [expand_known(value) for value in raw]
    if not isinstance(raw, str):
        return raw
    return ENVIRONMENT_VARIABLE.sub(lambda found: os.environ.get(found[1], found[0]), raw)


def expand(raw: Any, path: str = "") -> Any:
    """`raw` (mappings, lists, scalars) with `None` as null and `${ENV_VAR}` expanded; `path` is where it stands."""
    if isinstance(raw, Mapping):
        return {key: expand(value, f"{path}.{key}" if path else str(key)) for key, value in raw.items()}
    if isinstance(raw, list | tuple):
        return type(raw)(expand(value, f"{path}[{index}]") for index, value in enumerate(raw))
    if not isinstance(raw, str):
        return raw

    def variable(match: re.Match[str]) -> str:
        if match[1] not in os.environ:
            raise UserError(f"{path}: the environment variable {match[1]} is not set (found {raw!r})")
        return os.environ[match[1]]

    text = ENVIRONMENT_VARIABLE.sub(variable, raw)
    return None if text.strip() == "None" else text
