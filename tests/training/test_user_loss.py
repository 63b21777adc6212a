"""A user's loss: a function or a class, computed once before a training begins."""

from __future__ import annotations

from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from sezoo.audio.stft import Stft  # noqa: E402
from sezoo.base.errors import UserError  # noqa: E402
from sezoo.training.batch import spectral_batch  # noqa: E402
from sezoo.training.losses import build_loss  # noqa: E402
from sezoo.training.torch_stft import TorchStft  # noqa: E402

CODE = """
import torch
from sezoo.training.losses import denoised_waveforms, spec_mse

def same(torch_stft, batch, mask, weight=1.0):
    return weight * spec_mse(torch_stft, batch, mask)

class Loss(torch.nn.Module):
    def __init__(self, torch_stft, power=2.0):
        super().__init__()
        self.stft, self.power = torch_stft, power

    def forward(self, batch, mask):
        denoised, counts = denoised_waveforms(self.stft, batch, mask)
        return torch.where(counts, (denoised - batch.clean).abs() ** self.power, 0.0).sum() / counts.sum()

def raises(torch_stft, batch, mask):
    return mask + torch.ones(3)

def detached(torch_stft, batch, mask):
    return mask.detach().mean()

def vector(torch_stft, batch, mask):
    return mask.mean(dim=(1, 2))

def number(torch_stft, batch, mask):
    return 1.0

def infinite(torch_stft, batch, mask):
    return mask.mean() / 0.0

nothing = 5
"""


@pytest.fixture
def stft(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(CODE, encoding="utf-8")
    return TorchStft(Stft(64, 16, 64))


@pytest.fixture
def batch(stft):
    clean, noise = torch.randn(2, 2, 400, generator=torch.Generator().manual_seed(1))
    return spectral_batch(clean + noise, clean, torch.tensor([400, 320]), stft)


def test_a_function_is_called_as_ours_are(stft, batch):
    mask = torch.full(batch.noisy_spectrum.shape, 0.5)
    ours = build_loss("spec_mse", stft)(batch, mask)
    assert build_loss("mine.py:same", stft)(batch, mask) == ours
    assert build_loss("mine.py:same", stft, {"weight": 3.0})(batch, mask) == 3 * ours


def test_a_class_is_built_once(stft, batch):
    mask = torch.full(batch.noisy_spectrum.shape, 0.5)
    ours = build_loss("wave_mse", stft)(batch, mask)
    assert build_loss("mine.py:Loss", stft)(batch, mask).item() == pytest.approx(ours.item(), rel=1e-5)
    assert build_loss("mine.py:Loss", stft, {"power": 1.0})(batch, mask) > 0


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("raises", "mine.py:raises: RuntimeError: The size of tensor a "),
        ("detached", "mine.py:detached has no gradient"),
        ("vector", "mine.py:vector gives torch.float32 (2,); a float tensor without dimensions is needed"),
        ("number", "mine.py:number gives float; a float tensor"),
        ("infinite", "mine.py:infinite is inf for two clips of noise"),
        ("nothing", "mine.py:nothing is no loss: a function or a class is needed, found int"),
        ("los", "mine.py has no loss los; did you mean Loss?"),
    ],
)
def test_what_is_no_loss_is_told_before_the_training(name, message, stft):
    with pytest.raises(UserError) as error:
        build_loss(f"mine.py:{name}", stft)
    assert str(error.value).startswith(f"training.loss: {message}")


def test_arguments_that_it_does_not_take(stft):
    with pytest.raises(UserError, match=r"mine\.py:Loss cannot be built: TypeError: .*'speed'"):
        build_loss("mine.py:Loss", stft, {"speed": 1})
