"""The program `stedgeai` on this computer."""

from __future__ import annotations

import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sezoo.base.errors import UserError
from sezoo.base.files import atomic_write
from sezoo.config.boards import BOARDS
from sezoo.targets.programs import Program, find_program, run_program
from sezoo.targets.stedgeai.facts import StEdgeAiResult
from sezoo.targets.stedgeai.reports import read_reports

__all__ = ["STEDGEAI", "Tool", "find_tool", "is_n6", "measure_locally", "parse_version", "run_tool", "target_of"]

STEDGEAI = Program(
    name="stedgeai",
    key="tools.stedgeai.path_to_stedgeai",
    install="install ST Edge AI Core 2.0 or later from st.com",
    variable="STM32_AI_EXE",
)

OLDEST = (2, 0)
NAMES_ITSELF = re.compile(r"edge\s*ai", re.IGNORECASE)
VERSION = re.compile(r"(?<![\w.])v?(\d+)\.(\d+)(\.\d+)?")

Optimization = Literal["balanced", "time", "ram"]

VERSION_SECONDS, RUN_SECONDS = 60.0, 1800.0
"""After which the program is terminated."""


@dataclass(frozen=True)
class Tool:
    """The program and the version that it reports, as 2.1.0."""

    path: Path
    version: str


def target_of(board: str) -> str:
    """The name by which ST Edge AI knows the family of a board's microcontroller, as stm32n6."""
    return BOARDS[board].chip[:7].lower()


def is_n6(board: str) -> bool:
    """Whether the board's microcontroller has ST's neural accelerator."""
    return target_of(board) == "stm32n6"


def find_tool(configured: Path | None, folder: Path) -> Tool:
    """Find the program and ask it for its version; its output is kept in `folder`.

    Raises
    ------
    UserError : it is nowhere, cannot be run, says no version, or one before 2.0.
    """
    path = find_program(STEDGEAI, configured)
    said = run_program([path, "--version"], folder / "stedgeai_version.log", timeout=VERSION_SECONDS)
    return Tool(path, parse_version(said, path))


def parse_version(said: str, path: Path) -> str:
    """Return the version in the output of `stedgeai --version`, e.g. 2.1.0.

    Raises
    ------
    UserError : there is none, or one before 2.0.
    """
    lines = said.splitlines()
    # A tool may name the version of Python or of its parts as well.
    found = next((m for line in lines if NAMES_ITSELF.search(line) and (m := VERSION.search(line))), None)
    found = found or VERSION.search(said)
    if found is None:
        first = next((line.strip() for line in lines if line.strip()), "")
        raise UserError(f"{path} --version says {first[:80]!r}, which names no version: is it ST Edge AI Core?")
    version = found.group().removeprefix("v")
    if (int(found[1]), int(found[2])) < OLDEST:
        raise UserError(
            f"{path} is version {version}, which is too old: {STEDGEAI.install}, and set {STEDGEAI.key} or "
            f"{STEDGEAI.variable}"
        )
    return version


def run_tool(
    tool: Tool,
    model: Path,
    board: str,
    output: Path,
    log_file: Path,
    *,
    action: Literal["generate", "analyze"] = "generate",
    optimization: Optimization = "balanced",
    neural_art: Path | None = None,
    timeout: float = RUN_SECONDS,
) -> None:
    """Let the program compile a model into `output`, its reports and its workspace among it.

    Parameters
    ----------
    model : ONNX, of fixed shape.
    log_file : for the output of the program.
    neural_art : the configuration of the STM32N6's compiler (user_neural_art.json); the tool's own if None.

    Raises
    ------
    UserError : the program fails, or takes more than `timeout` seconds.
    """
    command = [tool.path, action, "-m", model.absolute(), "--target", target_of(board)]
    command += ["--output", output.absolute(), "--workspace", output.absolute(), "--optimization", optimization]
    command += ["--allocate-inputs", "--allocate-outputs"]
    if is_n6(board):
        command += ["--st-neural-art", "default" if neural_art is None else f"default@{neural_art.absolute()}"]
    run_program(command, log_file, timeout=timeout)


def measure_locally(
    model: Path, board: str, optimization: Optimization, configured: Path | None, folder: Path
) -> StEdgeAiResult:
    """Memory and work of a model from the program; the reports and what it said are kept in `folder`, the code not.

    Raises
    ------
    UserError : as `find_tool`, `run_tool` and `read_reports`; reports that were in `folder` are as they were.
    """
    tool = find_tool(configured, folder)
    with tempfile.TemporaryDirectory(prefix="stedgeai") as output:
        run_tool(tool, model, board, Path(output), folder / "stedgeai_generate.log", optimization=optimization)
        result, files = read_reports(Path(output), "local generate", tool.version)
        for file in files:
            with atomic_write(folder / file.name) as temporary:
                temporary.write_bytes(file.read_bytes())
    return result
