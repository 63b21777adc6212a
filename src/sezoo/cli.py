"""The command line: words and YAML in, a configuration out, and the services set to work."""

from __future__ import annotations

import argparse
import gc
import logging
import os
import signal
import sys
import threading
import traceback
from collections.abc import Sequence
from pathlib import Path

from sezoo import __version__
from sezoo.errors import UserError
from sezoo.processes import is_helper
from sezoo.terminal import configure_logging
from sezoo.wording import nearest

__all__ = ["main"]

log = logging.getLogger(__name__)

EXIT_USER_ERROR = 2
EXIT_INTERRUPTED = 130

HELP = """\
usage: {command} [--config-path DIR] [--config-name NAME] [--multirun] [SECTION.KEY=VALUE ...]
       {command} COMMAND ...

Takes a speech-enhancement network from recordings to a microcontroller, as one YAML file says.

a run, as a YAML file says:
  --config-path DIR     folder of the YAML file (default: {folder})
  --config-name NAME    its name, with or without .yaml (default: user_config)
  SECTION.KEY=VALUE     sets a key for this run, whether the file has it or not, for example
                          quantization.num_quantization_samples=50
                          'quantization.op_types_to_quantize=[Conv,Add,Relu]'
                          quantization.random_seed=null        (null, or nothing: not set)
  --multirun, -m        a run for each combination of comma-separated values, for example
                          quantization.calibration_method=MinMax,Percentile
  The results are in experiment_outputs/<date and time>/; hydra.run.dir=DIR puts them elsewhere.

commands:
  config --check FILE [SECTION.KEY=VALUE ...]   say what is wrong with a configuration, without running it
  config --print FILE [SECTION.KEY=VALUE ...]   show it with all defaults and variables filled in
  model FILE                                    what an ONNX model is: axes, operators, size, MAC, receptive field
  model FILE --fix-axes [-o FILE]               make the batch and frames axes of a model dynamic
  compare VECTORS OUTPUT [--tolerance LSB]      where a board's dump first leaves what the PC computed
  denoise FILE_OR_FOLDER ... -m MODEL [-o OUT]  denoise recordings, as a PC would or as the board does
  demo [-o DIR]                                 quantize the model that comes with sezoo, and hear what it cost

anywhere:
  --dry-run             of a deployment with ST's tools: show the commands instead of running them
  --debug               the traceback of an error, and a log with more in it
  --version, --help
Relative paths, in the YAML file and here, are relative to the working directory.
"""


def main(arguments: Sequence[str] | None = None, *, config_folder: Path | None = None, command: str = "sezoo") -> None:
    """Run the command line and exit: 0 done, 2 bad input, 130 interrupted, 1 a fault of the program.

    Parameters
    ----------
    config_folder : of the YAML file where --config-path is not given; the working directory if None.
    command : how the user called it, for the help.
    """
    # Starting up makes hundreds of thousands of objects that live on; to look through them for garbage again and
    # again takes a fifth of that time.
    gc.set_threshold(100_000, 20, 20)
    # numpy's products here are small: a second thread of its library would spin and wait for them.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # who ends a job (a batch system) means Ctrl-C
    words = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in words
    words = [word for word in words if word != "--debug"]
    configure_logging(logging.DEBUG if debug else logging.ERROR if is_helper() else logging.INFO)
    try:
        _dispatch(words, config_folder or Path(), command)
    except UserError as error:
        if debug:
            traceback.print_exc()
        if not is_helper():  # the first process has met the same
            sys.stderr.write(f"{command}: error: {error}\n")
        sys.exit(EXIT_USER_ERROR)
    except KeyboardInterrupt:
        if debug:
            traceback.print_exc()
        if not is_helper():
            sys.stderr.write(f"{command}: interrupted; nothing half-written is left\n")
        sys.exit(EXIT_INTERRUPTED)
    except BrokenPipeError:  # the reader of our output has seen enough
        sys.stderr.close()


def _dispatch(words: list[str], config_folder: Path, command: str) -> None:
    first = words[0] if words else ""
    if first in COMMANDS:
        COMMANDS[first](words[1:], f"{command} {first}")
    elif {"-h", "--help"} & set(words):
        folder = "the working directory" if config_folder == Path() else f"that of {command.split()[-1]}"
        sys.stdout.write(HELP.format(command=command, folder=folder))
    elif first == "--version":
        sys.stdout.write(f"sezoo {__version__}\n")
    else:
        _run_yaml(words, config_folder)


