"""The ConvLSTMDenoiser against torch's own layers, put together here."""

import numpy as np
import onnx
import pytest

torch = pytest.importorskip("torch")

from sezoo.base.errors import UserError  # noqa: E402
from sezoo.config.sections_model import ConvLstmSpecific, Model  # noqa: E402
from sezoo.models.mask_model import MaskModel  # noqa: E402
from sezoo.models.torch.mask_model import build_network, torch_mask_model  # noqa: E402
from sezoo.models.torch.networks.conv_lstm import ConvLstmDenoiser  # noqa: E402
from sezoo.training.export import export_onnx  # noqa: E402

SHAPE = {"in_channels": 9, "lstm_hidden_size": 6, "num_lstm_layers": 2}
NORM = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")


def network(seed=0, **settings):
    """A small one whose norms are not those of a new one."""
    torch.manual_seed(seed)
    made = ConvLstmDenoiser(**{**SHAPE, **settings})
    for name, tensor in made.state_dict().items():
        if name.endswith(("running_mean", "running_var")):
            tensor.copy_(torch.rand(tensor.shape) + 0.5)
    return made.eval()


def zoo_weights(seed=1, bins=9, hidden=6, layers=2):
    """A state dict with the names and shapes that the model zoo's files have, each tensor random."""
    shapes = {
        "conv_block_1.0.weight": (bins, bins, 1),
        "conv_block_1.0.bias": (bins,),
        **{f"conv_block_1.1.{name}": (bins,) for name in NORM[:4]},
        "conv_block_2.0.weight": (bins, hidden, 1),
        "conv_block_2.0.bias": (bins,),
        **{f"conv_block_2.1.{name}": (bins,) for name in NORM[:4]},
        "conv_3.weight": (bins, bins, 1),
        "conv_3.bias": (bins,),
    }
    for layer in range(layers):
        shapes[f"lstm_block.weight_ih_l{layer}"] = (4 * hidden, hidden if layer else bins)
        shapes[f"lstm_block.weight_hh_l{layer}"] = (4 * hidden, hidden)
        shapes[f"lstm_block.bias_ih_l{layer}"] = shapes[f"lstm_block.bias_hh_l{layer}"] = (4 * hidden,)
    random = torch.Generator().manual_seed(seed)
    weights = {name: torch.rand(shape, generator=random) - 0.4 for name, shape in shapes.items()}
    for block in ("conv_block_1", "conv_block_2"):
        weights[f"{block}.1.running_var"] += 1
        weights[f"{block}.1.num_batches_tracked"] = torch.tensor(7)
    return weights


def by_hand(weights, x, mask="sigmoid"):
    """The network in numpy, in float64: (bins, frames) to a mask."""
    w = {name: tensor.numpy().astype(np.float64) for name, tensor in weights.items()}

    def block(name, x):
        x = w[f"{name}.0.weight"][:, :, 0] @ x + w[f"{name}.0.bias"][:, None]
        scale = w[f"{name}.1.weight"] / np.sqrt(w[f"{name}.1.running_var"] + 1e-5)
        return np.maximum((x - w[f"{name}.1.running_mean"][:, None]) * scale[:, None] + w[f"{name}.1.bias"][:, None], 0)

    def sigmoid(x):
        return 1 / (1 + np.exp(-x))

    rows = block("conv_block_1", x).T
    for layer in range(sum(name.startswith("lstm_block.weight_hh") for name in w)):
        names = (f"lstm_block.{kind}_l{layer}" for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))
        of_input, of_state, bias, second_bias = (w[name] for name in names)
        h = c = np.zeros(of_state.shape[1])
        out = []
        for row in rows:
            i, f, g, o = np.split(of_input @ row + of_state @ h + bias + second_bias, 4)
            c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
            h = sigmoid(o) * np.tanh(c)
            out.append(h)
        rows = np.array(out)
    x = w["conv_3.weight"][:, :, 0] @ block("conv_block_2", rows.T) + w["conv_3.bias"][:, None]
    return sigmoid(x) if mask == "sigmoid" else np.tanh(x)


