import numpy as np
import onnx
import pytest

import mask_graphs as graphs
from mask_graphs import BINS
from sezoo.base.errors import UserError
from sezoo.models.axes import fix_axes, with_dynamic_axes
from sezoo.models.contract import check_contract
from sezoo.models.mask_model import MaskModel
from sezoo.models.onnx_file import load_onnx
from sezoo.models.onnx_graph import axes_of


def saved(model, folder):
    path = folder / "fixed.onnx"
    onnx.save(model, path)
    return path


@pytest.mark.parametrize(
    "model",
    [
        graphs.tcnn(axes=(1, BINS, 40)),
        graphs.tcnn(axes=(4, BINS, 40)),
        graphs.tcnn(axes=(1, BINS, "seq_len")),
        graphs.tcnn(axes=(1, BINS, 40), opset=11, weights_as_inputs=True),
        graphs.tcnn(axes=(1, BINS, 40), declare_mask=False),
        graphs.viewed(axes=(1, BINS, 40)),
        graphs.lstm(axes=(1, BINS, 40)),
        graphs.tcnn(axes=(None, BINS, None)),
    ],
)
def test_a_working_dynamic_model_is_written(model, tmp_path):
    path, target = saved(model, tmp_path), tmp_path / "out" / "dynamic.onnx"
    before = path.read_bytes()
    said = fix_axes(path, target)
    assert said.startswith(f"{target}: (")
    assert said.endswith("is now (batch, 33, seq_len)")
    assert path.read_bytes() == before
    assert [entry.name for entry in target.parent.iterdir()] == ["dynamic.onnx"]

    written = load_onnx(target)
    contract = check_contract(written, target, n_fft=2 * (BINS - 1))
    assert (contract.batch, contract.frames) == ("batch", "seq_len")
    batch = axes_of(model.graph.input[0])[0]
    clips = np.concatenate(graphs.magnitudes(*[40] * (batch if isinstance(batch, int) else 3)))
    masks = MaskModel(written, target)(clips)
    np.testing.assert_allclose(masks, MaskModel(model, path)(clips), atol=1e-6)
    assert MaskModel(written, target)(clips[:, :, :17]).shape == (*clips.shape[:2], 17)


@pytest.mark.parametrize(
    "model",
    [
        graphs.batch_hard_coded(axes=(1, BINS, 40)),
        graphs.batch_hard_coded(axes=(1, BINS, "seq_len")),
        graphs.frames_hard_coded(),
        graphs.frames_hard_coded(axes=(1, BINS, 40)),
    ],
)
def test_hard_coded_graphs_are_refused(model, tmp_path):
    target = tmp_path / "dynamic.onnx"
    with pytest.raises(UserError, match=r"hard-codes the batch or the number of frames.*re-export"):
        fix_axes(saved(model, tmp_path), target)
    assert not target.exists()


def test_only_the_axis_asked_for_becomes_dynamic():
    dynamic = with_dynamic_axes(graphs.tcnn(axes=(1, BINS, "time")), axes=("batch",))
    assert axes_of(dynamic.graph.input[0]) == ["batch", BINS, "time"]
    assert axes_of(dynamic.graph.output[0]) == ["batch", BINS, "time"]
    assert with_dynamic_axes(graphs.batch_hard_coded(axes=(1, BINS, "time")), axes=("batch",)) is None


def test_clips_of_a_batch_must_not_touch_each_other():
    """The mean over everything makes a clip's mask depend on its neighbours, though every shape fits."""
    graph = graphs.Graph()
    graph.node("ReduceMean", ["input"], "mean", keepdims=0)
    graph.node("Sub", ["input", "mean"], "difference")
    graph.node("Sigmoid", ["difference"], "mask")
    assert with_dynamic_axes(graph.model(axes=(1, BINS, "time")), axes=("batch",)) is None


def test_a_file_that_is_there_stays(tmp_path):
    path, target = saved(graphs.tcnn(axes=(1, BINS, 40)), tmp_path), tmp_path / "dynamic.onnx"
    target.write_text("mine", encoding="utf-8")
    with pytest.raises(UserError, match=r"dynamic\.onnx already exists; name another"):
        fix_axes(path, target)
    assert target.read_text(encoding="utf-8") == "mine"


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (graphs.viewed(axes=(1, 1, BINS, 40)), r"has axes \[1, 1, \d+, 40\]; \(batch, bins, frames\) are needed"),
        (graphs.tcnn(axes=(1, None, None)), r"axis 1 \(bins\) of input 'input' must be fixed"),
        (graphs.tcnn(axes=(1, BINS, 40), dtype=np.float16, elem_type=onnx.TensorProto.FLOAT16), "one float32 input"),
    ],
)
def test_models_of_another_kind_are_refused(model, reason, tmp_path):
    with pytest.raises(UserError, match=reason):
        fix_axes(saved(model, tmp_path), tmp_path / "dynamic.onnx")


def test_quantized_models_are_refused(tmp_path):
    graph = graphs.Graph()
    graph.node("DynamicQuantizeLinear", ["input"], "q")
    graph.nodes[0].output.extend(["scale", "zero"])
    graph.node("DequantizeLinear", ["q", "scale", "zero"], "mask")
    with pytest.raises(UserError, match=r"fixed\.onnx is quantized; fix the axes of the float model"):
        fix_axes(saved(graph.model(), tmp_path), tmp_path / "dynamic.onnx")


@pytest.mark.parametrize("name", ["model", "model.json", "model.txt"])
def test_the_written_file_is_onnx_whatever_it_is_called(name, tmp_path):
    fix_axes(saved(graphs.tcnn(axes=(1, BINS, 40)), tmp_path), tmp_path / name)
    assert axes_of(onnx.load(tmp_path / name, format="protobuf").graph.input[0]) == ["batch", BINS, "seq_len"]
