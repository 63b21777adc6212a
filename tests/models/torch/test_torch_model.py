import argparse
import io
import logging
import os
import re
import sys
import textwrap
from pathlib import Path

import numpy as np
import onnx
import pytest

torch = pytest.importorskip("torch")

from sezoo.base.errors import UserError  # noqa: E402
from sezoo.config.sections_model import CustomModelSpecific, Model, ModelSpecific, UtcnSpecific  # noqa: E402
from sezoo.models.mask_model import MaskModel  # noqa: E402
from sezoo.models.receptive_field import receptive_field  # noqa: E402
from sezoo.models.torch import mask_model as torch_model  # noqa: E402
from sezoo.models.torch.mask_model import TorchMaskModel, build_network, load_weights, torch_device, torch_mask_model  # noqa: E402
from sezoo.models.torch.networks.stft_tcnn import StftTcnn  # noqa: E402

SHARED = Path(__file__).parents[4] / "shared" / "models"
SMALL = {"n_blocks": 1, "num_layers": 2, "in_channels": 9, "tcn_latent_dim": 4}
STFT_TCNN = Model()


def network_of(seed=0, **settings):
    """A small network whose norms are not those of a new one."""
    torch.manual_seed(seed)
    network = StftTcnn(**{**SMALL, **settings})
    for name, tensor in network.state_dict().items():
        if tensor.ndim == 1:
            tensor.copy_(torch.rand(tensor.shape) + (0.5 if name.endswith("var") else 0))
    return network


def magnitudes(batch=1, bins=9, frames=20, seed=0):
    return np.random.default_rng(seed).random((batch, bins, frames), np.float32)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "weights.pt"


def error_of(call, *arguments, **keywords):
    """The message of the UserError, which is one line."""
    with pytest.raises(UserError) as raised:
        call(*arguments, **keywords)
    message = str(raised.value)
    assert "\n" not in message
    return message


# -- the whole way ------------------------------------------------------------------------------------


@pytest.mark.skipif(not SHARED.is_dir(), reason="the trained models lie in ../shared/models, which is not here")
def test_trained_weights_give_the_masks_of_the_onnx_beside_them():
    files = sorted(SHARED.glob("*.pt"))
    assert files
    for file in files:
        onnx_model = MaskModel(file.with_suffix(".onnx"))
        model = torch_mask_model(Model(state_dict_path=file), ModelSpecific(), "cpu", n_fft=512)
        for shape in ((1, 257, 1), (2, 257, 33), (1, 257, 200)):
            magnitude = np.random.default_rng(1).gamma(0.5, 2, shape).astype(np.float32)
            np.testing.assert_allclose(model(magnitude), onnx_model(magnitude), atol=2e-5)
        assert receptive_field(model, bins=257, reach=20) == (14, 14)


@pytest.mark.parametrize(
    "settings", [{}, {"layer_activation": "prelu"}, {"mask_activation": "tanh"}, {"kernel_size": 5, "init_dilation": 3}]
)
def test_weights_come_back(settings, path):
    network = network_of(**settings)
    torch.save(network.state_dict(), path)
    model = torch_mask_model(Model(state_dict_path=path), ModelSpecific(**SMALL, **settings), "cpu")
    magnitude = magnitudes(3)
    expected = network.eval()(torch.tensor(magnitude)).detach().numpy()
    assert model(magnitude).dtype == np.float32
    np.testing.assert_array_equal(model(magnitude), expected)


def test_the_weights_of_a_utcn_come_back(path):
    section = UtcnSpecific(in_channels=17, tcn_latent_dim=8, channels=(4, 4, 4))
    network = build_network(Model(model_type="UTCN"), section)
    torch.save(network.state_dict(), path)
    model = torch_mask_model(Model(model_type="UTCN", state_dict_path=path), section, "cpu", n_fft=32)
    magnitude = magnitudes(2, 17)
    np.testing.assert_array_equal(model(magnitude), network.eval()(torch.tensor(magnitude)).detach().numpy())


@pytest.mark.parametrize("n_fft", [16, 256, 320, 1024])
def test_other_lengths_of_the_transform(n_fft, path):
    bins = n_fft // 2 + 1
    torch.save(network_of(in_channels=bins).state_dict(), path)
    model = torch_mask_model(
        Model(state_dict_path=path), ModelSpecific(**{**SMALL, "in_channels": bins}), "cpu", n_fft=n_fft
    )
    assert model(magnitudes(2, bins)).shape == (2, bins, 20)


