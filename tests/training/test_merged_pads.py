import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

pytest.importorskip("torch")

from sezoo.models.mask_model import MaskModel
from sezoo.training.merged_pads import with_merged_pads

BINS = 4


def padded(sizes, *, mode="constant", value=0.0, read_twice=False, own=(0, 0)):
    """A Pad before a convolution over time with a kernel of 3."""
    rng = np.random.default_rng(0)
    weights = {
        "sizes": np.array(sizes, np.int64),
        "value": np.float32(value),
        "weight": rng.standard_normal((BINS, BINS, 3)).astype(np.float32),
    }
    nodes = [
        helper.make_node("Pad", ["input", "sizes", "value"], ["padded"], mode=mode),
        helper.make_node("Conv", ["padded", "weight"], ["sum"], dilations=[2], pads=list(own)),
        helper.make_node("Sigmoid", ["sum"], ["mask"]),
    ]
    if read_twice:
        nodes[2] = helper.make_node("Conv", ["padded", "weight"], ["other"], dilations=[2])
        nodes.append(helper.make_node("Add", ["sum", "other"], ["mask"]))
    axes = ["batch", BINS, "seq_len"]
    ends = [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, axes) for name in ("input", "mask")]
    constants = [numpy_helper.from_array(np.asarray(array), name) for name, array in weights.items()]
    graph = helper.make_graph(nodes, "padded", ends[:1], ends[1:], constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def merged(model):
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    copy = with_merged_pads(copy)
    onnx.checker.check_model(copy)
    magnitude = np.random.default_rng(1).random((2, BINS, 9), np.float32)
    np.testing.assert_allclose(MaskModel(copy)(magnitude), MaskModel(model)(magnitude), atol=1e-6)
    return copy


@pytest.mark.parametrize(("sizes", "own", "pads"), [((4, 0), (0, 0), [4, 0]), ((3, 1), (0, 0), [3, 1]),
                                                    ((2, 0), (1, 1), [3, 1])])  # fmt: skip
def test_zeros_become_the_convolutions_own(sizes, own, pads):
    found = merged(padded([0, 0, sizes[0], 0, 0, sizes[1]], own=own))
    assert [node.op_type for node in found.graph.node] == ["Conv", "Sigmoid"]
    (kept,) = [list(entry.ints) for entry in found.graph.node[0].attribute if entry.name == "pads"]
    assert kept == pads
    assert [weight.name for weight in found.graph.initializer] == ["weight"]


@pytest.mark.parametrize(
    "settings",
    [{"mode": "reflect"}, {"value": 0.5}, {"read_twice": True}, {"sizes": [0, 0, 5, 0, 0, -1]}],
    ids=["reflected", "another number", "read twice", "cut off"],
)
def test_other_pads_stay(settings):
    model = padded(settings.pop("sizes", [0, 0, 4, 0, 0, 0]), **settings)
    assert [node.op_type for node in merged(model).graph.node] == [node.op_type for node in model.graph.node]
