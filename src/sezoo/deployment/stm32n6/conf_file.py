"""The file in ST's C project that says what is built: `stmaic_STM32N6570-DK.conf`, JSON with comments.

Of what it holds, `configurations` is needed: the build configurations by their names, each a mapping. What a
configuration does not say itself is looked for in its `env`, then at the top of the file, then in the `env` there.
Texts may refer to other ones as `${name}`; `${ProjectFolder}` is the folder of the file. Keys that nothing here asks
for are left alone.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sezoo.errors import UserError
from sezoo.files import reason_of, shown
from sezoo.wording import nearest

__all__ = ["CONF_NAME", "BuildConfiguration", "Template", "find_conf", "read_conf"]

CONF_NAME = "stmaic_STM32N6570-DK.conf"

PROJECT_FOLDER = "ProjectFolder"
DEEPEST = 20
"""So many references one inside the other are followed; more can only be a circle."""

STRING = r'"(?:\\.|[^"\\])*"'
COMMENT = re.compile(STRING + r"|//[^\n]*|/\*.*?\*/", re.DOTALL)
TRAILING_COMMA = re.compile(STRING + r"|,(?=\s*[}\]])")
REFERENCE = re.compile(r"\$\{(\w+)\}")


@dataclass(frozen=True)
class Template:
    """A file that goes into the C project.

    Attributes
    ----------
    source : its name among the generated files and headers, or a path.
    target : where it goes, an absolute path.
    """

    source: str
    target: Path


@dataclass(frozen=True)
class BuildConfiguration:
    """One of the things that can be built of the C project.

    Attributes
    ----------
    name : as `deployment.build_conf` has it.
    cubeide_name : what CubeIDE calls the configuration (`cproject_config`; else the same).
    location : folder of the CubeIDE project (`cproject_location`); None where the file does not say.
    templates : what is copied before the build.
    fsbl : file or path of the first-stage boot loader (`fsbl_bin`); None where the file does not say.
    neural_art : the profile for stedgeai (`user_neural_art`); None where the file does not say.
    """

    name: str
    cubeide_name: str
    location: Path | None
    templates: tuple[Template, ...]
    fsbl: str | None
    neural_art: Path | None


def find_conf(project: Path | None) -> Path:
    """The file in the folder of the C project, or somewhere below it.

    Raises
    ------
    UserError : no folder, no such file in it, or several.
    """
    key = "deployment.c_project_path"
    if project is None:
        raise UserError(f"{key}: not set; deployment.backend: stm32n6 needs the folder of ST's C project")
    if not project.is_dir():
        what = "is a file" if project.exists() else f"is not there (the working directory is {Path.cwd()})"
        raise UserError(f"{key}: {project} {what}; give the folder of ST's C project")
    if (project / CONF_NAME).is_file():
        return (project / CONF_NAME).resolve()
    found = sorted(path.resolve() for path in project.rglob(CONF_NAME) if path.is_file())
    if len(found) == 1:
        return found[0]
    if found:
        folders = ", ".join(shown(path.parent) for path in found)
        raise UserError(f"{key}: {project} holds several projects; name one of them: {folders}")
    raise UserError(f"{key}: there is no {CONF_NAME} in {project} or below it; give the folder of ST's C project")


def read_conf(path: Path, name: str) -> BuildConfiguration:
    """Read the build configuration that `deployment.build_conf` names.

    Raises
    ------
    UserError : no JSON, a missing key, no such configuration, or a text that refers to nothing.
    """
    content = _content(path)
    configurations = content.get("configurations")
    if not isinstance(configurations, dict) or not configurations:
        found = "is missing" if configurations is None else "is no mapping of names to configurations"
        raise UserError(f"{path}: the key 'configurations' {found}; it lists what can be built")
    if name not in configurations:
        near = nearest(name, configurations)
        hint = f" (did you mean {near}?)" if near else ""
        raise UserError(
            f"deployment.build_conf: found '{name}'; allowed, by {shown(path)}: {', '.join(configurations)}{hint}"
        )
    values = _Values(path, name, content, configurations[name])
    location, neural_art = values.text("cproject_location"), values.text("user_neural_art")
    return BuildConfiguration(
        name=name,
        cubeide_name=values.text("cproject_config") or name,
        location=values.path(location) if location else None,
        templates=tuple(values.templates()),
        fsbl=values.text("fsbl_bin"),
        neural_art=values.path(neural_art) if neural_art else None,
    )


def _content(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {reason_of(error)}") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: cannot be read: it is no text in UTF-8") from error
    text = TRAILING_COMMA.sub(_blanked, COMMENT.sub(_blanked, text))
    try:
        content = json.loads(text, strict=False)  # tabs in texts
    except ValueError as error:
        raise UserError(f"{path}: no JSON (with comments and trailing commas): {error}") from error
    if not isinstance(content, dict):
        raise UserError(f"{path}: a mapping of keys to values is expected")
    return content


def _blanked(found: re.Match) -> str:
    """Blanks in the place of a comment or a comma, so that the lines of complaints are those of the file."""
    return found[0] if found[0].startswith('"') else re.sub(r"[^\n]", " ", found[0])


class _Values:
    """What holds for one configuration, the nearest first."""

    def __init__(self, path: Path, name: str, content: Mapping[str, Any], configuration: Any):
        if not isinstance(configuration, Mapping):
            raise UserError(f"{path}: configurations.{name} is no mapping of keys to values")
        self.conf, self.name = path, name
        levels = [configuration, configuration.get("env"), content, content.get("env")]
        self.levels = [level for level in levels if isinstance(level, Mapping)]

    def get(self, key: str) -> Any:
        return next((level[key] for level in self.levels if level.get(key) is not None), None)

    def text(self, key: str) -> str | None:
        """A text with its references filled in; None where there is none."""
        value = self.get(key)
        if value is None:
            return None
        if not isinstance(value, str):
            raise UserError(f"{self.conf}: {key}: found {value!r}; a text is expected")
        return self.filled(value, key)

    def filled(self, text: str, key: str, depth: int = 0) -> str:
        def of(found: re.Match) -> str:
            name = found[1]
            value = self.get(name)
            if value is None:
                value = str(self.conf.parent) if name == PROJECT_FOLDER else os.environ.get(name)
            if not isinstance(value, str):
                raise UserError(f"{self.conf}: {key}: ${{{name}}} is set nowhere in the file, nor in the environment")
            if depth == DEEPEST:
                raise UserError(f"{self.conf}: {key}: ${{{name}}} refers to itself")
            return self.filled(value, key, depth + 1)

        return REFERENCE.sub(of, text)

    def path(self, text: str) -> Path:
        """Relative ones are in the `cwd` of the file, or beside it."""
        base = self.conf.parent / (self.text("cwd") or "")
        return Path(os.path.normpath(base / text))

    def templates(self) -> Iterator[Template]:
        listed = self.get("templates")
        if not isinstance(listed, list) or not listed:
            found = "is missing" if listed is None else "is no list, or an empty one"
            raise UserError(
                f"{self.conf}: the key 'templates' {found}, for '{self.name}' and at the top; it lists the generated "
                'files and where they go: [["network.c", "${ProjectFolder}/..."], ...]'
            )
        for number, entry in enumerate(listed):
            key = f"templates[{number}]"
            if not isinstance(entry, list) or len(entry) < 2 or not all(isinstance(part, str) for part in entry):
                raise UserError(f"{self.conf}: {key}: found {entry!r}; a source and a target are expected, two texts")
            if len(entry) > 2 and entry[2] not in ("copy", "copy-file"):
                raise UserError(f"{self.conf}: {key}: found {entry[2]!r}; allowed: copy-file")
            source, target = (self.filled(part, key) for part in entry[:2])
            yield Template(source, self.path(target))
