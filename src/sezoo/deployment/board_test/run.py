"""The board test: denoise a recording on a board and on an emulated core, call by call."""

from __future__ import annotations

import logging
import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sezoo.audio.clip import BadClipError, read_clip, write_clip
from sezoo.base.errors import UserError
from sezoo.base.files import atomic_folder, unused_path
from sezoo.base.progress import counted
from sezoo.config.sections import Dataset
from sezoo.data.dataset import test_pairs
from sezoo.deployment.board_test.link import Answer, Firmware, Link
from sezoo.deployment.validation.layers import Layer, Vectors
from sezoo.deployment.validation.vectors import as_arrays
from sezoo.metrics.checks import MetricError
from sezoo.metrics.measures.pesq import pesq
from sezoo.results.board_test import BoardTest
from sezoo.targets.c_compiler import build_program, find_compiler
from sezoo.targets.cores import CORES
from sezoo.targets.emulator import emulated_board, find_emulator
from sezoo.targets.serial_line import Line, open_line

__all__ = ["BAUD", "EMULATED", "run_board_test"]

log = logging.getLogger(__name__)

EMULATED = "emulated:"
PLAIN_C, DSP = "plain C", "DSP extension"
BAUD = 115200
BITS_OF_A_BYTE = 10
SECONDS_OF_A_CALL = 5.0
SECONDS_OF_AN_EMULATED_CALL = 60.0
FULL_SCALE = 32768


@dataclass(frozen=True)
class Package:
    """Properties of a C package, from its header."""

    folder: Path
    model_hash: str
    sample_rate: int
    samples_per_call: int
    delay: int

    @classmethod
    def read(cls, folder: Path) -> Package:
        """Read the package in a folder.

        Raises
        ------
        UserError : there is no package, or it is from an earlier version without a board test.
        """
        header = next(folder.glob("include/*_denoiser.h"), None)
        if header is None:
            inner = next((path.parent.parent for path in folder.glob("*/include/*_denoiser.h")), None)
            remedy = "sezoo deploy writes one" if inner is None else f"did you mean {inner}?"
            raise UserError(f"{folder} is no C package: there is no include/..._denoiser.h; {remedy}")
        text = header.read_text(encoding="utf-8", errors="replace")

        def value(name: str) -> str:
            found = re.search(rf'^#define \w+?_{name} "?(\w+)', text, re.MULTILINE)
            if found is None or not (folder / "examples" / "board_test.c").is_file():
                raise UserError(f"{folder}: an earlier version wrote it, without a board test; deploy the model again")
            return found[1]

        samples = int(value("HOP")) * int(value("FRAMES_PER_CALL"))
        return cls(folder, value("MODEL_HASH"), int(value("SAMPLE_RATE")), samples, int(value("DELAY")))


