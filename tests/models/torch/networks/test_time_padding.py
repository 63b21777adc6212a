import pytest

torch = pytest.importorskip("torch")

from sezoo.base.errors import UserError  # noqa: E402
from sezoo.models.torch.networks.stft_tcnn import StftTcnn  # noqa: E402
from sezoo.models.torch.networks.time_padding import TimeConv1d, TimeConv2d, frames_ahead  # noqa: E402
from sezoo.models.torch.networks.utcn import Utcn  # noqa: E402

UTCN = (Utcn, {"in_channels": 33, "tcn_latent_dim": 24, "channels": (6, 6, 8)}, 16)
STFT_TCNN = (StftTcnn, {"in_channels": 9, "tcn_latent_dim": 32}, 14)


@pytest.mark.parametrize(
    ("lookahead", "causal", "shares"),
    [
        (None, False, [1, 2, 4]),
        (7, False, [1, 2, 4]),
        (4, False, [1, 2, 1]),
        (1, False, [1, 0, 0]),
        (0, False, [0, 0, 0]),
        (None, True, [0, 0, 0]),
        (0, True, [0, 0, 0]),
    ],
)
def test_the_first_layers_look_ahead(lookahead, causal, shares):
    assert frames_ahead(lookahead, causal, [1, 2, 4]) == shares


@pytest.mark.parametrize(
    ("lookahead", "causal", "message"),
    [
        (
            8,
            False,
            r"model_specific\.lookahead: found 8; allowed: 0 to 7, as the kernels of this network look 7 frames",
        ),
        (-1, False, r"model_specific\.lookahead: found -1; allowed: 0 to 7"),
        (3, True, r"model_specific\.lookahead: found 3 beside causal: true, which is a look-ahead of 0"),
    ],
)
def test_a_lookahead_that_cannot_be(lookahead, causal, message):
    with pytest.raises(UserError, match=message):
        frames_ahead(lookahead, causal, [1, 2, 4])


@pytest.mark.parametrize("network", [UTCN, STFT_TCNN], ids=["utcn", "stft_tcnn"])
@pytest.mark.parametrize("lookahead", [0, 1, 5, None])
def test_a_network_sees_so_many_frames_ahead_and_the_rest_behind(network, lookahead):
    kind, shape, reach = network
    torch.manual_seed(0)
    made = kind(**shape, lookahead=lookahead).double().eval()
    magnitude = torch.rand(1, shape["in_channels"], 81, dtype=torch.float64, requires_grad=True)
    made(magnitude)[:, :, 45].sum().backward()
    frames = magnitude.grad[0].abs().sum(0).nonzero()[:, 0]
    ahead = reach if lookahead is None else lookahead
    assert (45 - frames.min(), frames.max() - 45) == (2 * reach - ahead, ahead)
    kind(**shape).load_state_dict(made.state_dict())  # the weights have the same names and shapes


@pytest.mark.parametrize("network", [UTCN, STFT_TCNN], ids=["utcn", "stft_tcnn"])
def test_causal_is_a_lookahead_of_0_and_reach_its_end(network):
    kind, shape, reach = network
    magnitude = torch.rand(1, shape["in_channels"], 30)
    masks = []
    for settings in ({"causal": True}, {"lookahead": 0}, {"lookahead": reach}, {}):
        torch.manual_seed(0)
        masks.append(kind(**shape, **settings).eval()(magnitude))
    assert torch.equal(masks[0], masks[1]) and torch.equal(masks[2], masks[3])
    with pytest.raises(UserError, match=rf"found {reach + 1}; allowed: 0 to {reach}"):
        kind(**shape, lookahead=reach + 1)


@pytest.mark.parametrize("ahead", [0, 1, 2])
def test_the_same_weights_see_another_time(ahead):
    x = torch.rand(1, 3, 5, 12)
    for late, middle, at in (
        (TimeConv1d(3, 3, dilation=1, ahead=ahead), TimeConv1d(3, 3, dilation=1, ahead=1), x[:, :, 0]),
        (TimeConv2d(3, ahead=ahead), TimeConv2d(3, ahead=1), x),
    ):
        late.load_state_dict(middle.state_dict())
        torch.testing.assert_close(late(at)[..., 3:-3], middle(at)[..., 2 + ahead : 8 + ahead])
