"""A network that is trained with its integers makes the masks of the int8 model that is written of it."""

import copy

import numpy as np
import onnx
import pytest

from quantizers import quantization, ready
from recurrent_graphs import plan_of, recurrent
from sezoo.base.errors import UserError
from sezoo.models.mask_model import MaskModel
from sezoo.models.onnx_graph import float_weights, initializers
from sezoo.quantization.aware import Int8Start
from sezoo.quantization.calibration.ranges import calibrate
from sezoo.quantization.graph.qdq import write_qdq
from sezoo.quantization.options import calibration_options
from sezoo.quantization.plan import Plan
from sezoo.quantization.recovery.input_precision import before_layers, with_split_input
from sezoo.quantization.trained import settings_of, trained_plan

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402

from sezoo.models.torch.networks.conv_lstm import ConvLstmDenoiser  # noqa: E402
from sezoo.models.torch.networks.stft_tcnn import StftTcnn  # noqa: E402
from sezoo.models.torch.networks.utcn import Utcn  # noqa: E402
from sezoo.training.export import export_onnx  # noqa: E402
from sezoo.training.quantization_aware.network import QuantizedNetwork  # noqa: E402
from sezoo.training.quantization_aware.start import aware_network, export_with_integers  # noqa: E402

torch.set_num_threads(1)

BINS = 33
TCN = {"n_blocks": 1, "num_layers": 2, "in_channels": BINS, "tcn_latent_dim": 8}


class Custom(nn.Module):
    """Bands by a matrix that is not trained, a linear layer over them, and a normalisation."""

    def __init__(self):
        super().__init__()
        self.register_buffer("bands", torch.rand(BINS, 12))
        self.layer = nn.Linear(12, BINS)
        self.norm = nn.LayerNorm(BINS)

    def forward(self, magnitude):
        bands = torch.tanh(magnitude.transpose(1, 2) @ self.bands)
        return torch.sigmoid(self.norm(self.layer(bands))).transpose(1, 2)


NETWORKS = {
    "utcn": lambda: Utcn(**TCN, channels=(4, 4, 4), level_frames=4),
    "relu": lambda: StftTcnn(**TCN),
    "prelu": lambda: StftTcnn(**TCN, layer_activation="prelu", mask_activation="tanh", causal=True),
    "lstm": lambda: ConvLstmDenoiser(in_channels=BINS, lstm_hidden_size=8, num_lstm_layers=1),
    "custom": Custom,
}


def magnitudes(count=2, frames=30):
    return np.random.default_rng(count).gamma(0.5, 1.0, (count, BINS, frames)).astype(np.float32)


def start_of(network, folder, split=False, **settings):
    """What quantization begins with, on random magnitudes."""
    path = folder / "model.onnx"
    export_onnx(network, path, bins=BINS, opset=17)
    settings = quantization(**settings)
    prepared, op_types = ready(onnx.load(path), settings)
    clips = [[magnitude[np.newaxis]] for magnitude in magnitudes(4)]
    plan = Plan(
        prepared, prepared, calibrate(prepared, clips, op_types, calibration_options(settings)), tuple(op_types)
    )
    if split:
        plan = with_split_input(plan)
        ranges = calibrate(plan.exact, clips, op_types, calibration_options(settings))
        plan = Plan(**{**vars(plan), "ranges": ranges | plan.ranges})
    options = {**settings.extra_options, "AddQDQPairToWeight": True}
    int8 = write_qdq(plan, settings.model_copy(update={"extra_options": options}))
    return Int8Start(plan.model, int8, plan.fixed_ranges | before_layers(plan), plan, settings)


def trained(network, steps=5):
    """The same after some steps towards random masks."""
    optimizer = torch.optim.Adam(network.parameters(), 0.01)
    magnitude = torch.from_numpy(magnitudes())
    for _ in range(steps):
        optimizer.zero_grad()
        (network(magnitude) - torch.rand(magnitude.shape)).square().mean().backward()
        assert all(weight.grad is None or weight.grad.isfinite().all() for weight in network.parameters())
        optimizer.step()
    return network


