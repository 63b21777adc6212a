"""Compilers: GNU's or zig's for Cortex-M, zig's for WebAssembly; zig is in the package `ziglang` from PyPI."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from sezoo.base.errors import UserError
from sezoo.targets.cores import Core
from sezoo.targets.object_cache import compiled_objects
from sezoo.targets.programs import Program, run_program, try_program

__all__ = ["CCompiler", "build_program", "build_webassembly", "find_compiler", "find_zig"]

ARM_GCC = Program(
    "arm-none-eabi-gcc",
    "tools.path_to_arm_gcc",
    "install it (Debian and Ubuntu: gcc-arm-none-eabi libnewlib-arm-none-eabi; elsewhere the Arm GNU Toolchain)",
)
OLDEST_GCC = (11, 0)
"""From here on its Helium intrinsics are complete."""

BUILD_SECONDS = 300


@dataclass(frozen=True)
class CCompiler:
    """A compiler: the words that begin its command, and its version."""

    command: tuple[str, ...]
    is_zig: bool
    version: str

    def __str__(self) -> str:
        return f"{'zig cc' if self.is_zig else 'arm-none-eabi-gcc'} {self.version}"


def find_compiler(configured: Path | None) -> CCompiler:
    """The compiler: GCC as configured or on the PATH, else ziglang's.

    Raises
    ------
    UserError : there is none, or GCC is too old.
    """
    found = try_program(ARM_GCC, configured)
    if found is None:
        if not _has_zig():
            raise UserError(
                f"no compiler for Cortex-M was found: {ARM_GCC.install} and have it on the PATH or set {ARM_GCC.key}, "
                "or pip install 'sezoo[mcu]', which brings ziglang's"
            )
        return find_zig()
    gcc = found.absolute()  # it is run in another folder
    said = _command_output([str(gcc), "-dumpfullversion"])
    version = tuple(int(part) for part in re.findall(r"\d+", said)[:2])
    if version < OLDEST_GCC:
        raise UserError(
            f"{gcc} is version {said or 'unknown'}; {OLDEST_GCC[0]} or later is needed: {ARM_GCC.install}, or set "
            f"{ARM_GCC.key} to another one"
        )
    return CCompiler((str(gcc),), False, said)


def find_zig() -> CCompiler:
    """zig's compiler, which makes WebAssembly too.

    Raises
    ------
    UserError : it is not installed.
    """
    if not _has_zig():
        raise UserError("no compiler for WebAssembly was found: pip install 'sezoo[mcu]', which brings ziglang's")
    command = (sys.executable, "-m", "ziglang")
    return CCompiler((*command, "cc"), True, _command_output([*command, "version"]))


def _has_zig() -> bool:
    return importlib.util.find_spec("ziglang") is not None


def _command_output(command: Sequence[str]) -> str:
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=60, check=False, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UserError(f"cannot run {command[0]}: {error}") from error
    return done.stdout.strip()


def build_program(
    compiler: CCompiler, core: Core, package: Path, program: str, elf: Path, log_file: Path,
    of_network: Path | None = None,
) -> None:  # fmt: skip
    """Compile and link one of the package's example programs for a core.

    Parameters
    ----------
    package : folder of the C package.
    program : `denoise_wav` or `check_vectors`.
    log_file : for the output of the compiler. What it says about sources that are compiled once for all packages
        (`compiled_objects`) is in another file beside it, if there is anything.
    of_network : folder of objects that programs of one package share.

    Raises
    ------
    UserError : it does not compile; the compiler's last lines.
    """
    package, elf = package.absolute(), elf.absolute()
    cortex_m = package / "examples" / "cortex_m"
    options = [
        *(("-target", "thumb-freestanding-eabihf", f"-mcpu={core.zig}") if compiler.is_zig else (*core.gcc, "-mthumb")),
        *("-std=gnu99", "-O3", "-ffp-contract=off", "-ffreestanding", "-ffunction-sections", "-fdata-sections"),
        *(
            "-Wall",
            "-Wextra",
            "-DSEZOO_MEASURE",
            f"-DINSTRUCTIONS_PER_100_TICKS={round(core.instructions_per_tick * 100)}",
        ),
    ]
    folders = [package / folder for folder in ("include", "src", "examples")]
    link = ["-Wl,--gc-sections,--entry=reset", "-T", str(cortex_m / core.script)]
    sources = [
        *sorted((package / "src").glob("*.c")),
        package / "examples" / f"{program}.c",
        *sorted(cortex_m.glob("*.c")),
    ]
    with ExitStack() as stack:
        if compiler.is_zig:  # which has a cache of its own
            options += ["-isystem", str(cortex_m / "freestanding"), str(cortex_m / "freestanding" / "string.c")]
        else:
            options += ["--specs=nano.specs"]
            link += ["-nostartfiles", "--specs=nosys.specs"]
            log_of_objects = log_file.absolute().with_name(f"{log_file.stem}_objects.log")
            command = [*compiler.command, *options]
            objects = compiled_objects(
                command, compiler.version, folders, sources, log_of_objects,
                timeout=BUILD_SECONDS, of_network=of_network,
            )  # fmt: skip
            sources = stack.enter_context(objects)
        options += [f"-I{folder}" for folder in folders] + link
        command = [*compiler.command, *options, *(str(source) for source in sources), "-o", str(elf)]
        # Linker scripts include each other by names in the working directory: zig does not hand on -L for them.
        run_program(command, log_file, timeout=BUILD_SECONDS, folder=cortex_m)


STACK_OF_WEBASSEMBLY = 65536
"""Bytes; the sources take a few hundred."""


def build_webassembly(sources: Sequence[Path], folders: Sequence[Path], module: Path, log_file: Path) -> None:
    """Compile and link C sources to a WebAssembly module that exports what they mark so, and imports nothing.

    Parameters
    ----------
    sources : memcpy, memmove and memset among them.
    folders : of headers.
    log_file : for the output of the compiler.

    Raises
    ------
    UserError : zig is not installed, or the sources do not compile.
    """
    options = [
        # Without a library: zig would compile one of C first, which takes a minute.
        *("-target", "wasm32-freestanding", "-mcpu=generic+simd128+bulk_memory", "-ffreestanding"),
        *("-std=gnu99", "-O3", "-ffp-contract=off", "-fno-math-errno", "-Wall", "-Wextra", "-s"),
        *("-Wl,--no-entry", f"-Wl,-z,stack-size={STACK_OF_WEBASSEMBLY}"),
        *(f"-I{folder}" for folder in folders),
    ]
    command = [*find_zig().command, *options, *(str(source) for source in sources), "-o", str(module)]
    run_program(command, log_file, timeout=BUILD_SECONDS)
