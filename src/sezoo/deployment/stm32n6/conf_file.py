"""Reader of the build file of ST's C project, `stmaic_STM32N6570-DK.conf`, which is JSON with comments.

The only required key is `configurations`: the build configurations, a list of objects with a `name` (or a mapping of
names to objects). Keys missing in a configuration are looked up in its `env`, then at the top level of the file, then
in its `memory_pool` and `env`. Strings may refer to values of `env` and to other values as `${name}`;
`${ProjectFolder}` is the folder of the file. Other keys are ignored.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from sezoo.base.errors import UserError
from sezoo.base.files import display_path
from sezoo.deployment.stm32n6.build_names import find_build_name
from sezoo.deployment.stm32n6.conf_values import ConfValues
from sezoo.deployment.stm32n6.relaxed_json import read_relaxed_json

__all__ = ["CONF_NAME", "FLASH_BEGIN", "BuildConfiguration", "FlashAddresses", "Template", "find_conf", "read_conf"]

BOARD = "STM32N6570-DK"
CONF_NAME = f"stmaic_{BOARD}.conf"

ADDRESS = re.compile(r"(?<!\w)0[xX][0-9a-fA-F]+(?!\w)")

FLASH_BEGIN, FLASH_END = 0x70000000, 0x78000000
"""Address range of the board's external flash, 128 MiB."""

COPY_MODES = ("copy", "copy-file")
FOLDER_MODE = "copy-dir"


@dataclass(frozen=True)
class Template:
    """A file, or a folder of ST Edge AI's runtime, to copy into the C project.

    Attributes
    ----------
    source : name of a generated file; for a folder, its path in ST Edge AI's installation, or "" for the same path as
        in the project.
    target : destination, an absolute path.
    is_folder : whether a folder of the installation replaces the target as a whole.
    is_listed : whether the project's file lists it; otherwise it is added here and may be missing.
    """

    source: str
    target: Path
    is_folder: bool = False
    is_listed: bool = True


@dataclass(frozen=True)
class FlashAddresses:
    """Addresses of the three parts in the board's external flash."""

    fsbl: int = FLASH_BEGIN
    application: int = 0x70100000
    weights: int = 0x70180000

    def room(self, address: int) -> int:
        """Return the number of bytes from one of the addresses to the next one, or to the end of the flash."""
        return min([other for other in (*vars(self).values(), FLASH_END) if other > address]) - address


@dataclass(frozen=True)
class BuildConfiguration:
    """A build configuration of the C project; values are None if the file does not specify them.

    Attributes
    ----------
    name : name in the file.
    cubeide_name : name of the configuration in CubeIDE (`cproject_config`; by default the same).
    project_name : name of the project in CubeIDE (`cproject_name`).
    location : folder of the CubeIDE project (`cproject_location`).
    sources : folder of the application, with its Makefile (`app_src_root`).
    templates : files and folders to copy before the build.
    fsbl : name or path of the first-stage boot loader (`fsbl_bin`).
    neural_art : file of compiler profiles (`neuralart_user_path` of `memory_pool`, or `user_neural_art`).
    profile : name of the compiler profile.
    external_loader : file name of STM32CubeProgrammer's loader for the board's flash.
    addresses : addresses in `flash_fsbl_cmd`, `flash_cmd` and `flash_network_data_cmd`.
    """

    name: str
    cubeide_name: str
    project_name: str | None
    location: Path | None
    sources: Path | None
    templates: tuple[Template, ...]
    fsbl: str | None
    neural_art: Path | None
    profile: str
    external_loader: str | None
    addresses: FlashAddresses


