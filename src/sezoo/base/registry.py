"""Registries of what users can extend without editing this package: built-in, from packages, and user code.

A name stands for one of our own (`pesq`), for one that an installed package adds by an entry point of the registry's
group, or for an object in a user's file or module (`my_metrics.py:snr_a`). Nothing is imported before it is used, so
that names can be checked, completed and listed in no time.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from sezoo.base.errors import UserError
from sezoo.base.user_code import exception_line, is_reference, load_object, reference_forms

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

__all__ = ["Registry", "shadowed_names"]

log = logging.getLogger(__name__)

OBJECT = re.compile(r"[\w.]+\s*:\s*[\w.]+\s*(\[.*\])?")
"""What an entry point stands for: `package.module:Name`, perhaps with the extras that it needs."""


@dataclass(frozen=True, eq=False)
class Registry:
    """One kind of object that users can extend.

    Attributes
    ----------
    key : of the configuration that names one.
    group : of the entry points by which packages add some.
    kind : what one is called in messages, "metric".
    own : ours, as `package.module:Name` by their names, in the order in which they are listed.
    """

    key: str
    group: str
    kind: str
    own: Mapping[str, str]

    def knows(self, name: str) -> bool:
        """Return whether the name is built in, from a package, or a reference to user code (not resolved here)."""
        return name in self.own or is_reference(name) or bool(self._entry_points(name))

    def load(self, name: str) -> Any:
        """Import what the name stands for.

        Raises
        ------
        UserError : nothing has the name, two packages have it, or it cannot be imported.
        """
        if name in self.own:
            module, _, attribute = self.own[name].partition(":")
            return getattr(import_module(module), attribute)
        if is_reference(name):
            return load_object(name, self.key, self.kind)
        found = self._entry_points(name)
        if not found:
            names = ", ".join(self.own)
            raise UserError(
                f"{self.key}: found {name!r}; allowed: {names}, or your own as {reference_forms(self.kind)}"
            )
        if len({entry.value for entry in found}) > 1:
            packages = " and ".join(_package(entry) for entry in found)
            raise UserError(
                f"{self.key}: {packages} both have a {self.kind} named {name}; take one of them by "
                f"{' or '.join(entry.value for entry in found)}"
            )
        if not OBJECT.fullmatch(found[0].value.strip()):
            raise UserError(
                f"{self.key}: {name} of {_package(found[0])} cannot be imported: its entry point in the group "
                f"{self.group} is {found[0].value!r}; allowed: package.module:Name"
            )
        try:
            return found[0].load()
        except (Exception, SystemExit) as error:
            raise UserError(
                f"{self.key}: {name} of {_package(found[0])} cannot be imported: {exception_line(error)} (entry point "
                f"{self.group}, {found[0].value})"
            ) from error

    def added(self) -> list[EntryPoint]:
        """Names that installed packages add; only their metadata is read."""
        found = _installed_entry_points().select(group=self.group)
        return sorted(found, key=lambda entry: (entry.name, entry.value))

    def _entry_points(self, name: str) -> list[EntryPoint]:
        return [entry for entry in self.added() if entry.name == name]


def _package(entry: EntryPoint) -> str:
    return f"the package {entry.dist.name} {entry.dist.version}" if entry.dist is not None else "a package"


def _installed_entry_points() -> Any:
    """All entry points of all packages, to `select` from. A package whose list cannot be read is left out, with a
    warning."""
    from importlib.metadata import EntryPoints, distributions, entry_points  # takes as long as all of `sezoo --help`

    try:
        return entry_points()
    except Exception:  # one line without `=`, in whichever package, and importlib reads none of them
        packages = {each.metadata["Name"]: each for each in reversed(list(distributions()))}  # the first on the path
    found: list[EntryPoint] = []
    for name, package in packages.items():
        try:
            found += package.entry_points
        except Exception:
            if name not in _REPORTED:
                _REPORTED.add(name)
                log.warning(
                    "the package %s %s adds nothing to sezoo: its entry_points.txt cannot be read; allowed are lines "
                    "such as name = package.module:Name; install it again",
                    name, package.version,
                )  # fmt: skip
    return EntryPoints(found)


_REPORTED: set[str] = set()
"""The packages of which a warning said that their entry points cannot be read."""


def shadowed_names(registries: Iterable[Registry]) -> list[str]:
    """Describe the built-in names that packages also define; the built-in ones win."""
    every = _installed_entry_points()
    return [
        f"{registry.key}: {entry.name} of {_package(entry)} is not used, as sezoo has a {registry.kind} of that name; "
        f"it can be taken as {entry.value}"
        for registry in registries
        for entry in every.select(group=registry.group)
        if entry.name in registry.own
    ]
