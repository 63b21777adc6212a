"""Deployment of a static int8 model to the board with ST's tools, step by step."""

from __future__ import annotations

import logging
import shutil
import sys
from dataclasses import replace
from pathlib import Path

from sezoo.audio.stft import stft_of
from sezoo.base.errors import UserError
from sezoo.base.files import (
    atomic_folder,
    atomic_write,
    check_writable,
    display_path,
    reason_of,
    unused_path,
    write_text,
)
from sezoo.config.sections import Config
from sezoo.denoising.backend import PATCH, STM32N6, board_of
from sezoo.denoising.latency import latency_samples
from sezoo.denoising.run_models import static_frames_of
from sezoo.deployment.checks import with_patch_lengths
from sezoo.deployment.stm32n6.c_project import CProject, read_c_project
from sezoo.deployment.stm32n6.checks import check_model, check_settings
from sezoo.deployment.stm32n6.headers import header_texts
from sezoo.deployment.stm32n6.project_files import change_project
from sezoo.deployment.stm32n6.runtime import find_runtime
from sezoo.deployment.stm32n6.steps import Places, Step, command_line, steps_of
from sezoo.deployment.stm32n6.tools import Toolbox, find_tools, plain_tools
from sezoo.models.onnx_file import load_configured, load_onnx
from sezoo.results.deployment import Application, Deployment
from sezoo.run.run import Run
from sezoo.targets.programs import last_lines, run_program
from sezoo.targets.stedgeai.local import parse_version

__all__ = ["check_stm32n6", "deploy_stm32n6"]

log = logging.getLogger(__name__)

WEIGHTS = ("network_atonbuf.xSPI2.raw", "network_atonbuf.xSPI2.bin", "network_data.bin")
"""stedgeai's file names for the weights in the board's external flash."""


def check_stm32n6(config: Config) -> None:
    """Check the settings, the C project and the tools before the model exists.

    Raises
    ------
    UserError : the first setting that does not fit, or the first file or tool that is missing.
    """
    check_settings(config)
    project = read_c_project(config.deployment)
    if not config.deployment.dry_run:
        find_runtime(project.templates, find_tools(config).stedgeai, project.folder)
        check_writable(project.folder, "deployment.c_project_path")


def deploy_stm32n6(run: Run, model_path: Path) -> None:
    """Compile the model, build and sign the application, and flash everything to the board.

    The outputs and the logs of all programs go to `deployment` in the run's folder. With `deployment.dry_run` the
    commands are only written to standard output, and nothing is run or copied.

    Parameters
    ----------
    model_path : path of the static int8 model.

    Raises
    ------
    UserError : a setting, the model, the C project or a tool does not fit, or a step fails. The C project is then
        restored.
    """
    config = run.config
    check_settings(config)
    given = config.model is not None and config.model.onnx_path == model_path
    model = load_configured(model_path) if given else load_onnx(model_path)
    check_model(model, model_path, config)
    config = with_patch_lengths(config, static_frames_of(model), model_path)
    project = read_c_project(config.deployment)
    if config.deployment.dry_run:
        tools, runtime = plain_tools(config), {}
    else:
        tools = find_tools(config)
        runtime = find_runtime(project.templates, tools.stedgeai, project.folder)
        check_writable(project.folder, "deployment.c_project_path")
    deployment = _Deployment(config, model_path.absolute(), project, tools, runtime, _own_folder(run.folder))
    if config.deployment.dry_run:
        deployment.show()
    else:
        deployment.do()
    lengths = config.deployment
    play = board_of(config, lengths.frames_per_patch, lengths.lookahead_frames, calibrated_with_gain=True)
    latency = latency_samples(play.lookahead, play.frames, stft_of(config.preprocessing), patches=True)
    Deployment(
        model=model_path.name,
        backend=STM32N6,
        engine=PATCH,
        frames_per_call=play.frames,
        latency_samples=latency,
        latency_ms=1000 * latency / config.preprocessing.sample_rate,
        application=deployment.result(),
    ).write(run.folder)


