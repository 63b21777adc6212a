"""What `deployment.build_conf` may call the build configurations of ST's audio project: its names changed once."""

from __future__ import annotations

import logging
from collections.abc import Collection
from pathlib import Path

from sezoo.errors import UserError
from sezoo.files import shown
from sezoo.wording import nearest

__all__ = ["find_build_name"]

log = logging.getLogger(__name__)

SAME_BUILD = (
    ("BM", "N6 Audio Bare Metal"),
    ("BM_LP", "N6 Audio Bare Metal Low Power"),
    ("FREERTOS", "N6 Audio Thread X"),
    ("FREERTOS_LP", "N6 Audio Thread X Low Power"),
)
"""Names since version 3.2 of the model zoo, and those before. (The RTOS changed from ThreadX to FreeRTOS as well.)"""


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
    other = next((name for same in SAME_BUILD if wanted in same for name in same if name in names), None)
    if other is not None:
        log.warning("deployment.build_conf: '%s' is called '%s' in %s, which is built", wanted, other, shown(conf))
        return other
    near = nearest(wanted, names)
    hint = f" (did you mean {near}?)" if near else ""
    raise UserError(f"deployment.build_conf: found '{wanted}'; allowed, by {shown(conf)}: {', '.join(names)}{hint}")
