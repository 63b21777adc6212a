import logging

import onnx
import pytest

torch = pytest.importorskip("torch")

from sezoo.base.errors import UserError  # noqa: E402
from sezoo.config.registries import NETWORKS as REGISTERED  # noqa: E402
from sezoo.models.streaming import streaming  # noqa: E402
from sezoo.models.torch.networks.conv_lstm import ConvLstmDenoiser  # noqa: E402
from sezoo.models.torch.networks.stft_tcnn import StftTcnn  # noqa: E402
from sezoo.models.torch.networks.ugru import Ugru  # noqa: E402
from sezoo.models.torch.networks.utcn import Utcn  # noqa: E402
from sezoo.models.torch.onnx_weights import load_onnx_weights  # noqa: E402
from sezoo.models.torch.weights import load_weights  # noqa: E402
from sezoo.training.export import export_onnx  # noqa: E402
from sezoo.training.first_network import demo_magnitudes  # noqa: E402
from sezoo.zoo import names_of_models, network_settings, zoo_model  # noqa: E402

BINS = 33
SMALL = {"in_channels": BINS, "channels": (4, 4, 6)}
NETWORKS = {
    "utcn": lambda: Utcn(**SMALL, tcn_latent_dim=8, level_frames=4),
    "utcn, a GRU, one frame ahead": lambda: Utcn(**SMALL, tcn_latent_dim=8, gru_units=5, lookahead=1),
    "ugru": lambda: Ugru(**SMALL, gru_hidden_size=8),
    "stft_tcnn": lambda: StftTcnn(in_channels=BINS, tcn_latent_dim=12, n_blocks=1),
    "stft_tcnn, prelu": lambda: StftTcnn(in_channels=BINS, tcn_latent_dim=12, n_blocks=1, layer_activation="prelu"),
    "conv_lstm": lambda: ConvLstmDenoiser(in_channels=BINS, lstm_hidden_size=6),
}


def trained(make):
    """A network whose batch norms, biases and slopes are not those of a new one."""
    torch.manual_seed(0)
    network = make().eval()
    with torch.no_grad():
        for name, tensor in network.state_dict().items():
            if name.endswith("running_var"):
                tensor.uniform_(0.5, 2)
            elif tensor.ndim == 1 and tensor.is_floating_point():
                tensor += 0.3 * torch.rand_like(tensor)
    return network


def exported(network, path):
    export_onnx(network, path, bins=BINS, opset=17)
    return path


@pytest.fixture(scope="module")
def utcn_file(tmp_path_factory):
    return exported(trained(NETWORKS["utcn"]), tmp_path_factory.mktemp("utcn") / "m.onnx")


@pytest.mark.parametrize("make", NETWORKS.values(), ids=NETWORKS)
def test_a_new_network_with_the_weights_of_the_file_computes_what_it_does(tmp_path, caplog, make):
    network = trained(make)
    torch.manual_seed(1)
    other = make()
    load_weights(other, exported(network, tmp_path / "m.onnx"))
    magnitude = torch.rand(2, BINS, 30).square()
    with torch.inference_mode():
        torch.testing.assert_close(other(magnitude), network(magnitude), atol=1e-4, rtol=0)
    assert not caplog.records


def test_training_goes_on_where_the_file_ended(utcn_file):
    """Batch norms have the statistics of recordings, so that those of a batch of them change nothing."""
    network = NETWORKS["utcn"]()
    magnitude = demo_magnitudes(BINS)
    load_onnx_weights(network, utcn_file, magnitude)
    magnitude = torch.from_numpy(magnitude)
    with torch.inference_mode():
        expected = network(magnitude)
        found = network.train()(magnitude)
    torch.testing.assert_close(found, expected, atol=1e-3, rtol=0)


def test_another_look_ahead_is_warned_of_and_can_be_trained(utcn_file, caplog):
    with caplog.at_level(logging.WARNING):
        load_onnx_weights(Utcn(**SMALL, tcn_latent_dim=8, level_frames=4, causal=True), utcn_file)
    (record,) = caplog.records
    assert "its masks differ by up to" in record.getMessage() and "look-ahead" in record.getMessage()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Utcn(**SMALL, tcn_latent_dim=6), r"into is \(8, 12, 1\) in the file, but \(6, 12, 1\) in the network"),
        (lambda: Utcn(**SMALL, tcn_latent_dim=8, n_blocks=3), r"time.6.layers.0 is \(12, 8, 1\) in the file, but"),
        (lambda: Utcn(**SMALL, tcn_latent_dim=8, n_blocks=1), r"out_of.0 is \(8, 8, 1\) in the file, but"),
        (NETWORKS["ugru"], "where the network has time.0.gru, a GRU, the file has the node Conv"),
    ],
    ids=["other channels", "more layers", "fewer layers", "a GRU"],
)
def test_layers_that_do_not_fit_are_named(utcn_file, make, message):
    with pytest.raises(UserError, match=f"m.onnx does not fit the network: {message}"):
        load_onnx_weights(make(), utcn_file)


def test_operators_without_a_layer_are_named(tmp_path):
    path = exported(trained(NETWORKS["stft_tcnn"]), tmp_path / "m.onnx")
    network = StftTcnn(in_channels=BINS, tcn_latent_dim=12, n_blocks=1, num_layers=2)
    with pytest.raises(UserError, match=r"does not fit the network: the node Conv .* has no layer in the network"):
        load_onnx_weights(network, path)


def test_layers_that_are_not_known_are_named(tmp_path):
    class Linear(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Linear(BINS, BINS)

        def forward(self, magnitude):
            return torch.sigmoid(self.layer(magnitude.transpose(1, 2)).transpose(1, 2))

    network = Linear()
    with pytest.raises(UserError, match="weights of layer, a Linear, are not read from ONNX; give torch weights"):
        load_onnx_weights(network, exported(network, tmp_path / "m.onnx"))


def test_weights_come_from_the_model_of_whole_clips(tmp_path):
    path = exported(trained(NETWORKS["ugru"]), tmp_path / "m.onnx")
    onnx.save(streaming(onnx.load(path), path), path)
    with pytest.raises(UserError, match="takes one frame a call; weights are taken from the model of whole clips"):
        load_onnx_weights(NETWORKS["ugru"](), path)


def test_weights_come_from_the_float_model():
    with pytest.raises(UserError, match=r"utcn_small_int8[.]onnx is an int8 model; weights are taken from its float"):
        load_onnx_weights(Utcn(), zoo_model("utcn_small").int8)


@pytest.mark.parametrize("name", names_of_models())
def test_shipped_models_can_be_trained_further(caplog, name):
    sections = network_settings(name)
    network = REGISTERED.load(sections["model"]["model_type"])(**sections["model_specific"])
    load_weights(network, zoo_model(name).float_model)
    assert not caplog.records