def test_a_network_of_other_bins_than_the_transform(path):
    message = error_of(torch_mask_model, Model(state_dict_path=path), ModelSpecific(**SMALL), "cpu", n_fft=512)
    assert message == "model_specific.in_channels: found 9; preprocessing.n_fft 512 needs 257 (n_fft // 2 + 1)"


def test_a_device_that_is_not_here_is_named_by_its_key(path):
    message = error_of(torch_mask_model, Model(state_dict_path=path), ModelSpecific(**SMALL), "gpu", n_fft=16)
    assert message == "evaluation.device: found 'gpu'; allowed: auto, cpu, cuda, cuda:0 (or another number), mps"


def test_without_weights():
    message = error_of(torch_mask_model, STFT_TCNN, ModelSpecific(**SMALL), "cpu")
    assert message == "model.state_dict_path: not set; a torch model needs it"


def test_weights_that_are_not_finite(path):
    state = network_of().state_dict()
    state["net.0.c.bias"][0] = torch.nan
    torch.save(state, path)
    message = error_of(torch_mask_model, Model(state_dict_path=path), ModelSpecific(**SMALL), "cpu")
    assert message == f"{path}: the mask has NaN or infinite values"


# -- running ------------------------------------------------------------------------------------------


def test_the_face_of_a_mask_model(path):
    model = TorchMaskModel(network_of().train(), path)
    assert (model.path, model.batch, model.frames, model.input_quantizer) == (path, None, None, None)
    assert not model.network.training
    magnitude = magnitudes()
    magnitude.flags.writeable = False
    np.testing.assert_array_equal(model(magnitude), model(magnitude))


class Forward(torch.nn.Module):
    """A network that is one function."""

    def __init__(self, function):
        super().__init__()
        self.forward = function


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda x: x[:, :, 1:], "the mask has shape (1, 9, 19), the magnitudes (1, 9, 20)"),
        (lambda x: x / 0, "the mask has NaN or infinite values"),
        (lambda x: (x, x), "the network returns tuple; one float tensor is needed, the mask"),
        (lambda x: x.to(torch.complex64), "the network returns torch.complex64; one float tensor is needed, the mask"),
        (lambda x: x @ x, "cannot be run on shape (1, 9, 20): Expected size for first two dimensions"),
        (lambda x: {}["mask"], "cannot be run on shape (1, 9, 20): KeyError: 'mask'"),
    ],
)
def test_networks_that_make_no_mask(function, message, path):
    assert error_of(TorchMaskModel(Forward(function), path), magnitudes()).startswith(f"{path}: {message}")


def test_the_magnitudes_stay_and_half_precision_is_widened(path):
    magnitude = magnitudes()
    before = magnitude.copy()
    mask = TorchMaskModel(Forward(lambda x: x.mul_(0).half()), path)(magnitude)
    np.testing.assert_array_equal(magnitude, before)
    assert mask.dtype == np.float32 and not mask.any()


def test_magnitudes_of_other_bins(path):
    message = error_of(TorchMaskModel(network_of(), path), magnitudes(bins=11))
    assert message.startswith(f"{path}: cannot be run on shape (1, 11, 20): Given groups=1, weight of size [4, 9, 1]")


class Trained(torch.nn.Module):
    """A mask from a weight, a norm and dropout; in training mode another function of it."""

    def __init__(self, function):
        super().__init__()
        self.norm, self.dropout = torch.nn.BatchNorm1d(9), torch.nn.Dropout()
        self.function = function

    def forward(self, x):
        mask = self.dropout(self.norm(x)).sigmoid()
        return self.function(mask) if self.training else mask


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda mask: mask[:, :, 1:], "the mask has shape (2, 9, 19), the magnitudes (2, 9, 20)"),
        (lambda mask: mask.mean(2, keepdim=True), "the mask has shape (2, 9, 1), the magnitudes (2, 9, 20)"),
        (lambda mask: (mask, mask), "the network returns tuple; one float tensor is needed, the mask"),
        (lambda mask: {}["mask"], "cannot be run on shape (2, 9, 20) in training mode: KeyError: 'mask'"),
        (lambda mask: mask.detach(), "the mask has no gradient: it depends on no weight, or is detached"),
        (lambda mask: (mask, mask.exp_())[0], "cannot be run on shape (2, 9, 20) in training mode: one of the"),
        (lambda mask: mask, None),
    ],
)
def test_networks_that_do_not_train(function, message, path):
    torch.manual_seed(0)
    model = TorchMaskModel(Trained(function), path)
    before, random = {k: v.clone() for k, v in model.network.state_dict().items()}, torch.get_rng_state()
    model(magnitudes(2))
    if message is None:
        model.check_trains(magnitudes(2))
    else:
        assert error_of(model.check_trains, magnitudes(2)).startswith(f"{path}: {message}")
    assert not model.network.training
    assert torch.equal(torch.get_rng_state(), random)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.network.state_dict().items())
    assert all(parameter.grad is None for parameter in model.network.parameters())


