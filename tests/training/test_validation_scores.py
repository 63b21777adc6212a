"""Validation clips scored in processes: the same scores in the same order, and a killed worker is said."""

import os

import numpy as np
import pytest

from builders import noise
from sezoo.base.errors import UserError
from sezoo.training.validation_scores import FEW, Scorers

METRICS = ("stoi", "snr")


def clips(count):
    for index in range(count):
        clean = noise(1.0, seed=index)
        noisy = clean + np.float32(0.1 * (index + 1)) * noise(1.0, seed=100 + index)
        yield noisy, clean, (noisy + clean) / 2


def test_scores_do_not_depend_on_the_workers():
    count = FEW + 2
    alone = list(Scorers(1).scores(clips(count), count, 16000, METRICS))
    scorers = Scorers(2)
    try:
        assert list(scorers.scores(clips(count), count, 16000, METRICS)) == alone
        processes = set(scorers.executor._processes)
        assert list(scorers.scores(clips(count), count, 16000, METRICS)) == alone  # the next epoch
        assert set(scorers.executor._processes) == processes
        assert len({scores["snr"] for scores in alone}) == count
        for process in processes:
            os.kill(process, 9)
        with pytest.raises(UserError, match=r"ended from outside .*training.num_validation_workers: 1 needs less"):
            list(scorers.scores(clips(count), count, 16000, METRICS))
    finally:
        scorers.close()


def test_few_clips_start_no_process():
    scorers = Scorers(2)
    assert len(list(scorers.scores(clips(2), 2, 16000, METRICS))) == 2
    assert scorers.executor is None
