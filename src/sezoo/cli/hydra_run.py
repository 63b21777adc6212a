"""Hydra: the configuration file, overrides, multirun and the run's folder."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sezoo.base.errors import UserError
from sezoo.base.files import write_text
from sezoo.base.processes import is_helper
from sezoo.cli.hydra_errors import as_user_error
from sezoo.cli.hydra_words import (
    DEFAULT_NAME,
    config_file,
    keys_of,
    quote,
    to_override,
    words_for_hydra,
)
from sezoo.cli.yaml_file import path_of, read_checked
from sezoo.config.sections import Config
from sezoo.config.validation import build_config
from sezoo.config.values import ENVIRONMENT_VARIABLE, expand
from sezoo.run.folder import CONFIG_NAME, HYDRA_FOLDER, claim_run_folder, is_at_work_in, remove_without_results

__all__ = ["compose_file", "run_with_hydra"]

RUN_FOLDER = "./experiment_outputs/${now:%Y_%m_%d_%H_%M_%S}"
JOB_NAME = "stm32ai_main"
"""The run's log is named after it, whichever command started the run."""

FULL_ERROR = "HYDRA_FULL_ERROR"
MASKED_VARIABLE = re.compile("\ue000(\\w+)\ue001")
"""An environment variable while OmegaConf is at work, in characters that nobody else uses."""

MAY_SET_MODE = re.compile(r"[+~]*(hydra(?!\.(run|sweep|job)\.)|[^.=]+=)|--config-dir|-cd")
"""The beginning of words for Hydra by which `hydra.mode` may be set; `group=option` reads another file."""


def run_with_hydra(
    arguments: Sequence[str],
    folder: Path,
    task: Callable[[Config, Path], None],
    check: Callable[[Config, Path], None] = lambda config, folder: None,
) -> None:
    """Compose the configuration from the command line and call `task` with it, once or once per multirun job.

    Parameters
    ----------
    arguments : Hydra's: --config-path, --config-name, --multirun, overrides ...
    folder : of the configuration file, where --config-path does not say otherwise.
    task : is given the configuration and the run's folder.
    check : is called with them too, before anything is written there.

    Raises
    ------
    UserError : no such file, broken YAML, an impossible override, a wrong value.
    """
    path, rest = config_file(arguments, folder)
    raw = read_checked(path)
    expanded = _expanded_hydra_section(raw)
    words = [f"--config-path={path.parent}", f"--config-name={path.stem}"]
    words += [f"{key}={quote(value)}" for key, (value, _) in expanded.items()]
    words += words_for_hydra(rest)
    may_set_mode = _may_set_mode(raw, rest)
    written = {value: text for value, text in expanded.values()}
    if not is_helper():
        _run_with_hydra(words, path, task, check, written, may_set_mode)
        return
    with TemporaryDirectory() as nowhere:  # the first process is the run
        words += [f"++{key}={quote(nowhere)}" for key in ("hydra.run.dir", "hydra.sweep.dir")]
        _run_with_hydra([*words, "++mlflow.uri=null"], path, task, check, written, may_set_mode)


def _run_with_hydra(
    words: Sequence[str],
    path: Path,
    task: Callable[[Config, Path], None],
    check: Callable[[Config, Path], None],
    written: Mapping[str, str],
    may_set_mode: bool,
) -> None:
    """Run with these words.

    Parameters
    ----------
    written : texts of the `hydra` section as they stand in the file, by what environment variables make of them.
    may_set_mode : whether `hydra.mode` may be set, other than by --multirun.
    """
    import hydra
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode

    _set_hydra_defaults()
    failures: list[Exception] = []

    def job(composed: Any) -> None:
        hydra_config = HydraConfig.get()
        output = Path(hydra_config.runtime.output_dir)
        try:
            config = _config_of(composed, path, hydra_config.overrides.task)
            check(config, output)
            output = claim_run_folder(
                output, named_by_time=_is_named_by_time(HydraConfig.instance().cfg, hydra_config.mode)
            )
            _write_composed(composed, HydraConfig.instance().cfg, output / HYDRA_FOLDER, written)
            task(config, output)
        except (UserError, KeyboardInterrupt) as error:
            if not is_at_work_in(output):  # Hydra has made the folder, whether anything came of the run or not
                remove_without_results(output)
            if isinstance(error, KeyboardInterrupt) or hydra_config.mode is RunMode.MULTIRUN:
                raise  # Hydra then says which of the jobs it was
            failures.append(error)
        except Exception as error:
            failures.append(error)
            raise

    try:
        with _command_line(words), nullcontext() if may_set_mode else _without_search_for_mode():
            hydra.main(version_base="1.3", config_path=None, config_name=DEFAULT_NAME)(job)()
    except Exception as error:
        if error in failures:  # a fault of the program, not of the configuration
            raise
        raise as_user_error(error, path) from error
    if failures:
        raise failures[0]


def _is_named_by_time(hydra_config: Any, mode: Any) -> bool:
    """Whether the folder of the run, or of the sweep that it is in, has the time in its name."""
    from hydra.types import RunMode
    from omegaconf import OmegaConf

    raw = OmegaConf.to_container(hydra_config, resolve=False)["hydra"]
    return "${now:" in str(raw["sweep" if mode is RunMode.MULTIRUN else "run"]["dir"])