class Remembering(torch.nn.Module):
    """A network that makes a table when it is first run, and keeps it."""

    def __init__(self):
        super().__init__()
        self.weight, self.table = torch.nn.Parameter(torch.ones(9, 1)), None

    def forward(self, x):
        if self.table is None:
            self.table = torch.linspace(0, 1, 9)[:, None]
        return x * self.weight * self.table


def test_what_a_network_keeps_of_a_run_is_of_use_in_training(path):
    model = TorchMaskModel(Remembering(), path)
    model(magnitudes())
    model.check_trains(magnitudes())


def test_threads(path, monkeypatch):
    asked = []
    monkeypatch.setattr(torch, "set_num_threads", asked.append)
    TorchMaskModel(network_of(), path)
    assert asked == []
    TorchMaskModel(network_of(), path, threads=1)
    assert asked == [1]


# -- devices ------------------------------------------------------------------------------------------


@pytest.fixture
def no_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)


@pytest.fixture
def one_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)


@pytest.mark.parametrize("name", ["auto", "cpu"])
def test_without_a_gpu(name, no_gpu):
    assert torch_device(name) == torch.device("cpu")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("cuda", "device: found 'cuda:0', but torch sees 0 CUDA GPUs here; set it to auto"),
        ("cuda:0", "device: found 'cuda:0', but torch sees 0 CUDA GPUs here; set it to auto"),
        ("mps", "device: found 'mps', but torch sees no Apple GPU here; set it to auto"),
        ("gpu", "device: found 'gpu'; allowed: auto, cpu, cuda, cuda:0 (or another number), mps"),
        ("cuda:", "device: found 'cuda:'; allowed: auto, cpu, cuda, cuda:0 (or another number), mps"),
        ("", "device: found ''; allowed: auto, cpu, cuda, cuda:0 (or another number), mps"),
    ],
)
def test_devices_that_are_not_here(name, message, no_gpu):
    assert error_of(torch_device, name) == message


def test_with_a_gpu(one_gpu):
    assert torch_device("auto") == torch.device("cuda", 0)
    assert torch_device("cuda:0") == torch.device("cuda:0")
    assert torch_device("cpu") == torch.device("cpu")
    assert error_of(torch_device, "cuda:1") == (
        "device: found 'cuda:1', but torch sees 1 CUDA GPU here; set it to auto"
    )


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
def test_on_the_gpu(path):
    magnitude = magnitudes(2)
    on_cpu, on_gpu = (TorchMaskModel(network_of(), path, device)(magnitude) for device in ("cpu", "auto"))
    np.testing.assert_allclose(on_gpu, on_cpu, atol=1e-3)  # its convolutions may round to 10 bits (TF32)


# -- weights ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["state_dict", "model_state_dict", "model_state", "MODEL_STATE", "model"])
def test_a_state_dict_in_a_checkpoint(key, path):
    source, target = network_of(0), network_of(1)
    torch.save({"epoch": 3, "optimizer": {"lr": 0.1}, key: source.state_dict()}, path)
    load_weights(target, path)
    assert_same(source, target)


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "module._orig_mod.", "model."])
def test_a_prefix_is_dropped(prefix, path, caplog):
    source, target = network_of(0), network_of(1)
    torch.save({prefix + name: tensor for name, tensor in source.state_dict().items()}, path)
    load_weights(target, path)
    assert_same(source, target)
    assert not caplog.records


def test_half_precision_and_the_old_format(path):
    source, target = network_of(0), network_of(1)
    state = {name: t.half() if t.is_floating_point() else t for name, t in source.state_dict().items()}
    torch.save(state, path, _use_new_zipfile_serialization=False)
    load_weights(target, path)
    assert target.net[0].c.weight.dtype == torch.float32
    assert_same(source.half().float(), target)


def assert_same(source, target):
    for name, tensor in source.state_dict().items():
        assert torch.equal(tensor, target.state_dict()[name]), name


