"""Batches: the same whatever makes them, and one line for whatever goes wrong in a worker."""

import os
import signal
import time

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from builders import RATE, write_clips  # noqa: E402
from sezoo.base.errors import UserError  # noqa: E402
from sezoo.data.mixing.decoded import Memory  # noqa: E402
from sezoo.data.mixing.mixed_examples import MixedExamples  # noqa: E402
from sezoo.data.mixing.recordings import Recordings  # noqa: E402
from sezoo.training.examples import PairExamples  # noqa: E402
from sezoo.training.loader import Loader  # noqa: E402


class Numbered:
    """Example i is i + 1 throughout and has 10 + i samples; the clean one is negative; the epoch is in front."""

    recordings = ()

    def __init__(self, count):
        self.count = count

    def __len__(self):
        return self.count

    def example(self, epoch, index):
        wave = np.full(10 + index, index + 1, np.float32)
        wave[0] = epoch
        return wave, -wave


class Deadly(Numbered):
    """The fourth example ends the process that makes it, as the system does when memory runs out."""

    def example(self, epoch, index):
        if index == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().example(epoch, index)


class Faulty(Numbered):
    def example(self, epoch, index):
        raise RuntimeError("a fault of the program")


def loader_of(source, **changes):
    options = {"seed": 1, "batch_size": 4, "shuffle": True, "strategy": "pad", "workers": 0}
    return Loader(source, **{**options, **changes})


def told(loader):
    """What is said of an epoch that fails. (pytest's record of it would hold the workers for seconds.)"""
    try:
        list(loader.epoch(1))
    except UserError as error:
        return str(error)
    pytest.fail("nothing went wrong")


def indices(batches):
    return [[int(wave[1]) - 1 for wave in noisy] for noisy, _, _ in batches]


@pytest.fixture
def mixed(tmp_path):
    speech = write_clips(tmp_path / "speech", "a.wav b.wav c.wav", seconds=0.6)
    around = write_clips(tmp_path / "noise", "d.wav e.wav", seconds=0.4)
    memory = Memory(2 * RATE)
    recordings = (Recordings(paths, RATE, memory) for paths in (speech, around))
    return MixedExamples(*recordings, count=9, samples=RATE // 2, snr_range=(-5, 20), level_range=(-34, -14), seed=1)


# -- batches ------------------------------------------------------------------------------------------


def test_padded_to_the_longest_or_trimmed_to_the_shortest():
    (padded,) = loader_of(Numbered(3), shuffle=False).epoch(7)
    (trimmed,) = loader_of(Numbered(3), shuffle=False, strategy="trim").epoch(7)
    for batch, samples, lengths in ((padded, 12, [10, 11, 12]), (trimmed, 10, [10, 10, 10])):
        noisy, clean, found = batch
        assert (noisy.dtype, clean.dtype, found.dtype) == (torch.float32, torch.float32, torch.int64)
        assert noisy.shape == clean.shape == (3, samples)
        assert found.tolist() == lengths
        assert torch.equal(clean, -noisy)
        for row, length in enumerate(lengths):
            assert noisy[row].tolist() == [7] + [row + 1] * (length - 1) + [0] * (samples - length)


def test_the_order_is_of_the_seed_and_the_epoch():
    loader = loader_of(Numbered(10))
    first, second = indices(loader.epoch(1)), indices(loader.epoch(2))
    assert first == indices(loader.epoch(1)) == indices(loader_of(Numbered(10)).epoch(1))
    assert first != second
    assert first != indices(loader_of(Numbered(10), seed=2).epoch(1))
    assert sorted(index for batch in first for index in batch) == list(range(10))
    assert indices(loader_of(Numbered(10), shuffle=False).epoch(1)) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]


def test_the_last_batch():
    for drop_last, sizes in ((False, [4, 4, 2]), (True, [4, 4])):
        loader = loader_of(Numbered(10), drop_last=drop_last)
        assert len(loader) == len(sizes)
        assert [len(noisy) for noisy, _, _ in loader.epoch(1)] == sizes


@pytest.mark.parametrize(("count", "left_out"), [(18, 0), (13, 1), (15, 0)])
def test_processes_that_train_together_share_each_batch(count, left_out):
    def batches(**changes):
        return indices(loader_of(Numbered(count), batch_size=6, **changes).epoch(1))

    whole, shares = batches(), [batches(share=(rank, 3)) for rank in range(3)]
    assert len(whole) - left_out == len(shares[0]) == len(loader_of(Numbered(count), batch_size=6, share=(0, 3)))
    for batch, *parts in zip(whole[: len(shares[0])], *shares, strict=True):
        assert [batch[rank::3] for rank in range(3)] == parts


