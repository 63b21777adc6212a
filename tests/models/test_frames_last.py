"""Networks of (batch, frames, bins)."""

import numpy as np
import onnx
import pytest

from sezoo.models.contract import check_contract
from sezoo.models.frames_last import is_made_frames_last, with_frames_last
from sezoo.models.mask_model import MaskModel
from sezoo.models.onnx_file import load_onnx
from sezoo.models.onnx_graph import axes_of
from sezoo.models.summary import summary_of


def write(path, axes, bins):
    """A model of one dense layer over the last axis, and its weights (bins, bins)."""
    text = f"""<ir_version: 8, opset_import: ["" : 17]>
        g (float[{axes}] x) => (float[{axes}] mask, float[{axes}] twice) {{
            inner = MatMul (x, w)
            mask = Sigmoid (inner)
            twice = Add (mask, mask)
        }}"""
    model = onnx.parser.parse_model(text)
    weights = np.random.default_rng(0).normal(0, 0.3, (bins, bins)).astype(np.float32)
    model.graph.initializer.append(onnx.numpy_helper.from_array(weights, "w"))
    onnx.save(model, path)
    return weights


@pytest.mark.parametrize("axes", ["batch, frames, 33", "1, 40, 33"])
def test_they_are_taken_and_give_the_same_masks(tmp_path, axes, caplog):
    caplog.set_level("INFO")
    weights = write(tmp_path / "m.onnx", axes, 33)
    model = load_onnx(tmp_path / "m.onnx")
    magnitude = np.random.default_rng(1).random((1, 33, 40), np.float32)
    expected = 1 / (1 + np.exp(-np.einsum("bkt,kj->bjt", magnitude, weights)))
    for given in (model, tmp_path / "m.onnx"):
        np.testing.assert_allclose(MaskModel(given)(magnitude), expected, rtol=1e-5)
    contract = check_contract(model, tmp_path / "m.onnx", n_fft=64)
    assert (contract.bins, contract.input, contract.output) == (33, "x", "mask")
    assert "a network of (batch, frames, bins)" in caplog.text
    assert summary_of(tmp_path / "m.onnx").macs_per_frame == 33 * 33


@pytest.mark.parametrize(
    "axes",
    [
        *("batch, 33, frames", "batch, 33, 33", "1, 65, 33", "1, 40, 50", "batch, rows, columns"),
        *("1, 161, 33", "1, 201, 65", "1, 241, 129", "1, 442, 33"),  # bins of 320, 400, 480 and 882 samples
    ],
)
def test_others_stay_as_they_are(axes):
    text = f'<ir_version: 8, opset_import: ["" : 17]> g (float[{axes}] x) => (float[{axes}] y) {{ y = Sigmoid (x) }}'
    model = onnx.parser.parse_model(text)
    before = model.SerializeToString()
    assert with_frames_last(model).SerializeToString() == before
    assert not is_made_frames_last(model)


def test_a_model_whose_bins_are_dynamic_has_no_receptive_field_but_a_remedy(tmp_path):
    text = '<ir_version: 8, opset_import: ["" : 17]> g (float[a, b, c] x) => (float[a, b, c] y) { y = Sigmoid (x) }'
    onnx.save(onnx.parser.parse_model(text), tmp_path / "m.onnx")
    summary = summary_of(tmp_path / "m.onnx")
    assert summary.field is None
    assert "a network of (batch, frames, bins) needs a transpose at either end" in summary.problem
    assert axes_of(load_onnx(tmp_path / "m.onnx").graph.input[0]) == ["a", "b", "c"]
