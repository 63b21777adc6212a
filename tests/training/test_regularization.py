import math

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from sezoo.base.errors import UserError  # noqa: E402
from sezoo.config.sections import Regularization  # noqa: E402
from sezoo.models.torch.networks.stft_tcnn import StftTcnn  # noqa: E402
from sezoo.training.regularization import ActivationPenalty, clip_weights_  # noqa: E402


class Two(nn.Module):
    """A Linear and a Conv1d on different shapes."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv1d(3, 5, 1)
        self.act = nn.ReLU()
        self.line = nn.Linear(4, 2)

    def forward(self, x):
        self.seen = [self.conv(x), self.line(self.act(x))]
        return self.seen[0].mean() + self.seen[1].mean()


def penalty_of(outputs, threshold, penalty_type):
    over = [[max(abs(a) - threshold, 0) for a in output.flatten().tolist()] for output in outputs]
    exponent = {"l1": 1, "l2": 2}[penalty_type]
    return sum(sum(a**exponent for a in layer) / len(layer) for layer in over) / len(over)


@pytest.mark.parametrize("penalty_type", ["l1", "l2"])
@pytest.mark.parametrize("threshold", [0.0, 0.5, 100.0])
def test_the_penalty_by_hand(penalty_type, threshold):
    torch.manual_seed(0)
    network = Two()
    with ActivationPenalty(network, ["Conv1d", "Linear"], threshold, penalty_type) as penalty:
        network(3 * torch.randn(2, 3, 4))
        value = penalty.value()
        expected = penalty_of(network.seen, threshold, penalty_type)
        assert value.item() == pytest.approx(expected, rel=1e-5)
        assert (value == 0) == (threshold == 100)


def test_the_penalty_is_that_of_the_last_pass_and_has_a_gradient():
    network = StftTcnn(in_channels=9, tcn_latent_dim=4)
    types = Regularization().act_reg_layer_types
    with ActivationPenalty(network, types, 0.1, "l2") as penalty:
        network(torch.rand(2, 9, 20))
        first = penalty.value().item()
        network(100 * torch.rand(2, 9, 20))
        assert penalty.value().item() > first
        network.eval()
        with torch.no_grad():
            network(torch.zeros(1, 9, 20))
        network.train()
        torch.manual_seed(0)
        network(torch.rand(2, 9, 20, generator=torch.manual_seed(1)))
        value = penalty.value()
        value.backward()
        assert all(p.grad is not None for p in network.net[0].ds.parameters())
    assert value.dtype == torch.float32 and value.shape == ()


def test_the_penalty_makes_activations_small():
    torch.manual_seed(0)
    network, magnitude = StftTcnn(in_channels=9, tcn_latent_dim=4), 10 * torch.rand(4, 9, 20)
    optimizer, values = torch.optim.Adam(network.parameters(), 0.01), []
    with ActivationPenalty(network, ["Conv1d"], 1.0, "l2") as penalty:
        for _ in range(20):
            network(magnitude)
            optimizer.zero_grad()
            penalty.value().backward()
            optimizer.step()
            values.append(penalty.value().item())
    assert values[-1] < 0.5 * values[0]


def test_closing_leaves_the_network_as_it_was():
    network = Two()
    penalty = ActivationPenalty(network, ["Conv1d"], 0.0, "l1")
    network(torch.ones(1, 3, 4))
    penalty.close()
    penalty.close()
    assert penalty.value() == 0
    network(torch.ones(1, 3, 4))
    assert penalty.value() == 0
    assert not any(layer._forward_hooks or layer._forward_pre_hooks for layer in network.modules())


def test_layers_that_return_several_tensors_and_none():
    class Recurrent(nn.Module):
        def __init__(self):
            super().__init__()
            self.lstm, self.unused = nn.LSTM(3, 4, batch_first=True), nn.Linear(1, 1)

        def forward(self, x):
            self.out = self.lstm(x)[0]
            return self.out

    network = Recurrent()
    with ActivationPenalty(network, ["LSTM", "Linear"], 0.0, "l1") as penalty:
        network(torch.randn(2, 6, 3))
        assert penalty.value().item() == pytest.approx(network.out.abs().mean().item())
    with ActivationPenalty(network, ["Linear"], 0.0, "l1") as penalty:
        network(torch.randn(2, 6, 3))
        assert penalty.value() == 0


def test_of_the_default_types_the_network_need_not_have_all():
    network, default = Two(), Regularization().act_reg_layer_types
    assert default == ("Conv1d", "DepthwiseSeparableConv")
    values = []
    for types in (default, ["Conv1d"], ["Linear"]):
        with ActivationPenalty(network, types, 0.0, "l1") as penalty:
            network(torch.ones(1, 3, 4))
            values.append(penalty.value().item())
    assert values[0] == values[1] != values[2]


def test_half_precision_does_not_overflow():
    network = nn.Sequential(nn.Identity())
    with ActivationPenalty(network, ["Identity"], 50.0, "l2") as penalty:
        network(torch.full((1, 2, 3), 60000.0, dtype=torch.float16))
        assert math.isfinite(penalty.value())


@pytest.mark.parametrize(
    ("types", "expected"),
    [
        (["Conv1D"], "the network has no layer 'Conv1D'; did you mean Conv1d?; it has Two, Conv1d, ReLU, Linear"),
        (
            ["DepthwiseSeparableConv"],
            "the network has no layer 'DepthwiseSeparableConv'; it has Two, Conv1d, ReLU, Linear",
        ),
        (["Conv1d", "zzz"], "the network has no layer 'zzz'; it has Two, Conv1d, ReLU, Linear"),
    ],
)
def test_unknown_layers_are_named(types, expected):
    network = Two()
    with pytest.raises(UserError) as caught:
        ActivationPenalty(network, types, 1.0, "l2")
    assert str(caught.value) == f"training.regularization.act_reg_layer_types: {expected}"
    assert not any(layer._forward_hooks or layer._forward_pre_hooks for layer in network.modules())


def test_a_network_with_none_of_the_default_types():
    with pytest.raises(UserError) as caught:
        ActivationPenalty(nn.Sequential(nn.Linear(2, 2)), Regularization().act_reg_layer_types, 1.0, "l2")
    assert str(caught.value) == (
        "training.regularization.act_reg_layer_types: the network has none of Conv1d, DepthwiseSeparableConv; it has "
        "Sequential, Linear"
    )


def test_weights_are_clipped_and_biases_are_not():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv1d(3, 4, 1), nn.BatchNorm1d(4), nn.PReLU(), nn.Linear(5, 2), nn.GRU(2, 2))
    for parameter in network.parameters():
        nn.init.uniform_(parameter, -3, 3)
    before = {name: parameter.detach().clone() for name, parameter in network.named_parameters()}
    clip_weights_(network, 0.7)
    for name, parameter in network.named_parameters():
        assert parameter.requires_grad
        expected = before[name] if "bias" in name else before[name].clamp(-0.7, 0.7)
        torch.testing.assert_close(parameter.detach(), expected, rtol=0, atol=0)
    assert any(before[name].abs().max() > 0.7 for name in before)
