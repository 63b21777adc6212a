"""The mask error of the model in the zoo on real clips, next to quantize_static's; skipped where there are none."""

from pathlib import Path

import numpy as np
import pytest

from quantizers import mask_error, ours, quantization, ready, theirs
from sezoo.audio.clip import read_clip
from sezoo.audio.stft import Stft
from sezoo.models.onnx_file import load_onnx

ROOT = Path(__file__).parents[2]
MODEL = ROOT / "src" / "sezoo" / "zoo" / "stft_tcnn_medium" / "stft_tcnn_medium.onnx"
CLIPS = ROOT.parent / "shared" / "data" / "valentini_48k_sample"

pytestmark = pytest.mark.skipif(not (MODEL.is_file() and CLIPS.is_dir()), reason="no model or no recordings here")


@pytest.fixture(scope="module")
def prepared():
    return ready(load_onnx(MODEL))


def magnitudes(folder, count):
    stft = Stft()
    waves = [read_clip(path, 16000) for path in sorted((CLIPS / folder).glob("*.wav"))[:count]]
    clips = [stft.magnitude(stft.analyse(wave))[np.newaxis] for wave in waves]
    frames = min(clip.shape[2] for clip in clips)  # onnxruntime's histograms need equal lengths
    return [np.ascontiguousarray(clip[:, :, :frames]) for clip in clips]


@pytest.mark.parametrize("method", ["MinMax", "Entropy", "Percentile", "Distribution"])
def test_the_zoo_model_loses_no_more_than_with_quantize_static(prepared, method):
    model, op_types = prepared
    settings = quantization(calibration_method=method)
    clips, held_out = magnitudes("noisy_trainset_28spk_wav", 10), magnitudes("noisy_testset_wav", 6)
    mine = mask_error(model, ours(model, clips, op_types, settings), held_out)
    other = mask_error(model, theirs(model, clips, op_types, settings), held_out)
    # Percentile: ours is interpolated within a fine bin, theirs is the lower edge of a coarse one
    assert mine <= other * (1.02 if method == "Percentile" else 1)