def renamed(state):
    """The names of another implementation, which counts its modules."""
    return {f"tcn.{number}.{name.rpartition('.')[2]}": tensor for number, (name, tensor) in enumerate(state.items())}


def test_weights_of_another_implementation(path, caplog):
    source, target = network_of(0), network_of(1)
    torch.save(renamed(source.state_dict()), path)
    with caplog.at_level(logging.WARNING):
        load_weights(target, path)
    assert_same(source, target)
    (record,) = caplog.records
    assert record.getMessage() == (
        f"{path}: no name of a tensor is the network's, but all 28 shapes are, in the same order (tcn.0.weight is "
        "taken as net.0.c.weight ...); they are loaded in that order"
    )


def test_another_order_of_the_same_shapes_is_no_match(path):
    state = renamed(network_of().state_dict())
    names = list(state)
    assert [names[2], names[3]] == ["tcn.2.weight", "tcn.3.bias"]
    swapped = {**{name: state[name] for name in names[:2]}, names[3]: state[names[3]], names[2]: state[names[2]]}
    torch.save({**swapped, **state}, path)
    target = network_of(1)
    assert error_of(load_weights, target, path) == (
        f"{path} does not fit the network: no name is the same, and where the network has net.0.bn.weight in its "
        "order, the file has tcn.3.bias"
    )
    assert_same(network_of(1), target)


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        (
            {"tcn_latent_dim": 5},
            "net.0.c.weight is (5, 9, 1) in the file, but (4, 9, 1) in the network; "
            "model_specific.tcn_latent_dim: 5 would fit",
        ),
        (
            {"in_channels": 17},
            "net.0.c.weight is (4, 17, 1) in the file, but (4, 9, 1) in the network; "
            "model_specific.in_channels: 17 would fit",
        ),
        (
            {"kernel_size": 5},
            "net.0.ds.dw.weight is (4, 1, 5) in the file, but (4, 1, 3) in the network; "
            "model_specific.kernel_size: 5 would fit",
        ),
        (
            {"n_blocks": 2},
            "0 of its 28 tensors missing, 28 unexpected (net.2.c.weight, net.2.c.bias, net.2.bn.weight and 25 more); "
            "the file has 4 residual layers, model_specific.n_blocks x num_layers makes 2",
        ),
        (
            {"num_layers": 1},
            "14 of its 28 tensors missing (net.1.c.weight, net.1.c.bias, net.1.bn.weight and 11 more), 0 unexpected; "
            "the file has 1 residual layer, model_specific.n_blocks x num_layers makes 2",
        ),
        (
            {"layer_activation": "prelu"},
            "0 of its 28 tensors missing, 4 unexpected (net.0.act.weight, net.0.ds.act.weight, net.1.act.weight "
            "and 1 more)",
        ),
    ],
)
def test_weights_of_another_network(settings, problem, path):
    torch.save(network_of(**settings).state_dict(), path)
    assert error_of(load_weights, network_of(), path) == f"{path} does not fit the network: {problem}"


def test_other_names_and_other_shapes(path):
    torch.save(renamed(network_of(tcn_latent_dim=5).state_dict()), path)
    assert error_of(load_weights, network_of(), path) == (
        f"{path} does not fit the network: tcn.0.weight is (5, 9, 1) in the file, but net.0.c.weight (4, 9, 1) in the "
        "network; model_specific.tcn_latent_dim: 5 would fit"
    )
    torch.save({"a": torch.zeros(1), "b": torch.zeros(1)}, path)
    assert error_of(load_weights, network_of(), path) == (
        f"{path} does not fit the network: 28 of its 28 tensors missing (net.0.c.weight, net.0.c.bias, "
        "net.0.bn.weight and 25 more), 2 unexpected (a, b)"
    )


def test_weights_of_a_custom_network(path):
    torch.save(torch.nn.Linear(3, 2).state_dict(), path)
    assert error_of(load_weights, torch.nn.Linear(2, 2), path) == (
        f"{path} does not fit the network: weight is (2, 3) in the file, but (2, 2) in the network"
    )


@pytest.mark.parametrize(
    ("content", "holds"),
    [
        ({"epoch": 1, "weights": {"a": torch.zeros(1)}}, "2 keys (epoch, weights)"),
        ({}, "0 keys"),
        ({"model": {}}, "1 key (model)"),
        ([torch.zeros(1)], "a list"),
        (torch.zeros(3), "a Tensor"),
    ],
)
def test_files_without_a_state_dict(content, holds, path):
    torch.save(content, path)
    message = error_of(load_weights, network_of(), path)
    assert message.startswith(f"{path}: there is no state dict in it: it holds {holds}; a state dict is needed")


