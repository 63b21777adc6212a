"""The test vectors of a C package: long enough, loud enough, and able to show that a build is wrong."""

import numpy as np
import pytest

from sezoo.audio.stft import Stft
from sezoo.deployment.c_package.vectors import masks_that_check, vector_calls, vector_masks
from sezoo.deployment.engine.stream_plan import frames_behind_a_mask
from tiny_graphs import Builder, program_of, random_graph

STFT = Stft(32, 10, 30)


def noise(samples, seed=0):
    return (np.random.default_rng(seed).standard_normal(samples) * 0.1).astype(np.float32)


def settled_difference(program, calls, masks):
    """How many masks of the vectors differ from those of other magnitudes."""
    others = vector_masks(program, [call[:, ::-1] * np.float32(0.3) for call in calls[::-1]])
    return np.any(np.concatenate(masks, axis=1) != np.concatenate(others, axis=1), axis=0)


@pytest.mark.parametrize("new", [1, 2, 7, 30])
@pytest.mark.parametrize("seed", [0, 2, 3])
def test_a_stream_has_more_frames_than_it_waits_for_and_keeps(seed, new):
    program = program_of(random_graph(seed, 17, new), STFT, new)
    behind = frames_behind_a_mask(program.graph)
    calls = vector_calls(program, noise(3000))
    assert {call.shape for call in calls} == {(17, new)} and len(calls) * new >= behind + 8
    masks = vector_masks(program, calls)
    assert masks_that_check(program, masks) == len(calls) * new - behind
    assert settled_difference(program, calls, masks)[behind:].any()


def test_what_a_mask_depends_on():
    """A change of one frame reaches the masks of as many frames after it at most, and often of the last of them."""
    found = []
    for seed in range(40):
        program = program_of(random_graph(seed, 17, 1), STFT, 1)
        if any(step.kind == "peak" for step in program.graph.prologue):
            continue  # what was loud once is remembered for ever
        behind = frames_behind_a_mask(program.graph)
        calls = [np.full((17, 1), 0.5, np.float32) for _ in range(3 * behind + 9)]
        plain = np.concatenate(vector_masks(program, calls), axis=1)
        at = behind + 4
        calls[at] = np.float32(4) * np.random.default_rng(seed).random((17, 1), np.float32)
        changed = np.flatnonzero(np.any(np.concatenate(vector_masks(program, calls), axis=1) != plain, axis=0))
        if len(changed):
            assert changed.min() >= at and changed.max() <= at + behind, seed
            found.append(changed.max() == at + behind)
    assert len(found) > 8 and np.mean(found) > 0.4


def test_the_vectors_are_of_the_loudest_part_of_a_recording():
    """Not of digital silence, of which all masks are the same."""
    program = program_of(random_graph(0, 17, 1), STFT, 1)
    wave = np.concatenate([np.zeros(20000, np.float32), noise(2000), np.zeros(30000, np.float32)])
    calls = vector_calls(program, wave)
    assert np.concatenate(calls, axis=1).any(axis=0).mean() > 0.9
    assert masks_that_check(program, vector_masks(program, calls)) > 0


def test_a_short_recording_is_repeated():
    program = program_of(random_graph(0, 17, 4), STFT, 4, 1)
    calls = vector_calls(program, noise(50))
    assert len(calls) == 3 and all(call.shape == (17, 6) for call in calls)


def test_a_network_without_memory_needs_no_frames_to_fill():
    builder = Builder(0, 9)
    builder.conv(pointwise=True)
    program = program_of(builder.graph(1), Stft(16, 8, 16), 1)
    assert frames_behind_a_mask(program.graph) == 0
    assert len(vector_calls(program, noise(500))) == 8