def test_the_networks_random_numbers_are_left_alone():
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    for workers in (0, 1):
        list(loader_of(Numbered(4), workers=workers).epoch(1))
    assert torch.equal(torch.rand(1), expected)


# -- workers ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("workers", "method"), [(1, None), (2, None), (1, "spawn")])  # each spawned imports torch
def test_the_same_batches_whatever_the_number_of_workers(mixed, workers, method):
    alone, together = loader_of(mixed), loader_of(mixed, workers=workers, start_method=method)
    for epoch in (1, 2):
        for ours, theirs in zip(alone.epoch(epoch), together.epoch(epoch), strict=True):
            assert all(torch.equal(*tensors) for tensors in zip(ours, theirs, strict=True))


def test_an_epoch_that_was_not_finished_leaves_nothing_to_the_next():
    loader = loader_of(Numbered(40), workers=2)
    batches = loader.epoch(1)
    next(batches)
    batches.close()
    assert indices(loader.epoch(2)) == indices(loader_of(Numbered(40)).epoch(2))


def test_workers_have_one_thread():
    class Threads(Numbered):
        def example(self, epoch, index):
            return (np.full(1, torch.get_num_threads(), np.float32),) * 2

    if "fork" not in torch.multiprocessing.get_all_start_methods():
        pytest.skip("needs a fork")
    ((noisy, _, _),) = loader_of(Threads(2), workers=1, start_method="fork").epoch(1)
    assert noisy.flatten().tolist() == [1, 1]


def test_recordings_are_decoded_before_workers_are_forked(mixed):
    loader_of(mixed)
    assert mixed.recordings[0].memory.left < RATE
    assert len(mixed.recordings[0].kept) == 1


def test_spawned_workers_share_the_room_instead(mixed):
    loader_of(mixed, workers=2, start_method="spawn")
    assert mixed.recordings[0].kept == {}


# -- what goes wrong ----------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [0, 1])
def test_a_bad_clip_is_one_line(tmp_path, workers):
    noisy, clean = (write_clips(tmp_path / kind, "a.wav b.wav c.wav d.wav") for kind in ("noisy", "clean"))
    noisy[2].write_bytes(b"")
    source = PairExamples(Recordings(noisy, RATE), Recordings(clean, RATE), hop_length=160)
    assert told(loader_of(source, workers=workers)) == (
        f"{noisy[2]}: the file has 0 bytes; set dataset.skip_bad_files: true to leave such clips out"
    )


def test_a_bad_clip_is_found_when_the_memory_is_filled(tmp_path):
    noisy, clean = (write_clips(tmp_path / kind, "a.wav b.wav") for kind in ("noisy", "clean"))
    clean[1].write_bytes(b"")
    memory = Memory(10**6)
    with pytest.raises(UserError, match=r"b\.wav: the file has 0 bytes; set dataset.skip_bad_files: true"):
        loader_of(PairExamples(Recordings(noisy, RATE, memory), Recordings(clean, RATE, memory), hop_length=160))


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
@pytest.mark.parametrize(("workers", "method"), [(2, "fork"), (1, "spawn")])  # each that is spawned imports torch
def test_a_worker_that_was_killed_is_one_line(workers, method):
    before = signal.getsignal(signal.SIGCHLD)
    assert told(loader_of(Deadly(40), workers=workers, start_method=method)) == (
        "a worker process was ended from outside while it read clips (is there enough memory? "
        f"training.num_dataloader_workers: {workers - 1} needs less)"
    )
    after = signal.getsignal(signal.SIGCHLD)
    assert after is before or "torch" in after.__module__  # torch's stays once it is there


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_a_worker_that_is_killed_during_a_step_is_one_line_too():
    before = set(torch.multiprocessing.active_children())
    loader = loader_of(Numbered(400), workers=1)
    with pytest.raises(UserError, match="a worker process was ended from outside"):
        for _ in loader.epoch(1):
            (worker,) = set(torch.multiprocessing.active_children()) - before
            worker.kill()
            time.sleep(1)  # the step, in which torch's handler notices


@pytest.mark.parametrize("workers", [0, 1])
def test_a_fault_of_the_program_is_not_hidden(workers):
    with pytest.raises(RuntimeError, match="a fault of the program"):
        list(loader_of(Faulty(4), workers=workers).epoch(1))
