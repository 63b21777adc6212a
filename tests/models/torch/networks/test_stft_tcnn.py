import numpy as np
import pytest

torch = pytest.importorskip("torch")

from sezoo.base.errors import UserError  # noqa: E402
from sezoo.models.torch.networks.stft_tcnn import DepthwiseSeparableConv, ResidualLayer, StftTcnn  # noqa: E402


def small(**settings):
    torch.manual_seed(0)
    return StftTcnn(**{"in_channels": 9, "tcn_latent_dim": 4, **settings})


def layers(network, kind):
    return [module for module in network.modules() if isinstance(module, kind)]


def test_medium_is_the_default():
    medium, named = StftTcnn(), StftTcnn(
        n_blocks=2, num_layers=3, in_channels=257, tcn_latent_dim=512, init_dilation=2, kernel_size=3,
        layer_activation="relu", mask_activation="sigmoid",
    )  # fmt: skip
    assert [(k, v.shape) for k, v in medium.state_dict().items()] == [
        (k, v.shape) for k, v in named.state_dict().items()
    ]
    trained = sum(weight.numel() for weight in medium.parameters())
    norms = layers(medium, torch.nn.BatchNorm1d)
    assert len(norms) == 12
    # The published 1.594 M are those of the board's model: a norm folds into the convolution before it, which keeps
    # or gets a bias.
    folded = trained - sum(2 * norm.num_features for norm in norms)
    folded += sum(norm.num_features for norm in norms[1::2])
    assert (trained, folded) == (1_603_584, 1_594_368)


def test_names_are_those_of_the_weights_that_there_are():
    names = list(small(n_blocks=1, num_layers=1).state_dict())
    norm = ["weight", "bias", "running_mean", "running_var", "num_batches_tracked"]
    assert names == [
        *("net.0.c.weight", "net.0.c.bias"),
        *(f"net.0.bn.{name}" for name in norm),
        "net.0.ds.dw.weight",
        *(f"net.0.ds.bn.{name}" for name in norm),
        "net.0.ds.pw.weight",
    ]


@pytest.mark.parametrize(
    ("settings", "dilations"),
    [
        ({}, [1, 2, 4, 1, 2, 4]),
        ({"n_blocks": 1, "num_layers": 4}, [1, 2, 4, 8]),
        ({"n_blocks": 3, "num_layers": 2, "init_dilation": 3}, [1, 3, 1, 3, 1, 3]),
        ({"init_dilation": 1}, [1] * 6),
    ],
)
def test_dilations(settings, dilations):
    network = small(**settings)
    assert [module.dw.dilation for module in layers(network, DepthwiseSeparableConv)] == [(d,) for d in dilations]
    assert len(layers(network, ResidualLayer)) == len(network.net) == len(dilations)


@pytest.mark.parametrize(
    ("settings", "field"),
    [({}, 14), ({"kernel_size": 5}, 28), ({"kernel_size": 1}, 0), ({"n_blocks": 1, "init_dilation": 3}, 13)],
)
def test_receptive_field(settings, field):
    network = small(tcn_latent_dim=32, **settings).double().eval()
    magnitude = torch.rand(1, 9, 81, dtype=torch.float64, requires_grad=True)
    network(magnitude)[:, :, 40].sum().backward()
    frames = magnitude.grad[0].abs().sum(0).nonzero()[:, 0]
    assert (40 - frames.min(), frames.max() - 40) == (field, field)


@pytest.mark.parametrize(("settings", "past"), [({}, 28), ({"kernel_size": 5}, 56), ({"kernel_size": 1}, 0)])
def test_a_causal_network_looks_back_alone(settings, past):
    network = small(tcn_latent_dim=32, causal=True, **settings).double().eval()
    magnitude = torch.rand(1, 9, 81, dtype=torch.float64, requires_grad=True)
    network(magnitude)[:, :, 60].sum().backward()
    frames = magnitude.grad[0].abs().sum(0).nonzero()[:, 0]
    assert (60 - frames.min(), frames.max() - 60) == (past, 0)
    two_sided = small(tcn_latent_dim=32, **settings).double().eval()
    two_sided.load_state_dict(network.state_dict())  # the weights are those of the other


