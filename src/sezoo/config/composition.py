"""Hydra: the configuration file, overrides, multirun and the run's folder."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from sezoo.config.sections import SECTIONS, Config
from sezoo.config.validation import build_config
from sezoo.errors import UserError

__all__ = ["compose_file", "run_with_hydra"]

DEFAULT_NAME = "user_config"
RUN_FOLDER = "./experiment_outputs/${now:%Y_%m_%d_%H_%M_%S}"
JOB_NAME = "stm32ai_main"
"""The run's log is named after it, whichever command started the run."""

ENVIRONMENT_VARIABLE = re.compile(r"(?<!\\)\$\{([A-Za-z_]\w*)\}")


def run_with_hydra(arguments: Sequence[str], folder: Path, task: Callable[[Config, Path], None]) -> None:
    """Compose the configuration from the command line and call `task` with it, once or once per multirun job.

    Parameters
    ----------
    arguments : Hydra's: --config-path, --config-name, --multirun, overrides ...
    folder : of the configuration file, where --config-path does not say otherwise.
    task : is given the configuration and the run's folder.

    Raises
    ------
    UserError : no such file, broken YAML, an impossible override, a wrong value.
    """
    rest, config_folder, name = _split_config_options(arguments, folder)
    _check_file(config_folder, name)
    import os

    os.environ["HYDRA_FULL_ERROR"] = "1"  # its exceptions as they are, not printed and turned into exit code 1
    import hydra
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode

    _set_hydra_defaults()

    failures = []

    def job(composed: Any) -> None:
        hydra_config = HydraConfig.get()
        output = Path(hydra_config.runtime.output_dir)
        try:
            task(_checked(composed, output), output)
        except UserError as error:
            if hydra_config.mode is RunMode.MULTIRUN:
                raise  # Hydra then says which of the jobs it was
            failures.append(error)

    sys.argv = [sys.argv[0], f"--config-path={config_folder}", f"--config-name={name}", *_added(rest)]
    try:
        hydra.main(version_base="1.3", config_path=None, config_name=DEFAULT_NAME)(job)()
    except Exception as error:
        raise _as_user_error(error, config_folder / f"{name}.yaml") from error
    if failures:
        raise failures[0]


def compose_file(path: Path, overrides: Sequence[str] = ()) -> Config:
    """The checked configuration of a file and overrides, without running anything.

    Raises
    ------
    UserError : as `run_with_hydra`.
    """
    path = path.absolute()
    _check_file(path.parent, path.stem)
    from hydra import compose, initialize_config_dir

    try:
        with initialize_config_dir(str(path.parent), version_base="1.3"):
            composed = compose(path.stem, list(_added(overrides)))
        return build_config(_plain(composed))
    except Exception as error:
        raise _as_user_error(error, path) from error


def _split_config_options(arguments: Sequence[str], folder: Path) -> tuple[list[str], Path, str]:
    """Hydra's other arguments, and the file's folder and name; a relative folder is the working directory's."""
    import argparse

    options = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    options.add_argument("--config-path", "-cp", type=Path, default=folder)
    options.add_argument("--config-name", "-cn", default=DEFAULT_NAME)
    try:
        known, rest = options.parse_known_args(list(arguments))
    except argparse.ArgumentError as error:
        raise UserError(f"command line: {error}") from error
    return rest, known.config_path.absolute(), re.sub(r"\.ya?ml$", "", known.config_name)


def _check_file(folder: Path, name: str) -> None:
    if (folder / f"{name}.yaml").is_file():
        return
    if not folder.is_dir():
        raise UserError(f"--config-path: there is no folder {folder}")
    others = sorted(path.name for path in folder.glob("*.yaml"))
    found = f"it holds {', '.join(others[:5])}" if others else "it holds no .yaml file"
    raise UserError(f"there is no {name}.yaml in {folder}; {found}; see --config-path and --config-name")


def _added(overrides: Sequence[str]) -> list[str]:
    """Overrides of known sections with Hydra's `++`: they may set keys that the file does not mention."""
    known = {*SECTIONS, "operation_mode"}
    return [
        f"++{override}" if re.split(r"[.=]", override, maxsplit=1)[0] in known else override for override in overrides
    ]


def _set_hydra_defaults() -> None:
    """What Hydra does where the file's own `hydra` section says nothing else: the run's folder, and no logging."""
    from hydra.conf import HydraConf, RunDir, SweepDir
    from hydra.core.config_store import ConfigStore

    config = HydraConf(run=RunDir(RUN_FOLDER), sweep=SweepDir(dir=RUN_FOLDER, subdir="${hydra.job.num}"))
    config.job.name = JOB_NAME
    for default in config.defaults:
        for key in {"hydra_logging", "job_logging"} & default.keys():
            default[key] = "none"
    ConfigStore.instance().store(group="hydra", name="config", node=config, provider="sezoo")


def _checked(composed: Any, folder: Path) -> Config:
    """The typed configuration; where it is wrong the run's folder, which Hydra has made already, goes again."""
    from sezoo.run import remove_without_results

    try:
        return build_config(_plain(composed))
    except UserError:
        remove_without_results(folder)
        raise


def _plain(composed: Any) -> dict[str, Any]:
    """The composed configuration as plain containers, `${a.b}` and `${resolver:...}` replaced.

    `${NAME}` stays for `build_config`, which takes it from the environment, unless a section is called so.
    """
    from omegaconf import OmegaConf

    raw = OmegaConf.to_container(composed, resolve=False)
    raw.pop("hydra", None)
    return OmegaConf.to_container(OmegaConf.create(_escaped(raw, names=set(raw))), resolve=True)


def _escaped(value: Any, names: set[str]) -> Any:
    if isinstance(value, dict):
        return {key: _escaped(entry, names) for key, entry in value.items()}
    if isinstance(value, list):
        return [_escaped(entry, names) for entry in value]
    if not isinstance(value, str):
        return value
    return ENVIRONMENT_VARIABLE.sub(lambda found: found[0] if found[1] in names else "\\" + found[0], value)


def _as_user_error(error: Exception, path: Path) -> Exception:
    """Hydra's, OmegaConf's and YAML's complaints in one line; anything else as it is."""
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException
    from yaml import MarkedYAMLError, YAMLError

    from sezoo.files import reason_of

    if isinstance(error, MarkedYAMLError) and error.problem_mark is not None:
        mark = error.problem_mark
        return UserError(f"{path}, line {mark.line + 1}, column {mark.column + 1}: no valid YAML: {error.problem}")
    if isinstance(error, HydraException | OmegaConfBaseException | YAMLError):
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        return UserError(f"{path}: {' '.join(lines[:3])}")
    if isinstance(error, OSError) and error.filename is not None:
        return UserError(f"cannot write {error.filename}: {reason_of(error)}")
    return error
