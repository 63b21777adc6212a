"""ST's C project as a user has downloaded it: where in it is what the build and the flashing need."""

from __future__ import annotations

import glob
from dataclasses import dataclass, replace
from pathlib import Path
from xml.etree import ElementTree

from sezoo.config.sections import Deployment
from sezoo.deployment.stm32n6.conf_file import BuildConfiguration, Template, find_conf, read_conf
from sezoo.deployment.stm32n6.headers import CONFIG_HEADER, HEADERS
from sezoo.errors import UserError
from sezoo.files import reason_of, shown
from sezoo.wording import nearest

__all__ = ["CProject", "read_c_project"]

NEURAL_ART = "user_neural_art.json"
FSBL = "ai_fsbl.hex"
HEADERS_FOLDER = Path("Projects", "Dpu")
"""Of ST's audio application, where the headers are that it includes."""


@dataclass(frozen=True)
class CProject:
    """The project, and one of its build configurations.

    Attributes
    ----------
    folder : of the user's download; nothing outside is written.
    conf : the file in it that says what is built.
    build : what its file says about the configuration.
    location : folder of the CubeIDE project.
    name : of the CubeIDE project.
    application : the program that the build makes, as a .bin file.
    fsbl : the first-stage boot loader, .hex or .bin.
    neural_art : the profile that stedgeai compiles by.
    templates : all that is copied, the headers among it.
    """

    folder: Path
    conf: Path
    build: BuildConfiguration
    location: Path
    name: str
    application: Path
    fsbl: Path
    neural_art: Path
    templates: tuple[Template, ...]


def read_c_project(deployment: Deployment) -> CProject:
    """Find all that is needed of the project below `deployment.c_project_path`.

    Raises
    ------
    UserError : what is missing or ambiguous, and the key of the project's .conf that says it.
    """
    conf = find_conf(deployment.c_project_path)
    folder, root = deployment.c_project_path.resolve(), conf.parent
    build = read_conf(conf, deployment.build_conf)
    location = (build.location or _only(root, ".project", "cproject_location", conf).parent).resolve()
    _check_inside(folder, location, f"{conf}: cproject_location")
    name = _project_name(location / ".project", conf)
    fsbl = _only(root, build.fsbl or FSBL, "fsbl_bin", conf)
    neural_art = build.neural_art or _only(root, NEURAL_ART, "user_neural_art", conf)
    if not neural_art.is_file():
        raise UserError(f"{conf}: user_neural_art: there is no file {neural_art}")
    templates = tuple(
        replace(template, target=template.target.resolve()) for template in _with_headers(build.templates, root, conf)
    )
    for template in templates:
        _check_inside(folder, template.target, f"{conf}: templates: {template.source}")
    application = location / build.cubeide_name / f"{_artefact(location, name, build.cubeide_name, conf)}.bin"
    return CProject(folder, conf, build, location, name, application, fsbl, neural_art, templates)


def _check_inside(folder: Path, path: Path, what: str) -> None:
    """Nothing is written elsewhere than in the project."""
    if not path.is_relative_to(folder):
        raise UserError(f"{what}: {path} is outside of deployment.c_project_path, {folder}")


def _only(root: Path, name: str, key: str, conf: Path) -> Path:
    """The one file of that name (or path) in the folder or below."""
    if (root / name).is_file():
        return root / name
    found = sorted(path for path in root.rglob(glob.escape(Path(name).name)) if path.is_file())
    if len(found) == 1:
        return found[0]
    if found:
        paths = ", ".join(shown(path) for path in found)
        raise UserError(f"{conf}: several files {name}: {paths}; say by the key '{key}' which one it is")
    raise UserError(f"{conf}: there is no {name} in {root} or below it; name it by the key '{key}', if it is elsewhere")


def _project_name(path: Path, conf: Path) -> str:
    if not path.is_file():
        raise UserError(f"{conf}: cproject_location: there is no {path}; it is the folder of the CubeIDE project")
    name = (_xml(path).findtext("name") or "").strip()
    if not name:
        raise UserError(f"{path}: the element <name> of the CubeIDE project is missing")
    return name


def _artefact(location: Path, project: str, configuration: str, conf: Path) -> str:
    """What CubeIDE calls the program of a configuration; that of the project where .cproject does not say."""
    path = location / ".cproject"
    if not path.is_file():
        return project
    named = {
        element.get("name"): element.get("artifactName")
        for element in _xml(path).iter("configuration")
        if element.get("name")
    }
    if named and configuration not in named:
        near = nearest(configuration, named)
        hint = f" (did you mean {near}?)" if near else ""
        raise UserError(
            f"{conf}: cproject_config: CubeIDE's project has no configuration '{configuration}'; those of {path} are "
            f"{', '.join(named)}{hint}"
        )
    artefact = named.get(configuration) or "${ProjName}"
    return artefact.replace("${ProjName}", project).replace("${ConfigName}", configuration)


def _xml(path: Path) -> ElementTree.Element:
    try:
        return ElementTree.parse(path).getroot()
    except (ElementTree.ParseError, LookupError, ValueError) as error:
        raise UserError(f"{path}: no XML, as CubeIDE's projects are: {error}") from error
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {reason_of(error)}") from error


def _with_headers(templates: tuple[Template, ...], root: Path, conf: Path) -> tuple[Template, ...]:
    """The templates, and those of the headers that the file does not list: they go where the application has them."""
    listed = {template.source for template in templates}
    missing = [name for name in HEADERS if name not in listed]
    if not missing:
        return templates
    folder = root / HEADERS_FOLDER
    if not folder.is_dir():
        folder = _only(root, CONFIG_HEADER, "templates", conf).parent
    return (*templates, *(Template(name, folder / name) for name in missing))