def run_board_test(
    package: Path,
    port: str,
    folder: Path,
    *,
    baud: int = BAUD,
    noisy: Path | None = None,
    clean: Path | None = None,
    calls: int | None = None,
    with_masks: bool = True,
) -> BoardTest:
    """Denoise a recording on a board, and compare it with an emulated core with the same kernels, bit by bit.

    Parameters
    ----------
    port : COM3, /dev/ttyACM0, tcp:HOST:PORT, or emulated:CORE for a core in QEMU instead of a board.
    folder : folder for `board_test.json`, the recordings, and the masks for `sezoo compare`.
    noisy, clean : recordings; None for one that comes with sezoo.
    calls : maximum number of process() calls; None for the whole recording.

    Raises
    ------
    UserError : no package; the port cannot be opened or gives no valid answer; another model; a reset.
    """
    facts = Package.read(package)
    waveform, speech = _recording(facts, noisy, clean)
    count = -(-(len(waveform) + facts.delay) // facts.samples_per_call)
    count = min(count, calls or count)
    samples = np.zeros(count * facts.samples_per_call, np.int16)
    whole = np.round(waveform * FULL_SCALE).clip(-FULL_SCALE, FULL_SCALE - 1)[: len(samples)]
    samples[: len(whole)] = whole
    blocks = samples.reshape(count, -1)

    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        with _open_port(port, baud, facts, Path(scratch), folder) as line:
            seconds = SECONDS_OF_AN_EMULATED_CALL if port.startswith(EMULATED) else _seconds(facts, baud)
            link = Link(line, port, seconds)
            firmware = link.firmware()
            _check(firmware, facts, port)
            log.info("%s: %s, model %s", port, firmware.kernels, firmware.model_hash[:12])
            board = _run_calls(link, firmware, blocks, with_masks, "on the board")
        core = _reference_core(firmware)
        with _emulate(core, facts, Path(scratch), folder) as line:
            emulated = Link(line, f"the emulated {core}", SECONDS_OF_AN_EMULATED_CALL)
            reference = _run_calls(emulated, emulated.firmware(), blocks, with_masks, "the reference")
    found = _compare(board, reference, firmware, facts, port, core, link.repeated)
    scores, waveforms = _scores(blocks, board, reference, speech, facts)
    found = BoardTest(**{**vars(found), "pesq": scores})
    with atomic_folder(folder) as temporary:
        found.write(temporary)
        for name, values in waveforms.items():
            write_clip(temporary / f"{name}.wav", values, facts.sample_rate)
        if with_masks:
            np.savez_compressed(temporary / "vectors.npz", **as_arrays(_vectors(reference, temporary)))
            np.savez_compressed(temporary / "board.npz", mask=_masks(board))
    return found


def _recording(facts: Package, noisy: Path | None, clean: Path | None) -> tuple[np.ndarray, np.ndarray | None]:
    if noisy is None:
        if clean is not None:
            raise UserError("--clean: needs --noisy, the recording that it is the speech of")
        pair = min(test_pairs(Dataset(name="demo")), key=lambda each: each.name)
        noisy, clean = pair.noisy, pair.clean
    try:
        return read_clip(noisy, facts.sample_rate), None if clean is None else read_clip(clean, facts.sample_rate)
    except BadClipError as error:
        raise UserError(f"{error.path}: {error.reason}") from error


def _seconds(facts: Package, baud: int) -> float:
    """Return the time-out of a call: transmission of samples and masks, plus computation on the board."""
    most = 4 * facts.samples_per_call * 4
    return SECONDS_OF_A_CALL + most * BITS_OF_A_BYTE / baud


@contextmanager
def _open_port(port: str, baud: int, facts: Package, scratch: Path, folder: Path) -> Iterator[Line]:
    if port.startswith(EMULATED):
        with _emulate(port.removeprefix(EMULATED), facts, scratch, folder) as line:
            yield line
        return
    if baud < 1:
        raise UserError(f"--baud: found {baud}; allowed: 1 or more")
    with closing(open_line(port, baud)) as line:
        yield line


@contextmanager
def _emulate(name: str, facts: Package, scratch: Path, folder: Path) -> Iterator[Line]:
    """Start the package's board test on an emulated core; the log of a failed build stays beside the results."""
    if name not in CORES:
        raise UserError(f"--port: found {EMULATED}{name}; allowed: {', '.join(EMULATED + core for core in CORES)}")
    core, elf = CORES[name], scratch / f"{name}.elf"
    qemu = find_emulator(None)
    if not elf.is_file():
        said = unused_path(folder.with_name(f"{folder.name}_build_{name}.log"))
        said.parent.mkdir(parents=True, exist_ok=True)
        build_program(find_compiler(None), core, facts.folder, "board_test", elf, said)
        said.unlink()
    with emulated_board(qemu, core, elf, scratch / f"{name}.log") as line:
        yield line


def _check(firmware: Firmware, facts: Package, port: str) -> None:
    if firmware.model_hash != facts.model_hash:
        raise UserError(
            f"{port}: the board runs another model: SHA-256 {firmware.model_hash[:12]}..., {facts.folder} has "
            f"{facts.model_hash[:12]}...; build its examples/board_test.c, and put that onto the board"
        )
    there = (firmware.sample_rate, firmware.samples_per_call)
    if there != (facts.sample_rate, facts.samples_per_call):
        raise UserError(
            f"{port}: the board runs the same model in another package: {there[1]} samples a call at {there[0]} Hz, "
            f"{facts.folder} has {facts.samples_per_call} at {facts.sample_rate} Hz"
        )


def _reference_core(firmware: Firmware) -> str:
    """Return the emulated core whose samples are the board's, bit by bit.

    Spectra are in float32, with fused multiplications on Helium alone: a sample may round to another integer there.
    The kernels in plain C have no core of their own, and the floats of the DSP extension's.
    """
    kernels = DSP if firmware.kernels == PLAIN_C else firmware.kernels
    return next((core.name for core in CORES.values() if core.kernels == kernels), next(iter(CORES)))


def _run_calls(link: Link, firmware: Firmware, blocks: np.ndarray, with_masks: bool, what: str) -> list[Answer]:
    link.begin()
    calls = counted(range(len(blocks)), len(blocks), what)
    return [link.call(number, blocks[number], with_masks, firmware) for number in calls]


def _masks(answers: Sequence[Answer]) -> np.ndarray:
    """Return the masks of all calls: (calls, bins, frames) float32."""
    return np.stack([answer.masks.T for answer in answers])


def _vectors(reference: Sequence[Answer], folder: Path) -> Vectors:
    """Return the reference's masks as vectors for `sezoo compare`."""
    mask = Layer("mask", "the network", (), _masks(reference), None, 0)
    return Vectors(folder, "C package", (mask,), (), ("mask",), "mask", mask.values.shape[-1])


def _compare(
    board: Sequence[Answer],
    reference: Sequence[Answer],
    firmware: Firmware,
    facts: Package,
    port: str,
    core: str,
    repeated: int,
) -> BoardTest:
    difference = [
        np.abs(ours.samples.astype(np.int32) - theirs.samples) for ours, theirs in zip(board, reference, strict=True)
    ]
    # Compared as bytes, because NaN is not equal to itself.
    masks = [
        [ours.tobytes() != theirs.tobytes() for ours, theirs in zip(one.masks, other.masks, strict=True)]
        for one, other in zip(board, reference, strict=True)
    ]
    differing = [call for call in range(len(board)) if difference[call].any() or any(masks[call])]
    ticks = [answer.ticks for answer in board]
    to_ms = 1000 / firmware.ticks_per_second if firmware.ticks_per_second else None
    return BoardTest(
        port=port,
        reference=core,
        model_hash=firmware.model_hash,
        version=firmware.version,
        kernels=firmware.kernels,
        calls=len(board),
        samples_per_call=facts.samples_per_call,
        sample_rate=facts.sample_rate,
        is_equal=not differing,
        samples_differing=int(sum(np.count_nonzero(each) for each in difference)),
        masks_compared=sum(map(len, masks)),
        masks_differing=sum(map(sum, masks)),
        largest_difference=int(max(each.max() for each in difference)),
        first_different_call=differing[0] if differing else None,
        ticks_are=firmware.ticks_are,
        ticks_per_call=sum(ticks) / len(ticks),
        ticks_of_the_longest_call=max(ticks),
        milliseconds_per_call=to_ms and to_ms * sum(ticks) / len(ticks),
        milliseconds_of_the_longest_call=to_ms and to_ms * max(ticks),
        milliseconds_of_sound_per_call=1000 * facts.samples_per_call / facts.sample_rate,
        stack_bytes=max(answer.stack for answer in board),
        arena_bytes=firmware.arena_bytes,
        state_bytes=firmware.state_bytes,
        packets_sent_again=repeated,
    )


def _scores(
    blocks: np.ndarray,
    board: Sequence[Answer],
    reference: Sequence[Answer],
    clean: np.ndarray | None,
    facts: Package,
) -> tuple[dict[str, float], dict[str, np.ndarray]]:
    """Return PESQ scores, if available, and the signals, float32, with the delay removed from the denoised ones."""
    late = {name: np.concatenate([each.samples for each in answers])[facts.delay :] for name, answers in
            (("board", board), ("reference", reference))}  # fmt: skip
    waveforms = {
        name: (waveform / FULL_SCALE).astype(np.float32)
        for name, waveform in (("noisy", blocks.ravel()), *late.items())
    }
    length = len(waveforms["board"])
    waveforms["noisy"] = waveforms["noisy"][:length] if length else waveforms["noisy"]
    waveforms = {name: waveform for name, waveform in waveforms.items() if waveform.any()}
    if clean is None:
        return {}, waveforms
    try:
        least = min(length, len(clean))
        return {
            name: pesq(clean[:least], waveform[:least], facts.sample_rate)
            for name, waveform in waveforms.items()
            if least
        }, waveforms
    except MetricError:
        return {}, waveforms
