import numpy as np
import onnx

from int8_graphs import BINS, prologue
from sezoo.denoising import masking
from sezoo.denoising.masking import MaskStream
from sezoo.denoising.modes import WholeClip
from sezoo.denoising.run_models import RunModel
from sezoo.models.mask_model import MaskModel
from sezoo.models.source import OnnxSource


def masks_of(model, context, spectrum):
    stream = MaskStream(model, WholeClip(context), BINS)
    return np.concatenate([stream.push(spectrum, np.abs(spectrum)), stream.finish()], axis=1)


def test_a_long_clip_in_pieces_has_the_running_level_of_the_whole(tmp_path, monkeypatch):
    path = tmp_path / "level.onnx"
    onnx.save(prologue("level"), path)
    model, run_model = MaskModel(path), RunModel("float", OnnxSource(path))
    assert run_model.field[0] < 5 <= run_model.context[0]
    loudness = np.linspace(1, 0.01, 60)
    spectrum = (np.random.default_rng(0).gamma(1, 1, (BINS, 60)) * loudness).astype(np.complex64)
    whole = masks_of(model, run_model.context, spectrum)
    monkeypatch.setattr(masking, "WHOLE_CLIP_FRAMES", 10)
    np.testing.assert_array_equal(masks_of(model, run_model.context, spectrum), whole)
    assert not np.array_equal(masks_of(model, run_model.field, spectrum), whole)