def _run_yaml(words: list[str], config_folder: Path) -> None:
    for word in words:
        if not word.startswith("-") and "=" not in word and not word.startswith("~"):
            _check_no_value(words, word)
    from sezoo.config.composition import run_with_hydra
    from sezoo.services import run_services

    words = ["++deployment.dry_run=True" if word == "--dry-run" else word for word in words]
    run_with_hydra(words, config_folder, run_services)


def _check_no_value(words: list[str], word: str) -> None:
    """Refuse a lone word that is not the value of an option before it."""
    index = words.index(word)
    if index and words[index - 1].startswith("-") and "=" not in words[index - 1]:
        return
    near = nearest(word, COMMANDS)
    others = f"the commands are {', '.join(COMMANDS)}; overrides are SECTION.KEY=VALUE"
    hint = f"did you mean {near}?" if near else others
    raise UserError(f"{word!r} is neither a command nor an override; {hint}")


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> None:
        raise UserError(f"{message}; see {self.prog} --help")


def _config(words: list[str], command: str) -> None:
    parser = _Parser(command, description="Check or show a configuration file without running it.")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--check", type=Path, metavar="FILE", help="say what is wrong with it")
    what.add_argument("--print", type=Path, metavar="FILE", help="show it with all defaults and variables filled in")
    parser.add_argument("overrides", nargs="*", metavar="SECTION.KEY=VALUE")
    options = parser.parse_args(words)
    from sezoo.config.composition import compose_file
    from sezoo.config.validation import missing_paths, to_yaml

    path = options.check or options.print
    config = compose_file(path, options.overrides)
    if options.print:
        sys.stdout.write(to_yaml(config))
        return
    sys.stdout.write(f"{path} is fine: {config.operation_mode}\n")
    for key, missing in missing_paths(config):
        sys.stdout.write(f"but {key}: there is no {missing}\n")


def _model(words: list[str], command: str) -> None:
    parser = _Parser(command, description="Say what an ONNX mask model is, or make its axes dynamic.")
    parser.add_argument("file", type=Path, metavar="FILE")
    parser.add_argument("--fix-axes", action="store_true", help="write a copy with dynamic batch and frames axes")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="of --fix-axes; default: FILE_dynamic.onnx")
    options = parser.parse_args(words)
    if options.output and not options.fix_axes:
        raise UserError("-o: it names what --fix-axes writes; --fix-axes is missing")
    if options.fix_axes:
        from sezoo.model_axes import fix_axes

        target = options.output or options.file.with_name(f"{options.file.stem}_dynamic.onnx")
        sys.stdout.write(fix_axes(options.file, target) + "\n")
        return
    from sezoo.model_summary import describe

    describe(options.file)


def _denoise(words: list[str], command: str) -> None:
    parser = _Parser(
        command,
        description="Denoise recordings with an ONNX model (or torch weights of an STFT-TCNN). Rate, channels, length "
        "and format stay as they are.",
    )
    add = parser.add_argument
    add("inputs", nargs="+", metavar="FILE_OR_FOLDER", help="recordings, folders; also settings: SECTION.KEY=VALUE")
    add("-m", "--model", type=Path, required=True, metavar="MODEL")
    add("-o", "--output", type=Path, default=Path("denoised"), metavar="OUT", help="a folder, or a file for a file")
    add("--play-like", choices=("whole", "patches", "board"), default="whole", help="as a PC, or as the board does it")
    add("--format", metavar="ENDING", help="wav, flac, ogg ... (default: as the recording)")
    add("--overwrite", action="store_true", help="replace files that are there already")
    options = parser.parse_intermixed_args(words)  # settings may stand behind the options
    from sezoo.prediction.command import denoise_files

    denoise_files(options)


def _demo(words: list[str], command: str) -> None:
    parser = _Parser(command, description="Quantize the model that comes with sezoo on its recordings, and compare.")
    parser.add_argument(
        "-o", "--output", type=Path, metavar="DIR", help="default: experiment_outputs/demo_<date and time>"
    )
    options = parser.parse_args(words)
    from sezoo.demo.run import run_demo

    run_demo(options.output)


def _compare(words: list[str], command: str) -> None:
    parser = _Parser(command, description="Find where a board's dump first leaves what the PC computed.")
    parser.add_argument("vectors", type=Path, metavar="VECTORS", help="a .npz file that a deployment has written")
    parser.add_argument("output", type=Path, metavar="OUTPUT", help="the board's: .npz by tensor, .npy, or raw .bin")
    parser.add_argument("--tolerance", type=float, metavar="LSB", help="that counts as equal (default: 1)")
    options = parser.parse_args(words)
    from sezoo.deployment.compare_command import compare_files

    sys.exit(compare_files(options))


COMMANDS = {"config": _config, "model": _model, "compare": _compare, "denoise": _denoise, "demo": _demo}
