"""Registries of what users can extend without editing this package: built-in, from packages, and user code.

A name stands for one of our own (`pesq`), for one that an installed package adds by an entry point of the registry's
group, or for an object in a user's file or module (`my_metrics.py:snr_a`). Nothing is imported before it is used, so
that names can be checked, completed and listed in no time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from sezoo.base.errors import UserError
from sezoo.base.user_code import exception_line, is_reference, load_object, reference_forms

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

__all__ = ["Registry", "shadowed_names"]


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
        try:
            return found[0].load()
        except (Exception, SystemExit) as error:
            raise UserError(
                f"{self.key}: {name} of {_package(found[0])} cannot be imported: {exception_line(error)} (entry point "
                f"{self.group}, {found[0].value})"
            ) from error

    def added(self) -> list[EntryPoint]:
        """Names that installed packages add; only their metadata is read."""
        from importlib.metadata import entry_points  # takes as long as all of `sezoo --help`

        return sorted(entry_points(group=self.group), key=lambda entry: (entry.name, entry.value))

    def _entry_points(self, name: str) -> list[EntryPoint]:
        return [entry for entry in self.added() if entry.name == name]


def _package(entry: EntryPoint) -> str:
    return f"the package {entry.dist.name} {entry.dist.version}" if entry.dist is not None else "a package"


def shadowed_names(registries: Iterable[Registry]) -> list[str]:
    """Describe the built-in names that packages also define; the built-in ones win."""
    from importlib.metadata import entry_points

    every = entry_points()
    return [
        f"{registry.key}: {entry.name} of {_package(entry)} is not used, as sezoo has a {registry.kind} of that name; "
        f"it can be taken as {entry.value}"
        for registry in registries
        for entry in every.select(group=registry.group)
        if entry.name in registry.own
    ]
