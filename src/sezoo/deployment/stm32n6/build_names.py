"""Lookup of the build configuration in `deployment.build_conf`, under the old and new names of ST's audio project."""

from __future__ import annotations

import logging
from collections.abc import Collection
from pathlib import Path

from sezoo.base.errors import UserError
from sezoo.base.files import display_path
from sezoo.base.text import closest_match
from sezoo.config.sections_board import BUILD_NAMES

__all__ = ["find_build_name"]

log = logging.getLogger(__name__)


def find_build_name(wanted: str | None, names: Collection[str], conf: Path) -> str:
    """Return the project's name for a build configuration; its first configuration if none is specified.

    Parameters
    ----------
    wanted : `deployment.build_conf`.
    names : names of the project's configurations, in its order.
    conf : path of the project's .conf file, for messages.

    Raises
    ------
    UserError : the project has no such configuration under either name.
    """
    if wanted is None:
        return next(iter(names))
    if wanted in names:
        return wanted
    other = (BUILD_NAMES | {new: old for old, new in BUILD_NAMES.items()}).get(wanted)
    if other in names:
        log.warning(
            "deployment.build_conf: '%s' is called '%s' in %s, which is built", wanted, other, display_path(conf)
        )
        return other
    near = closest_match(wanted, names)
    hint = f" (did you mean {near}?)" if near else ""
    raise UserError(
        f"deployment.build_conf: found '{wanted}'; allowed, by {display_path(conf)}: {', '.join(names)}{hint}"
    )
