"""Options of commands that set keys of the configuration: the typed sections say what they are for and may hold.

The sections take longer to import than all of `sezoo --help`. They are imported when the option of a command is given,
which builds a configuration anyway, when its help is shown, or when its values are completed.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from sezoo.base.errors import UserError

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

__all__ = ["HelpFormatter", "KeyValue", "add_setting"]

AS_ITS_KEY = "as its key in the configuration"
"""In place of the help of an option."""
EMPTY = re.compile(r"[;.] [Ee]mpty = (?P<words>.*?)(?:\.(?= [A-Z])|\.?$)")
"""What the description of a key that may be empty says of that."""
OF_A_LAYOUT = re.compile(r"^(?:\w+, )*mix: |; mix: .*$")
"""What a description says of other layouts of recordings than folders."""


class KeyValue:
    """Parser of an option's text as the value of a key: a name in upper or lower case, or a YAML value.

    What the key may not hold is refused by its section, when the configuration is built.

    Parameters
    ----------
    key : of the configuration, with its section: "evaluation.metrics".
    several : whether the option takes names with commas between them.
    """

    def __init__(self, key: str, several: bool = False):
        self.key, self.several = key, several

    def __call__(self, text: str) -> Any:
        """The value, or the list of several."""
        if self.several:
            names = [name.strip() for name in text.split(",") if name.strip()]
            if not names:
                raise argparse.ArgumentTypeError(f"no names; allowed: {', '.join(self.names())}")
            return [_in_any_case(name, self.names()) for name in names]
        if names := self.names():
            return _in_any_case(text.strip(), names)
        from sezoo.base.yaml_text import load_yaml

        try:
            return load_yaml(text, text)
        except UserError:
            return text

    def names(self) -> tuple[str, ...]:
        """The values of a key that has a set of them."""
        from sezoo.config.section import choices_of

        return tuple(str(value) for value in choices_of(self.field()))

    def field(self) -> FieldInfo:
        """The key's declaration."""
        from sezoo.config.section import section_of
        from sezoo.config.sections import SECTIONS

        name, *inner, last = self.key.split(".")
        section = SECTIONS[name]
        for part in inner:
            section = section_of(section.model_fields[part])
        return section.model_fields[last]


def _in_any_case(word: str, words: Iterable[str]) -> str:
    return next((each for each in words if each.lower() == word.lower()), word)


def add_setting(
    container: Any,
    *flags: str,
    key: str | Sequence[str],
    several: bool = False,
    default_is: str = "",
    **how: Any,
) -> None:
    """Add an argument that sets one key of the configuration, or several keys.

    Parameters
    ----------
    key : the first of several is the one that the help and the values are of.
    several : whether it takes names with commas between them.
    default_is : what the command does without the option, where neither its default nor the key's says so.
    how : of `add_argument`; a type or a help of its own takes the place of the key's.
    """
    keys = (key,) if isinstance(key, str) else tuple(key)
    if "action" not in how:
        how.setdefault("type", KeyValue(keys[0], several))
    action = container.add_argument(*flags, **{"help": AS_ITS_KEY, **how})
    action.keys, action.default_is = keys, default_is or _default_text(how.get("default"))


def _default_text(default: Any) -> str:
    return ", ".join(default) if isinstance(default, list) else "" if default is None else str(default)


class HelpFormatter(argparse.RawDescriptionHelpFormatter):
    """Takes the help of an option that has none of its own from its key."""

    def _get_help_string(self, action: argparse.Action) -> str:
        if action.help != AS_ITS_KEY:
            return action.help or ""
        return _help(action).replace("%", "%%")


def _help(action: argparse.Action) -> str:
    """The description of the key, with its values where it names none of them, and its default in brackets."""
    from sezoo.base.user_code import reference_forms
    from sezoo.config.section import registry_of

    value = KeyValue(action.keys[0])
    field = value.field()
    words = field.description
    empty = EMPTY.search(words)
    if empty:
        behind = words[empty.end() :].removesuffix(".")
        words = words[: empty.start()] + (f".{behind}" if behind else "")
    words = OF_A_LAYOUT.sub("", words if words.endswith(" ...") else words.removesuffix("."))
    names = value.names()
    if names and not all(name in words for name in names):
        words += f": {', '.join(names)}"
    if own := registry_of(field):
        words += f"; your own as {reference_forms(own.registry.kind)}"
    if getattr(action.type, "several", False):
        words += "; several with commas"
    default = action.default_is or (empty["words"] if empty else "" if field.default is None else str(field.default))
    if default and action.nargs != 0:
        words += f" (default: {default})"
    is_word = words[1:2].islower() or words[1:2] == " "
    return words[0].lower() + words[1:] if is_word else words
