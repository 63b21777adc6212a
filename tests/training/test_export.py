import numpy as np
import onnx
import pytest

torch = pytest.importorskip("torch")

from sezoo.base.errors import UserError  # noqa: E402
from sezoo.models.contract import check_contract  # noqa: E402
from sezoo.models.mask_model import MaskModel  # noqa: E402
from sezoo.models.onnx_graph import axes_of  # noqa: E402
from sezoo.models.receptive_field import receptive_field_of  # noqa: E402
from sezoo.models.torch.networks.stft_tcnn import StftTcnn  # noqa: E402
from sezoo.models.torch.networks.utcn import Utcn  # noqa: E402
from sezoo.training.export import export_onnx  # noqa: E402

BINS = 33


UTCN = {"channels": (4, 4, 4)}


def network(**shape):
    torch.manual_seed(0)
    kind = Utcn if "channels" in shape else StftTcnn
    made = kind(**{"n_blocks": 1, "num_layers": 2, "in_channels": BINS, "tcn_latent_dim": 12, **shape})
    with torch.no_grad():  # as after some training: running statistics and biases of their own
        for parameter in made.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
        made.train()(torch.rand(4, BINS, 50))
    return made


@pytest.mark.parametrize(
    "shape",
    [
        *({}, {"layer_activation": "prelu"}, {"mask_activation": "tanh"}, {"kernel_size": 5}, {"causal": True}),
        *(UTCN, {**UTCN, "lookahead": 1}),
    ],
)
@pytest.mark.parametrize("opset", [13, 17])
def test_the_model_has_torchs_masks_for_any_batch_and_length(shape, opset, tmp_path):
    made = network(**shape)
    export_onnx(made, tmp_path / "m.onnx", bins=BINS, opset=opset)
    model = onnx.load(tmp_path / "m.onnx")
    assert axes_of(model.graph.input[0]) == axes_of(model.graph.output[0]) == ["batch", BINS, "seq_len"]
    assert model.opset_import[0].version == opset
    check_contract(model, tmp_path / "m.onnx", n_fft=64)
    made.eval()
    for batch, frames in ((1, 1), (3, 100)):
        magnitude = np.random.default_rng(frames).random((batch, BINS, frames), np.float32)
        with torch.no_grad():
            expected = made(torch.from_numpy(magnitude)).numpy()
        np.testing.assert_allclose(MaskModel(model)(magnitude), expected, atol=1e-5)


@pytest.mark.parametrize("shape", [{}, {"causal": True}, UTCN])
def test_batch_norms_are_folded(shape, tmp_path):
    export_onnx(network(**shape), tmp_path / "m.onnx", bins=BINS, opset=17)
    assert "BatchNormalization" not in {node.op_type for node in onnx.load(tmp_path / "m.onnx").graph.node}


def test_a_causal_model_needs_no_look_ahead(tmp_path):
    export_onnx(network(causal=True), tmp_path / "m.onnx", bins=BINS, opset=17)
    model = onnx.load(tmp_path / "m.onnx")
    assert receptive_field_of(model, tmp_path / "m.onnx") == (6, 0)


class Deciding(torch.nn.Module):
    def forward(self, x):
        if x.mean() > 0.4:
            x = 2 * x
        return torch.sigmoid(x) if x.max() > 0.1 else torch.zeros_like(x)


def test_a_decision_that_is_frozen_is_told(tmp_path, caplog):
    export_onnx(Deciding(), tmp_path / "m.onnx", bins=BINS, opset=17)
    assert not caplog.text  # told once in a training, of its first export
    export_onnx(Deciding(), tmp_path / "m.onnx", bins=BINS, opset=17, warns=True)
    assert "test_export.py, line 70, 72: a decision that depends on the input" in caplog.text
    caplog.clear()
    for quiet in (network(), network(**UTCN), network(causal=True)):
        export_onnx(quiet, tmp_path / "m.onnx", bins=BINS, opset=17, warns=True)
    assert not caplog.text


def test_the_network_is_left_as_it_is(tmp_path):
    made = network().train()
    before = {name: tensor.clone() for name, tensor in made.state_dict().items()}
    export_onnx(made, tmp_path / "m.onnx", bins=BINS, opset=17)
    assert made.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in made.state_dict().items())


def test_an_opset_that_there_is_not(tmp_path):
    with pytest.raises(UserError, match=r"training\.opset_version: the network cannot be exported in opset 3"):
        export_onnx(network(), tmp_path / "m.onnx", bins=BINS, opset=3)
    assert not list(tmp_path.iterdir())


def test_a_network_that_remembers_the_length_it_was_traced_with(tmp_path):
    class Fixed(torch.nn.Module):
        def forward(self, x):
            return x * torch.ones(x.shape[0], BINS, 1) * len(x[0, 0]) / 40

    with pytest.raises(UserError):
        export_onnx(Fixed(), tmp_path / "m.onnx", bins=BINS, opset=17)
    assert not list(tmp_path.iterdir())