def test_no_file(path):
    assert error_of(load_weights, network_of(), path) == f"there is no file {path} with torch weights"
    assert error_of(load_weights, network_of(), path.parent) == f"there is no file {path.parent} with torch weights"


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("keep", [0, 1, 100, 0.5, 0.99])
def test_torn_files(keep, zipped, path):
    torch.save(network_of().state_dict(), path, _use_new_zipfile_serialization=zipped)
    content = path.read_bytes()
    path.write_bytes(content[: int(keep * len(content)) if isinstance(keep, float) else keep])
    message = error_of(load_weights, network_of(), path)
    assert message == f"{path} is not a file of torch.save (or is damaged): it cannot be read"


def npz():
    file = io.BytesIO()
    np.savez(file, weight=np.zeros(3))
    return file.getvalue()


@pytest.mark.parametrize(
    "content", [b"hello, this is text\n" * 20, b"config = 3\n" * 9, b"RIFF" * 99, bytes(999), npz()]
)
def test_files_of_another_kind(content, path):
    path.write_bytes(content)
    message = error_of(load_weights, network_of(), path)
    assert message == f"{path} is not a file of torch.save (or is damaged): it cannot be read"


def test_an_onnx_file(path):
    graph = onnx.helper.make_graph([onnx.helper.make_node("Relu", ["x"], ["y"])], "g", [], [])
    onnx.save(onnx.helper.make_model(graph), path)
    message = error_of(load_weights, network_of(), path)
    assert message == f"{path} is not a file of torch.save (or is damaged): it cannot be read"


class Evil:
    def __reduce__(self):
        return os.system, ("touch ran",)


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize(
    ("content", "name"),
    [
        (network_of(), "sezoo.models.torch.networks.stft_tcnn.StftTcnn"),
        ({"state_dict": {}, "args": argparse.Namespace(lr=1)}, "argparse.Namespace"),
        ({"path": Path("x")}, r"pathlib\S*"),
        (Evil(), r"\w+\.system"),
    ],
)
def test_files_that_hold_objects(content, name, zipped, path, monkeypatch):
    monkeypatch.chdir(path.parent)
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    message = error_of(load_weights, network_of(), path)
    assert re.fullmatch(
        rf"{re.escape(str(path))} holds more than tensors \({name}\), which is not read because it can run code; "
        r"save only the weights: torch\.save\(network\.state_dict\(\), path\)",
        message,
    )
    assert not (path.parent / "ran").exists()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_torchscript_file(path):
    torch.jit.save(torch.jit.trace(network_of().eval(), torch.zeros(1, 9, 5)), path)
    assert error_of(load_weights, network_of(), path).startswith(f"{path} holds more than tensors (TorchScript), ")


# -- a user's own class -------------------------------------------------------------------------------

