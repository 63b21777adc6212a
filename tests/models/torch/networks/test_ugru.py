import numpy as np
import onnx
import pytest

torch = pytest.importorskip("torch")

from sezoo.models.torch.networks.ugru import Ugru  # noqa: E402
from sezoo.models.torch.networks.utcn import Utcn  # noqa: E402
from sezoo.training.export import export_onnx  # noqa: E402


def small(**settings):
    torch.manual_seed(0)
    return Ugru(**{"in_channels": 33, "gru_hidden_size": 8, "channels": (4, 4, 6), **settings}).eval()


def test_the_default_is_small():
    assert sum(weight.numel() for weight in Ugru().parameters()) == 115_516


def test_no_mask_depends_on_later_frames_and_each_on_all_before():
    network = small(level_frames=4).double()
    magnitude = torch.rand(2, 33, 60, dtype=torch.float64, requires_grad=True)
    mask = network(magnitude)
    assert mask.shape == magnitude.shape and mask.min() > 0 and mask.max() < 1
    mask[:, :, 40].sum().backward()
    frames = magnitude.grad.abs().sum((0, 1)).nonzero()[:, 0]
    assert (frames.min(), frames.max()) == (0, 40)


def test_all_but_the_bottom_has_the_weights_of_a_causal_utcn():
    other = Utcn(in_channels=33, tcn_latent_dim=8, channels=(4, 4, 6), causal=True).state_dict()
    own = small().state_dict()
    assert {name: value.shape for name, value in own.items() if not name.startswith("time.")} == {
        name: value.shape for name, value in other.items() if not name.startswith("time.")
    }


def test_the_exported_model_gives_the_masks_of_torch(tmp_path):
    from sezoo.models.mask_model import MaskModel

    network = small(level_frames=4)
    export_onnx(network, tmp_path / "m.onnx", bins=33, opset=17)
    model = MaskModel(onnx.load(tmp_path / "m.onnx"), tmp_path / "m.onnx")
    magnitude = np.random.default_rng(0).gamma(0.5, 2, (2, 33, 30)).astype(np.float32)
    np.testing.assert_allclose(model(magnitude), network(torch.tensor(magnitude)).detach().numpy(), atol=1e-5)