def _own_folder(folder: Path) -> Path:
    """Create `deployment` in the run's folder, with a number appended if it exists, and return its path."""
    path = unused_path(folder.absolute() / "deployment")
    try:
        path.mkdir(parents=True)
    except OSError as error:
        raise UserError(f"cannot write {path}: {reason_of(error)}") from error
    return path


class _Deployment:
    """A deployment: its steps, and the file operations between them.

    Parameters
    ----------
    runtime : folders of ST Edge AI's installation, by the project's folders that they replace.
    folder : folder for outputs and logs.
    """

    def __init__(
        self, config: Config, model: Path, project: CProject, tools: Toolbox, runtime: dict[Path, Path], folder: Path
    ):
        self.config, self.model, self.project, self.tools, self.runtime = config, model, project, tools, runtime
        self.places = Places(folder, project.application)
        self.version: str | None = None

    @property
    def steps(self) -> dict[str, Step]:
        """Steps by name, in order."""
        probe = self.config.deployment.hardware_setup.stlink_serial_number
        steps = steps_of(self.tools, self.model, self.project, self.places, probe)
        return {step.name: step for step in steps}

    def show(self) -> None:
        """Write the headers, and show the commands that would run and the files that would be copied."""
        self.write_headers()
        log.info("nothing is run; the commands, in order:")
        for step in self.steps.values():
            sys.stdout.write(f"{command_line(step)}\n")
        log.info(
            "stedgeai would run in %s; before the build, these files would be copied:", self.project.neural_art.parent
        )
        for template in self.project.templates:
            source = template.source or template.target.name
            what = f"{source} of ST Edge AI's installation, a folder," if template.is_folder else source
            log.info("  %s to %s", what, template.target)
        log.info("the weights, %s, would be copied to %s before they are flashed", WEIGHTS[0], self.places.weights)

    def do(self) -> None:
        """Run all steps."""
        stedgeai = self.config.tools.stedgeai
        if stedgeai.on_cloud and "on_cloud" in stedgeai.model_fields_set:
            log.info(
                "tools.stedgeai.on_cloud: an STM32N6 is not deployed to from the cloud; %s is used", self.tools.stedgeai
            )
        self.version = parse_version(self.run("version"), self.tools.stedgeai)
        log.info("stedgeai %s", self.version)
        self.write_headers()
        self.run("generate")
        self.copy_weights()
        output = self.project.application.parent
        with change_project(self.project.folder, self.new_files(), output, self.places.replaced) as replaced:
            for path in replaced:
                log.info("replaced in the C project: %s", path.relative_to(self.project.folder))
            self.build()
            self.run("sign")
            self.check_size()
            for name in ("flash_application", "flash_weights", "flash_fsbl"):
                self.run(name)
        if replaced:
            log.info("the earlier files of the C project are in %s", display_path(self.places.replaced))
        log.info(
            "%s is on the board, and in %s: set its switches to boot from the flash, and turn it off and on",
            *(self.model.name, display_path(self.places.folder)),
        )

    def result(self) -> Application:
        """Return the result: sizes of the outputs, and whether they are on the board."""
        is_done = self.version is not None
        return Application(
            board=self.config.deployment.hardware_setup.board,
            stedgeai=self.version,
            folder=self.places.folder.name,
            program_bytes=self.places.signed.stat().st_size if is_done else None,
            weights_bytes=self.places.weights.stat().st_size if is_done else None,
            flashed=is_done,
        )

    def run(self, name: str) -> str:
        """Run a step and return its output; if it fails, its files are removed."""
        names = list(self.steps)
        step, number = self.steps[name], names.index(name) + 1
        log.info("step %d of %d: %s", number, len(names), step.doing)
        log_file = self.places.logs / f"{number:02}_{name}.log"
        try:
            said = run_program(
                *(step.words, log_file), timeout=step.timeout, folder=step.folder, environment=step.environment
            )
            for path in step.makes:
                if not (any(path.iterdir()) if path.is_dir() else path.is_file() and path.stat().st_size):
                    raise UserError(
                        f"{Path(step.words[0]).name} ended well, but has not written {display_path(path)}; all that it "
                        f"said is in {display_path(log_file)}; at last:",
                        last_lines(said),
                    )
        except BaseException:
            for path in step.makes:
                shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
            raise
        return said

    def write_headers(self) -> None:
        """Write all C files into their folder."""
        with atomic_folder(self.places.headers) as temporary:
            for name, text in header_texts(self.config, self.model.stem).items():
                write_text(temporary / name, text)
        log.info("headers of the application: %s", display_path(self.places.headers))

    def copy_weights(self) -> None:
        """Copy the weights to a file name that STM32CubeProgrammer accepts, as it rejects .raw."""
        folder = self.places.generated
        source = next((folder / name for name in WEIGHTS if (folder / name).is_file()), None)
        if source is None:
            raise UserError(
                f"{display_path(folder)}: stedgeai has written no weights for the external flash ({WEIGHTS[0]}), but "
                f"{_names(folder)}; does {self.project.neural_art} place them there?"
            )
        with atomic_write(self.places.weights) as temporary:
            shutil.copyfile(source, temporary)

    def build(self) -> None:
        """Build the application."""
        said = self.run("build")
        self.places = replace(self.places, application=self.built_application(said))

    def new_files(self) -> dict[Path, Path]:
        """Return the sources to copy into the C project, by destination: runtime folders first, then files."""
        new = dict(self.runtime)
        for template in self.project.templates:
            if template.is_folder:
                continue
            candidates = (self.places.generated / template.source, self.places.headers / template.source)
            source = next((path for path in candidates if path.is_file()), None)
            if source is not None:
                new[template.target] = source
                if template.target.suffix == ".raw":  # STM32CubeProgrammer accepts only .bin
                    new[template.target.with_suffix(".bin")] = source
            elif template.target.suffix == ".c" and (template.is_listed or template.target.exists()):
                # otherwise an earlier model's network would be built with the new weights
                raise UserError(
                    f"{self.project.conf}: templates: stedgeai has not written {template.source}; it wrote "
                    f"{_names(self.places.generated)}: is the C project for another version of ST Edge AI?"
                )
            elif template.is_listed:
                log.warning("stedgeai has not written %s, so %s is not replaced", template.source, template.target)
        return new

    def built_application(self, said: str) -> Path:
        """Return the .bin file of the build: the one that the project names, or the only one."""
        expected = self.project.application
        found = [expected] if expected.is_file() else sorted(expected.parent.glob("*.bin"))
        if len(found) == 1:
            return found[0]
        by_cubeide = self.config.deployment.builder == "cubeide"
        hint = " (in CubeIDE's settings of the build: convert to binary file)" if by_cubeide else ""
        what = f"but not one file: {', '.join(path.name for path in found)}" if found else "but made no such file"
        words = f"the build ended well, {what}; {display_path(expected)} is expected{hint}; at last:"
        raise UserError(words, last_lines(said))

    def check_size(self) -> None:
        """Check that the application and the weights fit their parts of the flash."""
        addresses = self.project.build.addresses
        for path, address in (
            (self.places.signed, addresses.application),
            (self.places.weights, addresses.weights),
        ):
            most = addresses.room(address)
            if (size := path.stat().st_size) > most:
                raise UserError(
                    f"{display_path(path)} has {size} bytes; there is room for {most} at {address:#x} of the external "
                    "flash: nothing was flashed"
                )


def _names(folder: Path) -> str:
    return ", ".join(sorted(path.name for path in folder.iterdir())) or "nothing"