def find_conf(project: Path | None) -> Path:
    """Find the file in the folder of the C project or below it.

    Raises
    ------
    UserError : there is no folder, no such file in it, or several.
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
        folders = ", ".join(display_path(path.parent) for path in found)
        raise UserError(f"{key}: {project} holds several projects; name one of them: {folders}")
    others = sorted({path.name for path in project.rglob("stmaic_*.conf")})
    what = f"it is for other boards ({', '.join(others)})" if others else "it is not ST's C project, or not all of it"
    raise UserError(
        f"{key}: there is no {CONF_NAME} in {project} or below it: {what}; give the folder of ST's audio project for "
        f"the {BOARD}"
    )


def read_conf(path: Path, name: str | None) -> BuildConfiguration:
    """Read the build configuration named by `deployment.build_conf`; the first one if it is None.

    Raises
    ------
    UserError : invalid JSON, a project for another board, a missing key, an unknown configuration, or an unresolved
        reference.
    """
    content = read_relaxed_json(path)
    configurations = _configurations(content, path)
    name = find_build_name(name, configurations, path)
    values = ConfValues(path, name, content, configurations[name])
    _check_board(values)
    return BuildConfiguration(
        name=name,
        cubeide_name=values.name_of("cproject_config", name),
        project_name=values.name_of("cproject_name"),
        location=values.path_of("cproject_location"),
        sources=values.path_of("app_src_root"),
        templates=tuple(_templates(values)),
        fsbl=values.text("fsbl_bin"),
        neural_art=values.path_of("neuralart_user_path") or values.path_of("user_neural_art"),
        profile=values.text("profile") or "default",
        external_loader=values.text("external_loader"),
        addresses=_addresses(values),
    )


def _configurations(content: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """Return the configurations by name, in the file's order."""
    found = content.get("configurations")
    if not isinstance(found, list | dict) or not found:
        what = "is missing" if found is None else "is no list of configurations, or an empty one"
        raise UserError(f"{path}: the key 'configurations' {what}; it lists what can be built")
    if isinstance(found, dict):
        return found
    named: dict[str, Any] = {}
    for number, entry in enumerate(found):
        key = f"configurations[{number}]"
        name = entry.get("name") if isinstance(entry, dict) else None
        if not isinstance(name, str) or not name:
            raise UserError(f"{path}: {key}: an object with the key 'name' is expected, a text")
        if name in named:
            raise UserError(f"{path}: {key}: there are two configurations '{name}'")
        named[name] = entry
    return named


def _check_board(values: ConfValues) -> None:
    """Check that the project is for this board, if it specifies one."""
    for key, allowed in (("series", "STM32N6"), ("board", BOARD)):
        said = values.text(key)
        letters, wanted = (re.sub(r"[^A-Z0-9]", "", (text or "").upper()) for text in (said, allowed))
        if letters and letters not in wanted and wanted not in letters:
            raise UserError(f"{values.conf}: {key}: found '{said}'; deployment.backend: stm32n6 is for the {BOARD}")


def _templates(values: ConfValues) -> Iterator[Template]:
    listed = values.get("templates")
    if isinstance(listed, str):  # a key whose value is the list
        listed = values.get(listed)
    if not isinstance(listed, list) or not listed:
        found = "is missing" if listed is None else "is no list, or an empty one"
        raise UserError(
            f"{values.conf}: the key 'templates' {found}, for '{values.name}' and at the top; it lists the generated "
            'files and where they go: [["network.c", "${ProjectFolder}/..."], ...]'
        )
    for number, entry in enumerate(listed):
        key = f"templates[{number}]"
        if not isinstance(entry, list) or len(entry) < 2 or not all(isinstance(part, str) for part in entry):
            raise UserError(f"{values.conf}: {key}: found {entry!r}; a source and a target are expected, two texts")
        mode = entry[2] if len(entry) > 2 else COPY_MODES[0]
        if mode not in (*COPY_MODES, FOLDER_MODE):
            allowed = ", ".join((*COPY_MODES, FOLDER_MODE))
            raise UserError(f"{values.conf}: {key}: found {mode!r}; allowed: {allowed}")
        source, target = (values.expand(part, key) for part in entry[:2])
        if not target:
            raise UserError(f"{values.conf}: {key}: the target is empty")
        if _leads_away(source):
            raise UserError(
                f"{values.conf}: {key}: found '{source}'; the source is the name of a generated file, or a folder "
                "of ST Edge AI by its path in the installation"
            )
        path = values.path(target)
        is_folder = mode == FOLDER_MODE
        yield Template(source or ("" if is_folder else path.name), path, is_folder)


def _addresses(values: ConfValues) -> FlashAddresses:
    defaults = FlashAddresses()
    return FlashAddresses(
        _address(values, "flash_fsbl_cmd", defaults.fsbl),
        _address(values, "flash_cmd", defaults.application),
        _address(values, "flash_network_data_cmd", defaults.weights),
    )


def _address(values: ConfValues, key: str, default: int) -> int:
    """Return the last number in a command for STM32CubeProgrammer."""
    command = values.get(key)
    numbers = ADDRESS.findall(command) if isinstance(command, str) else []
    address = int(numbers[-1], 16) if numbers else default
    if not FLASH_BEGIN <= address < FLASH_END:
        raise UserError(
            f"{values.conf}: {key}: found the address {address:#x}; the board's external flash is from "
            f"{FLASH_BEGIN:#x} to {FLASH_END:#x}"
        )
    return address


def _leads_away(source: str) -> bool:
    """Return whether a path is absolute or has "..", on any operating system."""
    paths = (PurePosixPath(source), PureWindowsPath(source))
    return any(path.anchor or ".." in path.parts for path in paths)
