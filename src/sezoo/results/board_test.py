"""Results of a board test, `board_test.json`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from sezoo.results.result_file import ResultFile

__all__ = ["BoardTest"]


@dataclass(frozen=True, kw_only=True)
class BoardTest(ResultFile):
    """A C package on a board, compared with the same package on an emulated core.

    Attributes
    ----------
    port, reference : where the board is, and the emulated core.
    model_hash, version, kernels : of the board's firmware: the ONNX file's SHA-256, sezoo's version, and the kernels.
    calls, samples_per_call, sample_rate : that were denoised.
    is_equal : every sample and every mask is the reference's, bit by bit.
    samples_differing, masks_compared, masks_differing : how many.
    largest_difference : of samples, in steps of 16 bits.
    first_different_call : from 0; null where all are equal.
    ticks_are : what the board's clock counts: cycles, or instructions of an emulator.
    ticks_per_call, ticks_of_the_longest_call : on average, and at most.
    milliseconds_per_call, milliseconds_of_the_longest_call : null where the board does not know its clock.
    milliseconds_of_sound_per_call : what a call may take.
    stack_bytes : of a call, at its deepest.
    arena_bytes, state_bytes : memory of the denoiser.
    pesq : of the recording: noisy, and as board and reference denoise it; empty where there is no clean speech.
    packets_sent_again : as they or their answers were lost or damaged on the line.
    """

    file_name: ClassVar[str] = "board_test.json"

    port: str = ""
    reference: str = ""
    model_hash: str = ""
    version: str = ""
    kernels: str = ""
    calls: int = 0
    samples_per_call: int = 0
    sample_rate: int = 0
    is_equal: bool = False
    samples_differing: int = 0
    masks_compared: int = 0
    masks_differing: int = 0
    largest_difference: int = 0
    first_different_call: int | None = None
    ticks_are: str = ""
    ticks_per_call: float = 0
    ticks_of_the_longest_call: int = 0
    milliseconds_per_call: float | None = None
    milliseconds_of_the_longest_call: float | None = None
    milliseconds_of_sound_per_call: float = 0
    stack_bytes: int = 0
    arena_bytes: int = 0
    state_bytes: int = 0
    pesq: Mapping[str, float] = field(default_factory=dict)
    packets_sent_again: int = 0