OWN = """
    import torch
    from torch import nn

    from scaling import scaled


    class Gain(nn.Module):
        def __init__(self, bins, *, level=1.0):
            super().__init__()
            if bins == 0:
                raise ValueError("no bins\\nat all")
            self.gain = nn.Parameter(scaled(torch.ones(bins, 1), level))

        def forward(self, magnitude):
            return torch.sigmoid(self.gain * magnitude)


    class Plain:
        pass


    class Anything(nn.Module):
        def __init__(self, **settings):
            super().__init__()
            self.settings = settings


    number = 3
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    """The user's folder, which is the current one."""
    package = tmp_path / "own_nets"
    package.mkdir()
    (package / "gain.py").write_text(textwrap.dedent(OWN), encoding="utf-8")
    (package / "scaling.py").write_text("def scaled(x, level):\n    return x * level\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    for name in ("scaling", "own_nets", "own_nets.gain", "sezoo_custom_gain"):
        sys.modules.pop(name, None)


def custom(text, **keys):
    return build_network(Model(model_type="Custom", custom=text), CustomModelSpecific(**keys))


def test_a_class_of_a_file(own, path):
    network = custom("own_nets/gain.py:Gain", bins=9, level=2.0)
    assert torch.equal(network.gain, torch.full((9, 1), 2.0))
    torch.save(network.state_dict(), path)
    model = Model(model_type="Custom", custom=f"{own.as_posix()}/own_nets/gain.py:Gain", state_dict_path=path)
    mask_model = torch_mask_model(model, CustomModelSpecific(bins=9), "cpu", n_fft=16)
    magnitude = magnitudes()
    np.testing.assert_allclose(mask_model(magnitude), 1 / (1 + np.exp(-2 * magnitude)), atol=1e-6)


def test_a_class_of_a_module(own):
    (own / "own_nets" / "gain.py").write_text(textwrap.dedent(OWN).replace("from scaling", "from .scaling"))
    assert type(custom("own_nets.gain:Gain", bins=9)).__module__ == "own_nets.gain"


def test_a_file_may_have_the_name_of_a_package(own):
    (own / "torch.py").write_text("import json\nfrom torch import nn\n", encoding="utf-8")
    assert error_of(custom, "torch.py:Net").startswith("model.custom: torch.py ")
    assert sys.modules["torch"] is torch


def test_the_path_of_imports_is_as_before(own):
    before = list(sys.path)
    custom("own_nets/gain.py:Gain", bins=9)
    error_of(custom, "own_nets.nothing:Gain")
    assert sys.path == before


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "not set; model_type Custom needs it: path/to/file.py:ClassName or package.module:ClassName"),
        (
            "own_nets/gain.py",
            "found 'own_nets/gain.py'; allowed: path/to/file.py:ClassName or package.module:ClassName",
        ),
        (":Gain", "found ':Gain'; allowed: path/to/file.py:ClassName or package.module:ClassName"),
        ("a.py:", "found 'a.py:'; allowed: path/to/file.py:ClassName or package.module:ClassName"),
        ("own_nets/gone.py:Gain", "there is no file own_nets/gone.py"),
        ("own_nets:Gain", "own_nets has no class Gain"),
        ("gone.gain:Gain", "gone.gain cannot be imported: ModuleNotFoundError: No module named 'gone'"),
        ("own_nets/gain.py:gain", "own_nets/gain.py has no class gain; did you mean Gain?"),
        ("own_nets/gain.py:Xyz", "own_nets/gain.py has no class Xyz; it has Gain, Plain, Anything"),
        ("own_nets/gain.py:Plain", "Plain of own_nets/gain.py is no class derived from torch.nn.Module"),
        ("own_nets/gain.py:number", "number of own_nets/gain.py is no class derived from torch.nn.Module"),
    ],
)
def test_classes_that_cannot_be_had(text, message, own):
    assert error_of(custom, text) == f"model.custom: {message}"


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("import gone_for_good\n", "ModuleNotFoundError: No module named 'gone_for_good' (bad.py, line 1)"),
        ("x = 1\n\ny = x + z\n", "NameError: name 'z' is not defined (bad.py, line 3)"),
        ("raise ValueError('one\\ntwo')\n", "ValueError: one (bad.py, line 1)"),
        ("raise SystemExit\n", "SystemExit (bad.py, line 1)"),
        ("from torch import nn\n\nnn.PReLU('x')\n", "TypeError: "),
        ("x = (1\n", "SyntaxError: '(' was never closed (bad.py, line 1)"),
    ],
)
def test_files_that_cannot_be_imported(code, reason, own):
    (own / "bad.py").write_text(code, encoding="utf-8")
    assert error_of(custom, "bad.py:Net").startswith(f"model.custom: bad.py cannot be imported: {reason}")
    assert "sezoo_custom_bad" not in sys.modules


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({}, "model_specific: Gain needs bins"),
        ({"bin": 3}, "model_specific: Gain takes no bin (did you mean bins?) and needs bins"),
        ({"bins": 3, "levels": 3}, "model_specific: Gain takes no levels (did you mean level?)"),
        ({"bins": 3, "x": 3, "y": 4}, "model_specific: Gain takes no x, y (it takes bins, level)"),
        ({"bins": 0}, "model.custom: Gain of own_nets/gain.py cannot be built: ValueError: no bins"),
        ({"bins": "z"}, "model.custom: Gain of own_nets/gain.py cannot be built: TypeError: "),
    ],
)
def test_keys_that_the_class_does_not_take(keys, message, own):
    assert error_of(custom, "own_nets/gain.py:Gain", **keys).startswith(message)


def test_a_class_that_takes_anything(own):
    assert custom("own_nets/gain.py:Anything", a=1, b=None).settings == {"a": 1, "b": None}


def test_the_names_that_the_module_exports():
    assert all(hasattr(torch_model, name) for name in torch_model.__all__)
