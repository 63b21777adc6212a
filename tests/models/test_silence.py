"""A mask of silence: what is said of a network that makes none."""

import logging
from pathlib import Path

import numpy as np
import pytest

import complex_graphs
import mask_graphs
from mask_graphs import BINS
from sezoo.base.errors import UserError
from sezoo.models.contract import check_contract
from sezoo.models.mask_model import MaskModel
from sezoo.models.silence import problem_with_silence
from sezoo.models.spectra import COMPLEX_MASK, PARTS_LAST

PATH = Path("some_model.onnx")


@pytest.mark.parametrize(
    ("model", "shape"),
    [
        (mask_graphs.logarithm(floor=1e-6), (1, BINS, 24)),
        (mask_graphs.lstm(), (1, BINS, 24)),
        (complex_graphs.network(PARTS_LAST, COMPLEX_MASK), (1, complex_graphs.BINS, 1)),
    ],
    ids=["logarithm", "lstm", "complex, with states"],
)
def test_networks_that_make_a_mask_of_silence(model, shape):
    assert problem_with_silence(MaskModel(model, PATH), shape) is None


def test_a_logarithm_of_nothing_is_named(caplog):
    model = mask_graphs.logarithm(floor=0)
    assert "1e-7" in problem_with_silence(MaskModel(model, PATH), (1, BINS, 24))
    caplog.set_level(logging.WARNING)
    check_contract(model, PATH)
    assert "some_model.onnx: the mask of silence" in caplog.text


def test_a_mask_of_a_recording_with_silence_has_the_same_remedy():
    """What `sezoo denoise` and `sezoo evaluate` say of it."""
    model = MaskModel(mask_graphs.logarithm(floor=0), PATH)
    (clip,) = mask_graphs.magnitudes(40)
    assert np.isfinite(model(clip + np.float32(0.1))).all()
    clip[:, :, 10] = 0
    with pytest.raises(UserError, match=r"some_model.onnx: the mask has NaN or infinite values; .*1e-7"):
        model(clip)


def test_a_contract_warns_of_nothing_else(caplog):
    caplog.set_level(logging.WARNING)
    check_contract(mask_graphs.logarithm(floor=1e-6), PATH)
    assert not caplog.text
