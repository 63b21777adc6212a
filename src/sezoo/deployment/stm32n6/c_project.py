"""Files and folders of ST's C project that building and flashing need."""

from __future__ import annotations

import glob
from dataclasses import dataclass, replace
from pathlib import Path
from xml.etree import ElementTree

from sezoo.base.errors import UserError
from sezoo.base.files import display_path, reason_of
from sezoo.base.text import closest_match
from sezoo.config.sections import Deployment
from sezoo.deployment.stm32n6.conf_file import BuildConfiguration, Template, find_conf, read_conf
from sezoo.deployment.stm32n6.headers import CONFIG_HEADER, HEADERS
from sezoo.deployment.stm32n6.relaxed_json import read_relaxed_json
from sezoo.deployment.stm32n6.runtime import RUNTIME

__all__ = ["CProject", "read_c_project"]

NEURAL_ART = "user_neural_art.json"
FSBLS = ("ai_fsbl.hex", "fsbl_fw_lrun_v1.2.0.bin")
"""Names of the first-stage boot loader in the versions of the project."""

SOURCES_FOLDER, HEADERS_FOLDER = Path("Projects", "GS"), Path("Projects", "Dpu")
"""Folders of ST's audio application: sources with the Makefile, and headers."""

PROJECT_NAME = "GS_Audio_N6"
MAKE_OUTPUT = "BuildGCC"
"""Output folder beside the Makefile, with a folder per build configuration."""

NETWORK = "network.c"
NETWORK_FILES = ("network.h", "stai_network.c", "stai_network.h")
"""Additional files that ST Edge AI 3 writes."""


@dataclass(frozen=True)
class CProject:
    """The C project with one of its build configurations.

    Attributes
    ----------
    folder : folder of the user's download; nothing outside it is written.
    conf : path of the project's .conf file.
    build : the build configuration in that file.
    location : folder of the CubeIDE project, or of the Makefile.
    name : name of the CubeIDE project.
    application : output of the build, a .bin file in a folder of its own.
    fsbl : first-stage boot loader, .hex or .bin.
    neural_art : file of stedgeai's compiler profiles.
    templates : files and folders to copy, including the headers.
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

    @property
    def make_target(self) -> str:
        """The Makefile's target for the configuration."""
        return self.build.cubeide_name.lower()


def read_c_project(deployment: Deployment) -> CProject:
    """Find the required files of the project in `deployment.c_project_path`.

    Raises
    ------
    UserError : a file is missing or ambiguous; the message names it and the key of the project's .conf file.
    """
    conf = find_conf(deployment.c_project_path)
    folder, root = deployment.c_project_path.resolve(), conf.parent
    build = read_conf(conf, deployment.build_conf)
    places = _of_makefile if deployment.builder == "make" else _of_cubeide
    location, name, application = places(root, build, conf)
    key = "app_src_root" if deployment.builder == "make" else "cproject_location"
    _check_inside(folder, application.parent, f"{conf}: {key}")
    fsbl = _fsbl(root, build.fsbl, conf)
    neural_art = build.neural_art or _only(root, NEURAL_ART, "neuralart_user_path", conf)
    if not neural_art.is_file():
        raise UserError(f"{conf}: neuralart_user_path: there is no file {neural_art}")
    _check_profile(build.profile, neural_art, conf)
    templates = tuple(
        replace(template, target=template.target.resolve()) for template in _with_unlisted(build.templates, root, conf)
    )
    for template in templates:
        _check_target(folder, template, conf)
    return CProject(folder, conf, build, location, name, application, fsbl, neural_art, templates)


def _of_cubeide(root: Path, build: BuildConfiguration, conf: Path) -> tuple[Path, str, Path]:
    """Return the folder and the name of the CubeIDE project, and the program that it builds."""
    location = (build.location or _only(root, ".project", "cproject_location", conf).parent).resolve()
    name = _project_name(location / ".project", conf)
    program = f"{_artefact(location, name, build.cubeide_name, conf)}.bin"
    return location, name, (location / build.cubeide_name).resolve() / program