def magnitudes(batch=1, frames=20, seed=0):
    return np.random.default_rng(seed).gamma(0.5, 2, (batch, 9, frames)).astype(np.float32)


@pytest.mark.parametrize("mask", ["sigmoid", "tanh"])
@pytest.mark.parametrize("layers", [1, 2, 3])
def test_weights_of_the_model_zoo_give_the_masks_of_its_structure(tmp_path, layers, mask):
    weights = zoo_weights(layers=layers)
    torch.save(weights, tmp_path / "weights.pt")
    section = ConvLstmSpecific(**{**SHAPE, "num_lstm_layers": layers}, mask_activation=mask)
    model = torch_mask_model(
        Model(model_type="ConvLSTMDenoiser", state_dict_path=tmp_path / "weights.pt"), section, "cpu", n_fft=16
    )
    magnitude = magnitudes(2, 30)
    expected = np.stack([by_hand(weights, each, mask) for each in magnitude])
    np.testing.assert_allclose(model(magnitude), expected, atol=2e-6)
    assert np.std(expected) > 0.02


def test_the_names_of_its_tensors_are_those_of_the_model_zoo():
    assert set(network().state_dict()) == set(zoo_weights())
    assert {name: value.shape for name, value in network().state_dict().items()} == {
        name: value.shape for name, value in zoo_weights().items()
    }


def test_the_default_is_the_model_zoos():
    made = build_network(Model(model_type="ConvLSTMDenoiser"), ConvLstmSpecific())
    assert sum(weight.numel() for weight in made.parameters()) == 1_253_385
    assert isinstance(made, ConvLstmDenoiser) and made.lstm_block.hidden_size == 256


def test_no_mask_depends_on_later_frames():
    made = network()
    made.load_state_dict(zoo_weights())
    magnitude = torch.tensor(magnitudes(frames=30))
    later = magnitude.clone()
    later[..., 17:] += 1
    one, other = made(magnitude), made(later)
    torch.testing.assert_close(one[..., :17], other[..., :17])
    assert torch.all(torch.any(torch.abs(one - other)[..., 17:] > 1e-4, dim=1))


@pytest.mark.parametrize("opset", [17, 20])
def test_the_exported_model_gives_the_masks_of_torch(tmp_path, opset, caplog):
    made = network()
    export_onnx(made, tmp_path / "lstm.onnx", bins=9, opset=opset)
    model = MaskModel(onnx.load(tmp_path / "lstm.onnx"), tmp_path / "lstm.onnx")
    for batch, frames in ((1, 1), (3, 55), (2, 200)):
        magnitude = magnitudes(batch, frames)
        expected = made(torch.tensor(magnitude)).detach().numpy()
        np.testing.assert_allclose(model(magnitude), expected, atol=1e-5)
    assert not caplog.text  # of what torch's own layers decide by the shape of the example
    dims = [axis.dim_param or axis.dim_value for axis in model_input(tmp_path / "lstm.onnx").type.tensor_type.shape.dim]
    assert dims[1] == 9 and isinstance(dims[0], str) and isinstance(dims[2], str)


def model_input(path):
    return onnx.load(path).graph.input[0]


def test_it_learns():
    made = network().train()
    magnitude, target = torch.tensor(magnitudes(4)), torch.rand(4, 9, 20)
    optimizer = torch.optim.Adam(made.parameters(), lr=0.01)
    losses = []
    for _ in range(15):
        loss = torch.nn.functional.mse_loss(made(magnitude), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert all(weight.grad is not None for weight in made.parameters()) and losses[-1] < losses[0]


def test_a_mask_of_other_bins_is_refused():
    with pytest.raises(UserError, match=r"model_specific.out_channels: found 8; allowed: 9, as in_channels"):
        network(out_channels=8)
