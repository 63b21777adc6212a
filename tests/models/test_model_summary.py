from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import pytest

from builders import mask_graph, time_convolution
from mask_graphs import BINS, shapes_of_one_clip, tcnn
from sezoo.cli.main import main
from sezoo.models.macs import multiply_accumulates
from sezoo.models.onnx_file import bytes_of
from sezoo.models.summary import summary_of

SHIPPED = Path(__file__).parents[2] / "src" / "sezoo" / "zoo" / "stft_tcnn_medium" / "stft_tcnn_medium.onnx"


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


def test_constants_are_no_operators(tmp_path):
    model = mask_graph()
    before = Counter(node.op_type for node in model.graph.node)
    value = onnx.numpy_helper.from_array(np.ones(3, np.float32))
    model.graph.node.insert(0, onnx.helper.make_node("Constant", [], ["unused"], value=value))
    onnx.save(model, tmp_path / "m.onnx")
    assert summary_of(tmp_path / "m.onnx").operators == before


def test_a_model_of_unusual_shape_is_told_of_as_far_as_it_goes(tmp_path):
    onnx.save(mask_graph(inputs=2), tmp_path / "two.onnx")
    summary = summary_of(tmp_path / "two.onnx")
    assert list(summary.inputs) == ["x", "x2"]
    assert summary.field is None
    assert summary.macs_per_frame is None
    assert summary.problem.startswith("has 2 inputs (x, x2); the contract is one")


def test_very_many_inputs_are_a_few_lines(tmp_path, capsys):
    model = mask_graph()
    model.graph.input.extend(onnx.helper.make_tensor_value_info(f"in_{number}", 1, [1]) for number in range(1000))
    onnx.save(model, tmp_path / "m.onnx")
    main(["model", str(tmp_path / "m.onnx")])
    printed = capsys.readouterr().out
    assert "and 981 more" in printed and "has 1001 inputs (x, in_0" in printed
    assert len(printed) < 10_000


def test_a_shipped_model_has_its_name_in_place_of_a_path(capsys):
    main(["model", "utcn_live_small"])
    assert "utcn_live_small, which comes with sezoo, 0." in capsys.readouterr().out.splitlines()[0]


def test_a_long_path_is_not_cut(tmp_path, capsys):
    path = tmp_path / f"{'n' * 210}_end.onnx"
    onnx.save(tcnn(), path)
    main(["model", str(path)])
    assert "n_end.onnx,0.0" in "".join(capsys.readouterr().out.split())


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
    assert "already exists" in capsys.readouterr().err


@pytest.mark.parametrize("op_type", ["QLinearConv", "ConvInteger"])
def test_operators_on_integers_have_parameters_and_multiplications(op_type, tmp_path):
    """As onnxruntime's QOperator format writes them: scales and zero points are no weights."""
    make, value = onnx.helper.make_node, onnx.helper.make_tensor_value_info
    scale, zero = np.float32(0.1), np.uint8(3)
    constants = {"s": scale, "z": zero, "w": np.ones((4, BINS, 3), np.int8), "wz": np.int8(0)}
    inputs = ["q", "s", "z", "w", "s", "wz", "s", "z"] if op_type == "QLinearConv" else ["q", "w", "z", "wz"]
    nodes = [make("QuantizeLinear", ["x", "s", "z"], ["q"]), make(op_type, inputs, ["i"], pads=[1, 1])]
    if op_type == "QLinearConv":
        nodes.append(make("DequantizeLinear", ["i", "s", "z"], ["mask"]))
    else:
        nodes.append(make("Cast", ["i"], ["mask"], to=1))
    ends = [[value("x", 1, ("b", BINS, "t"))], [value("mask", 1, ("b", 4, "t"))]]
    weights = [onnx.numpy_helper.from_array(np.asarray(array), name) for name, array in constants.items()]
    graph = onnx.helper.make_graph(nodes, "g", *ends, weights)
    onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8),
              tmp_path / "m.onnx")  # fmt: skip
    summary = summary_of(tmp_path / "m.onnx")
    assert summary.parameters == 4 * BINS * 3
    assert summary.macs_per_frame == 4 * BINS * 3


def test_the_size_of_a_model_has_the_weights_outside_of_its_file(tmp_path):
    model = tcnn()
    onnx.save(model, tmp_path / "one.onnx")
    onnx.save(model, tmp_path / "two.onnx", save_as_external_data=True, location="w.bin", size_threshold=0)
    assert bytes_of(tmp_path / "one.onnx") == (tmp_path / "one.onnx").stat().st_size
    outside = (tmp_path / "w.bin").stat().st_size
    assert bytes_of(tmp_path / "two.onnx") == (tmp_path / "two.onnx").stat().st_size + outside


def test_frames_that_are_a_batch_inside_are_counted(tmp_path):
    onnx.save(shapes_of_one_clip(axes=("batch", BINS, "seq_len")), tmp_path / "m.onnx")
    assert summary_of(tmp_path / "m.onnx").macs_per_frame == BINS * 3


def test_a_mask_has_the_axes_of_the_input_whatever_its_exporter_declared(tmp_path):
    onnx.save(tcnn(mask_axes=(1, BINS, 40)), tmp_path / "m.onnx")
    summary = summary_of(tmp_path / "m.onnx")
    assert summary.problem is None and summary.outputs["mask"] == summary.inputs["input"]