def _of_makefile(root: Path, build: BuildConfiguration, conf: Path) -> tuple[Path, str, Path]:
    """Return the folder of the Makefile, the project's name, and the program that it builds."""
    location = (build.sources or root / SOURCES_FOLDER).resolve()
    if not (location / "Makefile").is_file():
        raise UserError(
            f"deployment.builder: make: there is no Makefile in {location}; this version of ST's project is built with "
            f"deployment.builder: cubeide, or set 'app_src_root' in {conf} to the folder of its Makefile"
        )
    name = build.project_name or PROJECT_NAME
    return location, name, (location / MAKE_OUTPUT / build.cubeide_name).resolve() / f"{name}.bin"


def _check_profile(profile: str, neural_art: Path, conf: Path) -> None:
    """Check that the profiles file, if it lists profiles, has the compiler's profile."""
    profiles = read_relaxed_json(neural_art).get("Profiles")
    if isinstance(profiles, dict) and profile not in profiles:
        raise UserError(
            f"{conf}: profile: found '{profile}'; allowed, by {neural_art}: {', '.join(profiles) or 'none'}"
        )


def _fsbl(root: Path, named: str | None, conf: Path) -> Path:
    """Return the first-stage boot loader: the configured one, else the only file with a known name."""
    if named is None:
        named = next((name for name in FSBLS if any(path.is_file() for path in root.rglob(name))), FSBLS[0])
    return _only(root, named, "fsbl_bin", conf)


def _check_target(folder: Path, template: Template, conf: Path) -> None:
    what = f"{conf}: templates: {template.source or template.target.name}"
    _check_inside(folder, template.target, what)
    if template.is_folder and RUNTIME not in _folders_above(template.target, folder):
        raise UserError(
            f"{what}: {template.target} is to be replaced as a whole; that is done with folders of ST Edge AI's "
            f"runtime, below {RUNTIME.as_posix()}, alone"
        )
    if not template.is_folder and template.target.is_dir():
        raise UserError(f"{what}: {template.target} is a folder; the path of a file is expected")


def _folders_above(path: Path, top: Path) -> list[Path]:
    """Return the last three parts of each folder between the two paths."""
    above = path.relative_to(top).parents
    return [Path(*folder.parts[-len(RUNTIME.parts) :]) for folder in above]


def _check_inside(folder: Path, path: Path, what: str) -> None:
    """Check that a path to write is inside the project."""
    if not path.is_relative_to(folder):
        raise UserError(f"{what}: {path} is outside of deployment.c_project_path, {folder}")


def _only(root: Path, name: str, key: str, conf: Path) -> Path:
    """Return the only file with that name (or path) in the folder or below it."""
    if (root / name).is_file():
        return root / name
    found = sorted(path for path in root.rglob(glob.escape(Path(name).name)) if path.is_file())
    if len(found) == 1:
        return found[0]
    if found:
        paths = ", ".join(display_path(path) for path in found)
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
    """Return CubeIDE's program name for a configuration; the project's name if .cproject has none."""
    path = location / ".cproject"
    if not path.is_file():
        return project
    named = {
        element.get("name"): element.get("artifactName")
        for element in _xml(path).iter("configuration")
        if element.get("name")
    }
    if named and configuration not in named:
        near = closest_match(configuration, named)
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


def _with_unlisted(templates: tuple[Template, ...], root: Path, conf: Path) -> tuple[Template, ...]:
    """Return the templates with those that the .conf file does not list.

    Headers replace those of the application; additional files of ST Edge AI 3 are copied beside the network.
    """
    listed = {template.source for template in templates}
    added: list[Template] = []
    if missing := [name for name in HEADERS if name not in listed]:
        folder = root / HEADERS_FOLDER
        if not folder.is_dir():
            folder = _only(root, CONFIG_HEADER, "templates", conf).parent
        added += [Template(name, folder / name, is_listed=False) for name in missing]
    network = next((template.target for template in templates if template.source == NETWORK), None)
    if network is not None:
        missing = [name for name in NETWORK_FILES if name not in listed]
        added += [Template(name, network.with_name(name), is_listed=False) for name in missing]
    return (*templates, *added)
