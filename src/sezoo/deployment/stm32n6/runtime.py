"""The runtime of the compiled network: folders of ST Edge AI's installation to copy into the C project.

Its sources do not compile with a network of another version (`ll_aton`: `#error`), so they are copied from the
installation of the `stedgeai` that compiles the network.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from sezoo.base.errors import UserError
from sezoo.deployment.stm32n6.conf_file import Template
from sezoo.targets.stedgeai.local import STEDGEAI

__all__ = ["RUNTIME", "find_runtime"]

RUNTIME = Path("Middlewares", "ST", "AI")
"""Path in the installation and in the project."""

VARIABLE = "STEDGEAI_CORE_DIR"
"""Environment variable with the folder of the installation, as documented by ST."""


def find_runtime(templates: Iterable[Template], stedgeai: Path, project: Path) -> dict[Path, Path]:
    """Return the folders that the templates require, by destination.

    Parameters
    ----------
    stedgeai : path of the program in its installation: `<installation>/Utilities/<system>/stedgeai`.
    project : folder of the C project, whose own runtime is not an installation.

    Raises
    ------
    UserError : the program is not in an installation, or the installation has no such folder.
    """
    wanted = [template for template in templates if template.is_folder]
    if not wanted:
        return {}
    installation = next(_installations(stedgeai, project), None)
    if installation is None:
        raise UserError(
            f"{STEDGEAI.key}: {stedgeai} is in no installation of ST Edge AI: no folder above it has "
            f"{RUNTIME.as_posix()}, the runtime that the C project is built with; give the program in its "
            f"installation, or set {VARIABLE} to the installation's folder"
        )
    found: dict[Path, Path] = {}
    for template in wanted:
        source = installation / (Path(template.source) if template.source else _in_installation(template.target))
        if not source.is_dir() or not any(source.iterdir()):
            raise UserError(
                f"{installation}: there is no folder {source.relative_to(installation)}, which the C project's "
                f"templates ask for; is ST Edge AI's component for the STM32N6 installed?"
            )
        found[template.target] = source
    return found


def _installations(stedgeai: Path, project: Path) -> Iterator[Path]:
    """Yield folders with a runtime: above the program, above the target of a link to it, and in the environment."""
    candidates = [*stedgeai.absolute().parents, *stedgeai.resolve().parents]
    if named := os.environ.get(VARIABLE):
        candidates.append(Path(named))
    for folder in candidates:
        if (folder / RUNTIME).is_dir() and not (folder / RUNTIME).resolve().is_relative_to(project):
            yield folder


def _in_installation(target: Path) -> Path:
    """Return the part of a path from the last `Middlewares/ST/AI` on."""
    parts, length = target.parts, len(RUNTIME.parts)
    begin = max(i for i in range(len(parts)) if Path(*parts[i : i + length]) == RUNTIME)
    return Path(*parts[begin:])
