from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from builders import mask_graph
from mask_graphs import lstm, tcnn
from sezoo.cli import main
from sezoo.mask_model import MaskModel
from sezoo.model_summary import longest_reach, multiply_accumulates, receptive_field, summary_of

SHIPPED = Path(__file__).parents[1] / "src" / "sezoo" / "zoo" / "stft_tcnn_medium" / "stft_tcnn_medium.onnx"


def convolution(kernel, dilation, pads):
    """A depthwise convolution over time alone."""
    weight = numpy_helper.from_array(np.ones((5, 1, kernel), np.float32), "w")
    node = helper.make_node("Conv", ["x", "w"], ["y"], group=5, pads=pads, dilations=[dilation])
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ("b", 5, "t")) for name in "xy"]
    graph = helper.make_graph([node], "g", ends[:1], ends[1:], [weight])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@pytest.mark.parametrize(
    ("kernel", "dilation", "pads", "field"),
    [
        (1, 1, [0, 0], (0, 0)),
        (3, 1, [1, 1], (1, 1)),
        (3, 4, [8, 0], (8, 0)),  # causal
        (3, 2, [0, 4], (0, 4)),
        (5, 10, [20, 20], (20, 20)),
        (3, 200, [200, 200], (200, 200)),
    ],
)
def test_receptive_field_of_one_convolution(kernel, dilation, pads, field):
    model = convolution(kernel, dilation, pads)
    assert receptive_field(MaskModel(model), 5, longest_reach(model)) == field


def test_a_field_that_reaches_the_ends_is_not_known():
    assert receptive_field(MaskModel(convolution(3, 8, [8, 8])), 5, reach=7) is None


def test_the_reach_is_a_bound():
    assert longest_reach(convolution(3, 800, [800, 800])) >= 800
    assert longest_reach(tcnn()) >= 2


def test_recurrent_models_have_no_bound(tmp_path):
    onnx.save(lstm(), tmp_path / "lstm.onnx")
    assert summary_of(tmp_path / "lstm.onnx").field is None


def test_multiply_accumulates_of_known_layers():
    assert multiply_accumulates(mask_graph(bins=257), 10) == 10 * (257 * 8 + 8 * 257)
    assert multiply_accumulates(convolution(3, 2, [2, 2]), 7) == 7 * 5 * 3


def test_the_shipped_model_is_what_its_architecture_says():
    summary = summary_of(SHIPPED)
    residual = 257 * 512 + 512 * 3 + 512 * 257  # pointwise, depthwise, pointwise
    assert summary.macs_per_frame == 6 * residual
    assert summary.parameters == 6 * (residual + 512 + 512)  # the two biases that hold the folded batch norms
    assert summary.field == (14, 14)
    assert not summary.quantized


def test_a_model_of_unusual_shape_is_told_of_as_far_as_it_goes(tmp_path):
    onnx.save(mask_graph(inputs=2), tmp_path / "two.onnx")
    summary = summary_of(tmp_path / "two.onnx")
    assert list(summary.inputs) == ["x", "x2"]
    assert summary.field is None
    assert summary.macs_per_frame is None


def test_the_command_prints_it(tmp_path, capsys):
    onnx.save(tcnn(), tmp_path / "m.onnx")
    main(["model", str(tmp_path / "m.onnx")])
    printed = capsys.readouterr().out
    for words in ("opset", "Conv", "receptive field", "MAC per frame", "parameters"):
        assert words in printed


def test_fix_axes_by_the_command(tmp_path, capsys):
    onnx.save(mask_graph(batch=1, frames=40), tmp_path / "fixed.onnx")
    main(["model", str(tmp_path / "fixed.onnx"), "--fix-axes"])
    assert "fixed_dynamic.onnx" in capsys.readouterr().out
    assert list(summary_of(tmp_path / "fixed_dynamic.onnx").inputs.values()) == [["batch", 257, "seq_len"]]
    with pytest.raises(SystemExit) as exit_:
        main(["model", str(tmp_path / "fixed.onnx"), "--fix-axes"])
    assert exit_.value.code == 2
    assert "is there already" in capsys.readouterr().err