@pytest.mark.parametrize("weight_bits", [8, 4])
@pytest.mark.parametrize("name", NETWORKS)
def test_the_int8_model_is_what_was_trained(name, weight_bits, tmp_path):
    torch.manual_seed(0)
    float_network = NETWORKS[name]()
    start = start_of(float_network, tmp_path, weight_bits=weight_bits)
    network = trained(aware_network(start, "learned", float_network))
    path = tmp_path / "trained.onnx"
    export_with_integers(network, path, start=start, bins=BINS)

    model = onnx.load(path)  # what `quantization` then writes
    settings = settings_of(model, path, quantization())
    int8 = write_qdq(trained_plan(model, path), settings)
    magnitude = magnitudes(3, 41)
    with torch.no_grad():
        expected = network(torch.from_numpy(magnitude)).numpy()
    difference = np.abs(MaskModel(int8, path)(magnitude) - expected)
    assert difference.mean() < 1e-4
    assert np.mean(difference > 1e-3) < 0.01  # sums that lie just between two integers
    written = initializers(int8.graph)
    for tensor, (scale, zero_point, _) in network.learned_grids().items():
        np.testing.assert_array_equal(written[f"{tensor}_scale"], scale)
        np.testing.assert_array_equal(written[f"{tensor}_zero_point"].astype(int), zero_point)
    assert np.abs(MaskModel(model, path)(magnitude) - expected).mean() < 0.2  # the float model is one of its own


def test_scales_and_weights_are_learned(tmp_path):
    torch.manual_seed(0)
    start = start_of(StftTcnn(**TCN), tmp_path)
    network = aware_network(start, "learned")
    before, weights = network.learned_grids(), network.learned_weights()
    trained(network)
    assert weights.keys() == float_weights(start.float_model.graph).keys()
    for name, values in network.learned_weights().items():
        assert not np.array_equal(values, weights[name]), name
    assert all(np.any(scale != before[name][0]) for name, (scale, _, _) in network.learned_grids().items())


def test_calibrated_ranges_stay(tmp_path):
    start = start_of(StftTcnn(**TCN), tmp_path)
    network = aware_network(start, "calibrated")
    trained(network)
    written = initializers(start.int8_model.graph)
    for name, (scale, _, _) in network.learned_grids().items():
        np.testing.assert_array_equal(scale, written[f"{name}_scale"])


def test_buffers_of_the_network_are_not_trained(tmp_path):
    torch.manual_seed(0)
    custom = Custom()
    network = aware_network(start_of(custom, tmp_path), "learned", custom)
    shapes = sorted(values.shape for values in network.learned_weights().values())
    assert shapes == [(12, BINS), (BINS,), (BINS,), (BINS,)]  # the layer, its bias, and the norm's two


def test_the_parts_of_a_split_input_stay_what_they_are(tmp_path):
    torch.manual_seed(0)
    start = start_of(StftTcnn(**TCN), tmp_path, split=True)
    network = trained(aware_network(start, "learned"))
    export_with_integers(network, tmp_path / "trained.onnx", start=start, bins=BINS)
    written, fixed = initializers(start.int8_model.graph), start.fixed & network.grids.keys()
    assert fixed
    for name in fixed:
        np.testing.assert_array_equal(network.learned_grids()[name][0], written[f"{name}_scale"])


def test_a_copy_has_weights_of_its_own(tmp_path):
    network = aware_network(start_of(StftTcnn(**TCN), tmp_path), "learned")
    before = network(torch.from_numpy(magnitudes())).detach()
    trained(copy.deepcopy(network))
    torch.testing.assert_close(network(torch.from_numpy(magnitudes())).detach(), before, rtol=0, atol=0)


def test_an_operator_that_cannot_be_trained(tmp_path):
    start = start_of(StftTcnn(**TCN), tmp_path)
    next(node for node in start.int8_model.graph.node if node.op_type == "Sigmoid").op_type = "Softsign"
    with pytest.raises(UserError, match=r"the node Softsign '.*' cannot be trained; known are Abs, Add"):
        aware_network(start, "learned")


def test_a_loop_in_int8_cannot_be_trained():
    plan, settings = plan_of(recurrent("GRU"))
    options = {**settings.extra_options, "AddQDQPairToWeight": True}
    int8 = write_qdq(plan, settings.model_copy(update={"extra_options": options}))
    with pytest.raises(UserError, match=r"the node Scan 'layer0' cannot be trained; known are"):
        QuantizedNetwork(plan.model, int8)
