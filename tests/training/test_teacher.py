import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

torch = pytest.importorskip("torch")

from sezoo.audio.stft import Stft  # noqa: E402
from sezoo.base.errors import UserError  # noqa: E402
from sezoo.training.batch import spectral_batch  # noqa: E402
from sezoo.training.losses import compressed  # noqa: E402
from sezoo.training.teacher import add_teacher_loss  # noqa: E402
from sezoo.training.torch_stft import TorchStft  # noqa: E402

STFT = TorchStft(Stft(64, 20, 50))


def write_teacher(path, bins=33, frames="frames"):
    """A model whose mask is a half everywhere."""
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", bins, frames]) for name in ("x", "y")]
    nodes = [helper.make_node("Mul", ["x", "zero"], ["nothing"]), helper.make_node("Add", ["nothing", "half"], ["y"])]
    constants = [numpy_helper.from_array(np.float32(value), name) for name, value in (("zero", 0), ("half", 0.5))]
    graph = helper.make_graph(nodes, "teacher", ends[:1], ends[1:], constants)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


@pytest.fixture
def batch():
    random = np.random.default_rng(0)
    noisy, clean = (torch.tensor(random.standard_normal((2, 700)), dtype=torch.float32) for _ in range(2))
    return spectral_batch(noisy, clean, torch.tensor([700, 500]), STFT)


def test_the_teacher_s_clip_is_a_second_target(tmp_path, batch):
    loss = add_teacher_loss(
        lambda batch, mask: compressed(STFT, batch, mask), write_teacher(tmp_path / "t.onnx"), 2.0, STFT
    )
    half = torch.full_like(batch.noisy_spectrum.real, 0.5)
    assert loss(batch, half).item() == pytest.approx(compressed(STFT, batch, half).item(), rel=1e-4)
    mask = torch.full_like(half, 0.9, requires_grad=True)
    assert loss(batch, mask).item() > compressed(STFT, batch, mask).item() + 0.01
    add_teacher_loss(lambda batch, mask: 0 * mask.sum(), tmp_path / "t.onnx", 1.0, STFT)(batch, mask).backward()
    inside = batch.valid_frames.expand_as(mask)
    assert (mask.grad[inside] >= 0).all() and mask.grad[
        inside
    ].any()  # too loud for the teacher, wherever there is sound
    assert not mask.grad[~inside].any()


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"bins": 65}, "training.teacher: .*33"),
        ({"frames": 40}, "training.teacher: .*dynamic axes"),
    ],
)
def test_teachers_that_do_not_fit(tmp_path, how, message):
    with pytest.raises(UserError, match=message):
        add_teacher_loss(lambda batch, mask: mask.sum(), write_teacher(tmp_path / "t.onnx", **how), 1.0, STFT)


def test_no_teacher(tmp_path):
    with pytest.raises(UserError, match=r"training\.teacher: .*no_teacher.onnx"):
        add_teacher_loss(lambda batch, mask: mask.sum(), tmp_path / "no_teacher.onnx", 1.0, STFT)
