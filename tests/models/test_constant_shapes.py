import io
from pathlib import Path

import numpy as np
import onnx
import pytest

torch = pytest.importorskip("torch")

from sezoo.base.errors import UserError  # noqa: E402
from sezoo.models.constant_shapes import with_constant_shapes  # noqa: E402
from sezoo.models.contract import check_contract  # noqa: E402
from sezoo.models.mask_model import MaskModel  # noqa: E402
from sezoo.models.summary import summary_of  # noqa: E402
from sezoo.quantization.graph.preparation import prepare  # noqa: E402

BINS = 12


def exported(forward):
    class Network(torch.nn.Module):
        def forward(self, x):
            return forward(x)

    file = io.BytesIO()
    axes = {0: "batch", 2: "seq_len"}
    torch.onnx.export(
        Network(), (torch.rand(1, BINS, 20),), file, dynamo=False, opset_version=17,
        input_names=["input"], output_names=["mask"], dynamic_axes={"input": axes, "mask": axes},
    )  # fmt: skip
    return onnx.load_from_string(file.getvalue())


def operators(model):
    return [node.op_type for node in model.graph.node]


def by_channels(x):
    batch, bins, frames = x.shape
    x = x.reshape(batch, 3, bins // 3, frames).transpose(1, 2)
    return torch.relu(x.reshape(batch, bins, frames))


def frames_in_front(x):
    batch, bins, frames = x.shape
    return torch.relu(x.permute(2, 0, 1)[:, :, None].reshape(frames, batch, bins)).permute(1, 2, 0)


def one_long_vector(x):
    return torch.relu(x.reshape(-1)).reshape(x.shape)


def channels_left_to_the_exporter(x):
    batch, _, frames = x.shape
    x = x.reshape(batch, 3, -1, frames).transpose(1, 2)
    return torch.relu(x.reshape(batch, -1, frames))


def frames_in_two_axes(x):
    batch, bins, frames = x.shape
    x = x[..., None] + x[..., None, :]
    return torch.relu(x.reshape(batch, bins, frames, frames)).mean(3)


def highest_of_four_frames(x):
    return torch.nn.functional.max_pool1d(torch.nn.functional.pad(x, (3, 0)), 4, 1)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("forward", "left"),
    [
        (by_channels, ["Reshape", "Transpose", "Reshape", "Relu"]),
        (channels_left_to_the_exporter, ["Reshape", "Transpose", "Reshape", "Relu"]),
        (frames_in_front, ["Transpose", "Constant", "Unsqueeze", "Reshape", "Relu", "Transpose"]),
        (one_long_vector, None),
        (frames_in_two_axes, None),
        (torch.relu, ["Relu"]),
        (highest_of_four_frames, ["Pad", "MaxPool"]),
    ],
)
def test_shapes_become_constants_where_they_can(forward, left):
    model = exported(forward)
    changed = with_constant_shapes(model)
    if left is not None:
        assert operators(changed) == left
    onnx.checker.check_model(changed)
    for batch, frames in ((1, 5), (3, 50), (2, 24)):
        magnitude = np.random.default_rng(0).random((batch, BINS, frames), np.float32)
        np.testing.assert_array_equal(MaskModel(changed)(magnitude), MaskModel(model)(magnitude))


@pytest.mark.filterwarnings("ignore")
def test_zeros_in_shapes_stand_for_axes_also_where_the_exporter_says_that_they_are_zeros():
    """As `torch.onnx.export(dynamo=True)` writes every Reshape."""
    model = exported(by_channels)
    for node in model.graph.node:
        if node.op_type == "Reshape":
            del node.attribute[:]
            node.attribute.append(onnx.helper.make_attribute("allowzero", 1))
    changed = with_constant_shapes(model)
    magnitude = np.random.default_rng(0).random((2, BINS, 24), np.float32)
    np.testing.assert_array_equal(MaskModel(changed)(magnitude), MaskModel(model)(magnitude))


