"""The build configuration that `deployment.build_conf` names: ST's audio project has changed its names once."""

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
    """The project's name of the wanted build configuration; the project's first where none is wanted.

    Parameters
    ----------
    wanted : `deployment.build_conf`.
    names : of the project's configurations, in its order.
    conf : the project's file, for messages.

    Raises
    ------
    UserError : the project has no such configuration, under no name.
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
