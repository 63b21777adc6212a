"""`sezoo export`: floats of 16 bits, axes, one frame a call, each near the original."""

import re

import numpy as np
import onnx
import pytest

import mask_graphs as graphs
import sezoo
from sezoo.base.errors import UserError
from sezoo.cli.main import main
from sezoo.models.mask_model import MaskModel
from sezoo.models.onnx_file import load_onnx
from sezoo.models.onnx_graph import axes_of
from sezoo.models.states import magnitude_input
from sezoo.quantization.exported import export
from tiny_models import int8_model, static_model


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    onnx.save(graphs.tcnn(), tmp_path / "model.onnx")
    return tmp_path


def mask(path, frames=40):
    return MaskModel(load_onnx(path), path).whole(graphs.magnitudes(frames)[0])


def test_floats_of_16_bits_of_any_length(here, capsys):
    main(["export", "model.onnx", "--fp16"])
    assert re.search(
        r"16 bits, float32 outside, any number of frames; SQNR against the original, for noise: \d\d dB",
        capsys.readouterr().out,
    )
    model = load_onnx(here / "model_fp16.onnx")
    kinds = {weight.data_type for weight in model.graph.initializer if onnx.numpy_helper.to_array(weight).size > 4}
    assert kinds <= {onnx.TensorProto.FLOAT16, onnx.TensorProto.INT64} and onnx.TensorProto.FLOAT16 in kinds
    assert magnitude_input(model).type.tensor_type.elem_type == onnx.TensorProto.FLOAT
    exact, found = mask(here / "model.onnx"), mask(here / "model_fp16.onnx")
    assert 0 < np.abs(exact - found).max() < 0.01


@pytest.mark.parametrize("name", ["model", "int8"])
def test_a_fixed_length(here, name):
    onnx.save(int8_model(), here / "int8.onnx")
    said = export(here / f"{name}.onnx", here / "fixed.onnx", frames=12)
    assert "12 frames a call" in said and re.search(
        "; (equal to the original|SQNR against the original, for noise: [0-9]+ dB)$", said
    )
    assert axes_of(magnitude_input(load_onnx(here / "fixed.onnx"))) == [1, 33, 12]
    np.testing.assert_allclose(mask(here / "fixed.onnx", 12), mask(here / f"{name}.onnx", 12), atol=0.02)


@pytest.mark.parametrize("form", [{}, {"fp16": True}, {"stream": True}], ids=["dynamic", "fp16", "streaming"])
def test_fixed_axes_that_can_be_dynamic_are_no_warning(here, caplog, form):
    onnx.save(graphs.tcnn(blocks=0, axes=(1, 33, 24)), here / "fixed.onnx")
    with caplog.at_level("INFO"):
        export(here / "fixed.onnx", here / "made.onnx", **form)
    lines = [record.getMessage() for record in caplog.records]
    assert sum("its frames axis, fixed to 24, is made dynamic" in line for line in lines) == 1
    assert not any("frames only" in line for line in lines)


def test_in_python_the_file_has_the_commands_name(here):
    made = sezoo.export("model.onnx", frames=12)
    assert made.name == "model_12_frames.onnx" and axes_of(magnitude_input(load_onnx(made))) == [1, 33, 12]
    with pytest.raises(UserError, match=r"model_12_frames\.onnx already exists"):
        sezoo.export("model.onnx", frames=12)
    with pytest.raises(UserError, match="frames: found 0; allowed: 1 or more"):
        sezoo.export("model.onnx", frames=0)


def test_what_cannot_be(here):
    onnx.save(int8_model(), here / "int8.onnx")
    onnx.save(static_model(20), here / "static.onnx")
    with pytest.raises(UserError, match="--fp16: it is quantized; give the float model"):
        export(here / "int8.onnx", here / "a.onnx", fp16=True)
    with pytest.raises(UserError, match=r"int8\.onnx cannot be run frame by frame: the node Conv .* looks .* ahead"):
        export(here / "int8.onnx", here / "a.onnx", stream=True)
    with pytest.raises(UserError, match=r"--frames: found 30; .*static\.onnx is fixed to 20"):
        export(here / "static.onnx", here / "a.onnx", frames=30)
    with pytest.raises(UserError, match="--frames: found 2; allowed: 1 with --streaming"):
        export(here / "model.onnx", here / "a.onnx", frames=2, stream=True)
    with pytest.raises(UserError, match=r"model\.onnx already exists"):
        export(here / "int8.onnx", here / "model.onnx")
    assert not (here / "a.onnx").exists()
