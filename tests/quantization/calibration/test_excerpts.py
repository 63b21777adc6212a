"""Excerpts cut down for models that are run frame by frame."""

import numpy as np
import pytest

from sezoo.quantization.calibration.segments import SHORTEST, Segment, limit_frames


def segments(count, frames):
    spectra = [np.full((3, frames), number, np.complex64) for number in range(count)]
    return [Segment(spectrum, np.abs(spectrum)[np.newaxis]) for spectrum in spectra]


def test_few_frames_are_all_kept():
    given = segments(4, 50)
    assert limit_frames(given, 200) == given


@pytest.mark.parametrize(("most", "count"), [(1000, 10), (350, 3), (1, 1)])
def test_many_are_cut_and_spread_evenly(most, count):
    kept = limit_frames(segments(40, 500), most)
    assert len(kept) == count
    assert sum(each.spectrum.shape[1] for each in kept) <= max(most, SHORTEST) + count
    assert all(each.magnitude.shape[1:] == each.spectrum.shape for each in kept)
    assert [int(each.magnitude[0, 0, 0]) for each in kept] == [place * 40 // count for place in range(count)]