def test_states_of_another_size():
    """What PyTorch's newer exporter makes of an LSTM with a projection."""
    model = onnx.parser.parse_model("""
        <ir_version: 9, opset_import: ["" : 17]> projected (float[1, 12, frames] x) => (float[1, 12, frames] mask) {
            zero = Constant <value_float = 0.0> ()
            one = Constant <value_int = 1> ()
            lengths = Constant <value_ints = [1, 48, 12]> ()
            weights = Expand (zero, lengths)
            of_states = Constant <value_ints = [1, 1, 12]> ()
            of_cells = Constant <value_ints = [1, 1, 32]> ()
            hidden = Expand (zero, of_states)
            cell = Expand (zero, of_cells)
            turned = Transpose <perm = [2, 0, 1]> (x)
            made = LSTM <hidden_size = 12> (turned, weights, weights, "", "", hidden, cell)
            axes = Constant <value_ints = [1]> ()
            flat = Squeeze (made, axes)
            open = Sigmoid (flat)
            mask = Transpose <perm = [1, 2, 0]> (open)
        }
    """)
    with pytest.raises(UserError, match=r"LSTM node.*proj_size.*a linear layer behind it") as caught:
        check_contract(model, Path("projected.onnx"))
    assert "hard-codes" not in str(caught.value)


@pytest.mark.filterwarnings("ignore")
def test_the_model_given_is_left_as_it_is():
    model = exported(by_channels)
    before = model.SerializeToString()
    assert len(operators(with_constant_shapes(model))) < len(operators(model))
    assert model.SerializeToString() == before


@pytest.mark.filterwarnings("ignore")
def test_multiply_accumulates_are_counted_behind_a_computed_shape(tmp_path):
    weights = torch.rand(BINS, BINS)
    model = exported(lambda x: (frames_in_front(x).transpose(1, 2) @ weights).transpose(1, 2))
    onnx.save(model, tmp_path / "model.onnx")
    assert summary_of(tmp_path / "model.onnx").macs_per_frame == BINS * BINS
    assert "Shape" in operators(model)
    assert "Shape" not in operators(prepare(model, tmp_path / "model.onnx", check_contract(model, tmp_path)))


def test_a_fixed_length_is_a_constant():
    model = onnx.parser.parse_model("""
        <ir_version: 9, opset_import: ["" : 17]> fixed (float[batch, 12, 20] x) => (float[batch, 12, 20] y) {
            s = Shape (x)  y = Reshape (x, s)
        }
    """)
    changed = with_constant_shapes(model)
    assert operators(changed) == ["Reshape"]
    (shape,) = changed.graph.initializer
    assert onnx.numpy_helper.to_array(shape).tolist() == [0, 12, 20]


@pytest.mark.filterwarnings("ignore")
def test_numbers_that_are_computed_from_shapes():
    """The scale of attention's scores, in a network whose batch is fixed."""

    class Network(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.attention = torch.nn.MultiheadAttention(4, 2, batch_first=True)

        def forward(self, x):
            tokens = x.permute(0, 2, 1).reshape(-1, BINS // 4, 4)
            made = self.attention(tokens, tokens, tokens, need_weights=False)[0]
            return torch.sigmoid(made.reshape(1, -1, BINS).permute(0, 2, 1))

    file = io.BytesIO()
    torch.onnx.export(
        Network().eval(), (torch.rand(1, BINS, 20),), file, dynamo=False, opset_version=17,
        input_names=["input"], output_names=["mask"], dynamic_axes={"input": {2: "frames"}, "mask": {2: "frames"}},
    )  # fmt: skip
    model = onnx.load_from_string(file.getvalue())
    changed = with_constant_shapes(model)
    assert "Sqrt" in operators(model) and not {"Shape", "Sqrt", "Cast"} & set(operators(changed))
    magnitude = np.random.default_rng(0).random((1, BINS, 31), np.float32)
    np.testing.assert_allclose(MaskModel(changed).whole(magnitude), MaskModel(model).whole(magnitude), atol=1e-6)
