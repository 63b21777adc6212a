import onnx
import pytest

torch = pytest.importorskip("torch")

from sezoo.base.errors import UserError  # noqa: E402
from sezoo.models.torch.networks.bin_unet import ClippedCopies  # noqa: E402
from sezoo.models.torch.networks.gru_layer import GruLayer  # noqa: E402
from sezoo.models.torch.networks.running_level import LEAST, RunningLevel  # noqa: E402
from sezoo.models.torch.networks.utcn import Utcn  # noqa: E402
from sezoo.training.export import export_onnx  # noqa: E402


def small(**settings):
    torch.manual_seed(0)
    return Utcn(**{"in_channels": 33, "tcn_latent_dim": 8, "channels": (4, 4, 6), **settings}).eval()


def test_the_default_has_fewer_weights_than_the_stft_tcnn():
    assert sum(weight.numel() for weight in Utcn().parameters()) == 1_223_156


@pytest.mark.parametrize("bins", [33, 129, 257])
@pytest.mark.parametrize("frames", [1, 2, 41])
def test_masks_are_as_large_as_magnitudes(bins, frames):
    mask = small(in_channels=bins)(10 * torch.rand(2, bins, frames))
    assert mask.shape == (2, bins, frames)
    assert mask.min() > 0 and mask.max() < 1
    assert torch.equal(mask[:, 0], mask[:, 1])


@pytest.mark.parametrize(
    ("settings", "reach"), [({}, 16), ({"n_blocks": 1, "num_layers": 1}, 3), ({"kernel_size": 5}, 30)]
)
def test_receptive_field(settings, reach):
    network = small(tcn_latent_dim=32, **settings).double()
    magnitude = torch.rand(1, 33, 81, dtype=torch.float64, requires_grad=True)
    network(magnitude)[:, :, 40].sum().backward()
    frames = magnitude.grad[0].abs().sum(0).nonzero()[:, 0]
    assert (40 - frames.min(), frames.max() - 40) == (reach, reach)


def test_a_gru_between_the_blocks_remembers_all_frames_before_and_none_after():
    network = small(gru_units=4, lookahead=1).double()
    magnitude = torch.rand(1, 33, 81, dtype=torch.float64, requires_grad=True)
    network(magnitude)[:, :, 60].sum().backward()
    frames = magnitude.grad[0].abs().sum(0).nonzero()[:, 0]
    assert (frames.min(), frames.max()) == (0, 61)


@pytest.mark.parametrize(("blocks", "grus"), [(2, 1), (3, 2)])
def test_there_is_a_gru_after_each_block_but_the_last(blocks, grus):
    network = small(gru_units=4, n_blocks=blocks, num_layers=2)
    kinds = ["gru" if isinstance(layer, GruLayer) else "tcn" for layer in network.time]
    assert kinds == [*(["tcn", "tcn", "gru"] * grus), "tcn", "tcn"]


def test_a_gru_whose_output_is_nothing_leaves_the_mask_as_it_is():
    """So that a trained U-TCN can go on with one, as utcn_gru_live did."""
    plain, network = small(), small(gru_units=4)
    weights = {name: value for name, value in network.state_dict().items() if name.startswith("time.3.")}
    weights["time.3.out.1.weight"] = torch.zeros(8)
    for name, value in plain.state_dict().items():
        parts = name.split(".")
        behind = parts[0] == "time" and int(parts[1]) >= 3
        weights[".".join([parts[0], str(int(parts[1]) + 1), *parts[2:]]) if behind else name] = value
    network.load_state_dict(weights)
    magnitude = torch.rand(1, 33, 20)
    torch.testing.assert_close(network(magnitude), plain(magnitude))


def test_bins_stay_in_their_order():
    """Each bin's mask follows its own magnitude: near bins matter through the network's local paths."""
    network = small(n_blocks=1, num_layers=1).double()
    with torch.no_grad():
        for weight in network.out_of[0].parameters():
            weight.zero_()  # nothing by the way of the bottom, where all bins meet
    magnitude = torch.rand(1, 33, 9, dtype=torch.float64, requires_grad=True)
    for bin_ in (2, 15, 32):
        magnitude.grad = None
        network(magnitude)[0, bin_, 4].backward()
        heard = magnitude.grad[0].abs().sum(1).nonzero()[:, 0]
        assert heard.min() <= bin_ <= heard.max()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"in_channels": 250}, r"model_specific.in_channels: found 250; allowed for this network: one more than a mu"),
        ({"kernel_size": 2}, "model_specific.kernel_size: found 2; allowed: an odd number"),
        (
            {"compression": "copies", "level_frames": 8},
            "model_specific.level_frames: found 8; allowed with compression: copies: 0",
        ),
        ({"gru_units": 4, "n_blocks": 1}, "model_specific.gru_units: found 4 with n_blocks: 1; a GRU layer is between"),
    ],
)
def test_shapes_that_cannot_be(settings, message):
    with pytest.raises(UserError, match=message):
        small(**settings)


@pytest.mark.parametrize("decibels", [-60, -30, 10])
def test_with_a_running_level_the_mask_does_not_depend_on_how_loud_a_clip_is(decibels):
    torch.manual_seed(0)
    network = small(level_frames=8)
    magnitude = torch.rand(1, 33, 40) * torch.logspace(-2, 0, 40)
    with torch.inference_mode():
        mask, other = network(magnitude), network(magnitude * 10 ** (decibels / 20))
    assert (mask - other).abs().mean() < 2e-3


def test_the_running_level_is_the_highest_mean_in_the_frames_up_to_now():
    spectrum = torch.rand(2, 5, 12) + 0.01
    found = RunningLevel(3)(spectrum)
    means = spectrum.mean(1)
    for frame in range(12):
        level = means[:, max(0, frame - 2) : frame + 1].max(1).values
        torch.testing.assert_close(found[..., frame], spectrum[..., frame] / (level[:, None] + LEAST))
    assert not RunningLevel(3)(torch.zeros(1, 5, 4)).any()


def test_a_running_level_looks_at_no_frame_to_come():
    spectrum = torch.rand(1, 5, 12)
    other = spectrum.clone()
    other[..., 8:] *= 100
    level = RunningLevel(4)
    torch.testing.assert_close(level(other)[..., :8], level(spectrum)[..., :8], rtol=0, atol=0)
    torch.testing.assert_close(level(spectrum)[..., 5:], level(spectrum[..., 2:])[..., 3:], rtol=0, atol=0)


def test_clipped_copies_tell_quiet_bins_apart_and_saturate():
    copies = ClippedCopies()(torch.tensor([0.0, 0.1, 0.2, 1.6, 100.0]).reshape(1, 1, 5, 1))[0, :, :, 0]
    expected = [[0, 3, 6, 6, 6], [0, 0.75, 1.5, 6, 6], [0, 0.1875, 0.375, 3, 6], [0, 0.046875, 0.09375, 0.75, 6]]
    torch.testing.assert_close(copies, torch.tensor(expected))


def test_with_copies_there_is_nothing_in_float_before_the_first_convolution(tmp_path):
    export_onnx(small(compression="copies"), tmp_path / "m.onnx", bins=33, opset=17)
    kinds = [node.op_type for node in onnx.load(tmp_path / "m.onnx").graph.node]
    assert set(kinds[: kinds.index("Conv")]) <= {"Constant", "Identity", "Unsqueeze", "Slice"}
    assert {"Pow", "Div", "ReduceMean", "MaxPool"}.isdisjoint(kinds)
