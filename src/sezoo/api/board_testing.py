"""`sezoo.board_test`: a C package on a board, compared with an emulated core."""

from __future__ import annotations

from pathlib import Path

from sezoo.base.errors import UserError
from sezoo.base.files import unused_path
from sezoo.results.board_test import BoardTest

__all__ = ["BoardTest", "board_test"]


def board_test(
    package: str | Path,
    port: str,
    *,
    noisy: str | Path | None = None,
    clean: str | Path | None = None,
    calls: int | None = None,
    masks: bool = True,
    baud: int = 115200,
    folder: str | Path = "board_test",
) -> BoardTest:
    """Denoise a recording on a board that runs `examples/board_test.c`, and compare it with an emulated core.

    Parameters
    ----------
    package : folder of the C package, as `sezoo.deploy` writes it.
    port : "COM3", "/dev/ttyACM0", "tcp:HOST:PORT", or "emulated:cortex-m7" to try it without a board.
    noisy, clean : recording to denoise and its clean speech, for PESQ; None is one that comes with sezoo.
    calls : at most N process() calls; None is the whole recording.
    masks : whether masks are compared too, which takes three times as long on the line.
    baud : speed of the port, bits a second.
    folder : a new one, for `board_test.json`, recordings and masks.

    Raises
    ------
    UserError : no package; the port cannot be opened, or nothing useful answers there; another model; a reset.
    """
    from sezoo.deployment.board_test.run import run_board_test

    if calls is not None and calls < 1:
        raise UserError(f"calls: found {calls}; allowed: 1 or more")
    noisy, clean = (None if path is None else Path(path) for path in (noisy, clean))
    return run_board_test(
        Path(package),
        port,
        unused_path(Path(folder)),
        baud=baud,
        noisy=noisy,
        clean=clean,
        calls=calls,
        with_masks=masks,
    )
