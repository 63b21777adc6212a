from pathlib import Path

import onnx
import pytest

from builders import mask_graph, time_convolution
from mask_graphs import tcnn
from sezoo.cli import main
from sezoo.model_summary import multiply_accumulates, summary_of

SHIPPED = Path(__file__).parents[1] / "src" / "sezoo" / "zoo" / "stft_tcnn_medium" / "stft_tcnn_medium.onnx"


def test_multiply_accumulates_of_known_layers():
    assert multiply_accumulates(mask_graph(bins=257), 10) == 10 * (257 * 8 + 8 * 257)
    assert multiply_accumulates(time_convolution(3, 2, [2, 2]), 7) == 7 * 5 * 3


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