def test_a_causal_network_is_the_two_sided_one_late():
    """One layer, whose only convolution over time is shifted by its reach."""
    settings = {"n_blocks": 1, "num_layers": 1, "kernel_size": 5}
    late, two_sided = small(causal=True, **settings).eval(), small(**settings).eval()
    magnitude = torch.rand(1, 9, 30)
    inside = [network.net[0].ds(network.net[0].act(network.net[0].c(magnitude))) for network in (late, two_sided)]
    torch.testing.assert_close(inside[0][..., 4:], inside[1][..., 2:-2])


@pytest.mark.parametrize("decibels", [-60, -30, 10])
def test_with_a_running_level_the_mask_does_not_depend_on_how_loud_a_clip_is(decibels):
    network = small(level_frames=8).eval()
    magnitude = torch.rand(1, 9, 40) * torch.logspace(0, 1, 40)
    with torch.inference_mode():
        mask, other = network(magnitude), network(magnitude * 10 ** (decibels / 20))
    assert mask.std() > 0.05
    assert (mask - other).abs().mean() < 2e-3


@pytest.mark.parametrize("kernel_size", [1, 3, 5, 7])
@pytest.mark.parametrize("frames", [1, 2, 40])
def test_odd_kernels_keep_the_length(kernel_size, frames):
    magnitude = torch.rand(2, 9, frames)
    assert small(kernel_size=kernel_size, init_dilation=3).eval()(magnitude).shape == magnitude.shape


@pytest.mark.parametrize("kernel_size", [2, 4])
def test_an_even_kernel_is_an_error(kernel_size):
    with pytest.raises(UserError, match=rf"^model_specific\.kernel_size: found {kernel_size}; allowed: an odd number"):
        small(kernel_size=kernel_size)


def test_one_layer_by_hand():
    network = small(n_blocks=1, num_layers=1).eval()
    for norm in layers(network, torch.nn.BatchNorm1d):
        for tensor in (norm.weight, norm.bias, norm.running_mean, norm.running_var):
            torch.nn.init.uniform_(tensor, 0.5, 1.5)
    w = {name: value.numpy().astype(np.float64) for name, value in network.state_dict().items()}

    def normed(x, norm):
        mean, variance, scale, shift = (
            w[f"{norm}.{name}"][:, None] for name in ("running_mean", "running_var", "weight", "bias")
        )
        return np.maximum((x - mean) / np.sqrt(variance + 1e-5) * scale + shift, 0)

    x = np.random.default_rng(0).random((9, 7))
    inside = normed(w["net.0.c.weight"][:, :, 0] @ x + w["net.0.c.bias"][:, None], "net.0.bn")
    padded = np.pad(inside, ((0, 0), (1, 1)))
    inside = sum(w["net.0.ds.dw.weight"][:, 0, tap, None] * padded[:, tap : tap + 7] for tap in range(3))
    y = x + w["net.0.ds.pw.weight"][:, :, 0] @ normed(inside, "net.0.ds.bn")
    mask = network(torch.tensor(x[None], dtype=torch.float32)).detach().numpy()[0]
    np.testing.assert_allclose(mask, 1 / (1 + np.exp(-y)), atol=1e-6)


def test_tanh_masks_go_below_zero():
    sigmoid, tanh = small().eval(), small(mask_activation="tanh").eval()
    magnitude = torch.randn(1, 9, 50)
    assert sigmoid(magnitude).min() > 0 and sigmoid(magnitude).max() < 1
    assert -1 <= tanh(magnitude).min() < 0 < tanh(magnitude).max() <= 1
    torch.testing.assert_close(torch.atanh(tanh(magnitude)), torch.logit(sigmoid(magnitude)), atol=1e-3, rtol=1e-3)


def test_prelu_has_a_slope_in_each_activation():
    network = small(layer_activation="prelu")
    slopes = {name: p for name, p in network.named_parameters() if ".act." in name}
    assert len(slopes) == 12 and all(slope.shape == (1,) for slope in slopes.values())
    assert not layers(network, torch.nn.ReLU)
    assert not layers(small(), torch.nn.PReLU)


def test_only_keywords():
    with pytest.raises(TypeError):
        StftTcnn(2, 3)


@pytest.mark.parametrize("settings", [{}, {"layer_activation": "prelu", "mask_activation": "tanh"}])
def test_it_learns(settings):
    network = small(n_blocks=1, **settings)
    magnitude, target = torch.rand(4, 9, 20), torch.rand(4, 9, 20)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    losses = []
    for _ in range(15):
        loss = torch.nn.functional.mse_loss(network(magnitude), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert all(p.grad is not None for p in network.parameters())
    assert losses[-1] < losses[0]