def _write_composed(composed: Any, hydra_config: Any, folder: Path, written: Mapping[str, str]) -> None:
    """Write the files that Hydra would write, but atomically, without secrets, and with an error for a full disk."""
    from omegaconf import OmegaConf

    def as_written(text: str) -> str:
        for value, variables in written.items():
            text = text.replace(value, variables)
        return text

    plain = OmegaConf.to_container(hydra_config, resolve=False)
    write_text(folder / CONFIG_NAME, OmegaConf.to_yaml(composed))
    write_text(folder / "hydra.yaml", OmegaConf.to_yaml(OmegaConf.create(_with_texts(plain, as_written))))
    write_text(folder / "overrides.yaml", OmegaConf.to_yaml(hydra_config.hydra.overrides.task))


@contextmanager
def _command_line(words: Sequence[str]) -> Iterator[None]:
    """Hydra reads `sys.argv`; here it finds `words` there, and raises what it would print and exit with."""
    arguments, full_error = sys.argv, os.environ.get(FULL_ERROR)
    sys.argv, os.environ[FULL_ERROR] = [arguments[0], *words], "1"
    try:
        yield
    finally:
        sys.argv = arguments
        del os.environ[FULL_ERROR]
        if full_error is not None:
            os.environ[FULL_ERROR] = full_error


def _may_set_mode(raw: Mapping[str, Any], words: Iterable[str]) -> bool:
    """Whether a file or the words behind it may set `hydra.mode`, by themselves or by another file that they name."""
    section = raw.get("hydra")
    keys = {*raw, *(f"hydra.{key}" for key in section or () if isinstance(section, Mapping))}
    return not keys.isdisjoint({"defaults", "hydra.defaults", "hydra.mode"}) or any(map(MAY_SET_MODE.match, words))


@contextmanager
def _without_search_for_mode() -> Iterator[None]:
    """Hydra composes the whole configuration once more, only to look for `hydra.mode`; here it is not set."""
    from hydra._internal.hydra import Hydra

    search = Hydra.get_mode
    Hydra.get_mode = lambda *_, **__: None
    try:
        yield
    finally:
        Hydra.get_mode = search


def compose_file(path: Path, overrides: Sequence[str] = ()) -> Config:
    """The checked configuration of a file and overrides, without running anything.

    Raises
    ------
    UserError : as `run_with_hydra`.
    """
    path = path_of(path)
    read_checked(path)
    words = [to_override(override) for override in overrides]
    from hydra import compose, initialize_config_dir

    try:
        with initialize_config_dir(str(path.parent), version_base="1.3"):
            composed = compose(path.stem, words)
    except Exception as error:
        raise as_user_error(error, path) from error
    return _config_of(composed, path, words)


def _expanded_hydra_section(raw: dict[str, Any]) -> dict[str, tuple[str, str]]:
    """The texts of the file's own `hydra` section with environment variables or `~` in them, by key: expanded, and as
    they stand there.

    The other sections are expanded once they are composed; this one Hydra reads before that.
    """
    names = set(raw)

    def leaves(value: Any, key: str) -> Iterator[tuple[str, tuple[str, str]]]:
        if isinstance(value, dict):
            for name, entry in value.items():
                yield from leaves(entry, f"{key}.{name}")
        elif isinstance(value, str) and (set(ENVIRONMENT_VARIABLE.findall(value)) - names or value.startswith("~/")):
            text = str(expand({key: value})[key] or "")
            yield key, (str(Path(text).expanduser()) if text.startswith("~/") else text, value)

    return dict(leaves(raw.get("hydra"), "hydra"))


def _set_hydra_defaults() -> None:
    """Hydra's defaults, which the file's own `hydra` section overrides: the run's folder, and no logging."""
    from hydra.conf import HydraConf, RunDir, SweepDir
    from hydra.core.config_store import ConfigStore

    config = HydraConf(run=RunDir(RUN_FOLDER), sweep=SweepDir(dir=RUN_FOLDER, subdir="${hydra.job.num}"))
    config.job.name, config.output_subdir = JOB_NAME, None  # see _write_composed
    for default in config.defaults:
        for key in {"hydra_logging", "job_logging"} & default.keys():
            default[key] = "none"
    ConfigStore.instance().store(group="hydra", name="config", node=config, provider="sezoo")


def _config_of(composed: Any, path: Path, overrides: Iterable[str]) -> Config:
    """The typed configuration of what Hydra has composed of a file and overrides."""
    from omegaconf.errors import OmegaConfBaseException

    try:
        return build_config(_plain(composed), keys_of(overrides))
    except OmegaConfBaseException as error:  # an interpolation of what is not there
        raise as_user_error(error, path) from error


def _plain(composed: Any) -> dict[str, Any]:
    """The composed configuration as plain containers, `${a.b}` and `${resolver:...}` replaced.

    `${NAME}` stays for `build_config`, which takes it from the environment, unless a section is called so.
    """
    from omegaconf import OmegaConf

    raw = OmegaConf.to_container(composed, resolve=False)
    raw.pop("hydra", None)

    def masked(text: str) -> str:
        # Not escaped with a backslash, as OmegaConf has it: a path of Windows may end in one before the variable.
        return ENVIRONMENT_VARIABLE.sub(lambda found: found[0] if found[1] in raw else f"\ue000{found[1]}\ue001", text)

    resolved = OmegaConf.to_container(OmegaConf.create(_with_texts(raw, masked)), resolve=True)
    return _with_texts(resolved, lambda text: MASKED_VARIABLE.sub(r"${\1}", text))


def _with_texts(value: Any, change: Callable[[str], str]) -> Any:
    """The container with every text in it changed."""
    if isinstance(value, dict):
        return {key: _with_texts(entry, change) for key, entry in value.items()}
    if isinstance(value, list):
        return [_with_texts(entry, change) for entry in value]
    return change(value) if isinstance(value, str) else value
