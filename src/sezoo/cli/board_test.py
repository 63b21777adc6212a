"""`sezoo board-test`.

Denoise a recording on a board, over a serial line, and compare samples and
masks with an emulated core, bit by bit. The board runs examples/board_test.c
of the C package. The exit code is 0 where all is equal, 1 where it is not.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from sezoo.cli.output import print_json, print_results
from sezoo.cli.parser import Parser, add_json

__all__ = ["add_arguments", "run"]

EXIT_DIFFERENT = 1


def add_arguments(parser: Parser) -> None:
    """Add the arguments of the command."""
    add = parser.add_argument
    add("package", type=Path, metavar="PACKAGE", help="folder of the C package, as sezoo deploy writes it")
    add(
        "--port", required=True, metavar="PORT",
        help="serial port of the board: COM3, /dev/ttyACM0, tcp:HOST:PORT, or emulated:cortex-m7 to try it without one",
    )  # fmt: skip
    add("--baud", type=int, default=115200, metavar="N", help="speed of the port, bits a second (default: 115200)")
    add("--noisy", type=Path, metavar="FILE", help="recording to denoise (default: one that comes with sezoo)")
    add("--clean", type=Path, metavar="FILE", help="its clean speech, for PESQ")
    add("--calls", type=int, metavar="N", help="calls at most (default: the whole recording)")
    add("--no-masks", action="store_true", help="compare samples alone, which takes a third of the time of the line")
    add("-o", "--output", type=Path, default=Path("board_test"), metavar="DIR", help="folder (default: board_test)")
    add_json(parser)


def run(options: argparse.Namespace) -> int:
    """Test, and say what came of it."""
    from sezoo.base.errors import UserError
    from sezoo.base.files import unused_path
    from sezoo.deployment.board_test.run import run_board_test

    if options.calls is not None and options.calls < 1:
        raise UserError(f"--calls: found {options.calls}; allowed: 1 or more")
    folder = unused_path(options.output)
    found = run_board_test(
        options.package,
        options.port,
        folder,
        baud=options.baud,
        noisy=options.noisy,
        clean=options.clean,
        calls=options.calls,
        with_masks=not options.no_masks,
    )
    if options.json:
        print_json(found)
    else:
        rows = [(folder / found.file_name, "all figures"), (folder / "board.wav", "what the board made")]
        print_results(folder, rows, _result_text(found))
    return 0 if found.is_equal else EXIT_DIFFERENT


def _result_text(found) -> list[str]:
    """Return the result as text."""
    masks = f" and {found.masks_compared:,} masks" if found.masks_compared else ""
    if found.is_equal:
        lines = [f"equal bit by bit: {found.calls:,} calls, {found.calls * found.samples_per_call:,} samples{masks}"]
    else:
        lines = [
            f"different from call {found.first_different_call} on: {found.samples_differing:,} of "
            f"{found.calls * found.samples_per_call:,} samples, by {found.largest_difference} at most; "
            f"{found.masks_differing:,} of {found.masks_compared:,} masks",
        ]
        if found.masks_differing:
            lines.append("  sezoo compare vectors.npz board.npz, in that folder, shows where")
    average, longest = f"{found.ticks_per_call:,.0f}", f"{found.ticks_of_the_longest_call:,}"
    time = f"{average} {found.ticks_are} a call, {longest} the longest"
    if found.milliseconds_per_call is not None:
        time += f" ({found.milliseconds_per_call:.2f} and {found.milliseconds_of_the_longest_call:.2f} ms)"
    lines.append(f"{time}; a call's sound lasts {found.milliseconds_of_sound_per_call:g} ms")
    lines.append(
        f"{found.kernels}; stack of a call {found.stack_bytes:,} bytes, arena {found.arena_bytes:,}, state "
        f"{found.state_bytes:,}"
    )
    if found.pesq:
        lines.append("PESQ: " + ", ".join(f"{name} {score:.3f}" for name, score in found.pesq.items()))
    if found.packets_sent_again:
        lines.append(f"{found.packets_sent_again} packets were lost or damaged on the line, and sent again")
    return lines
