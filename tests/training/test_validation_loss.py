import math

import numpy as np
import pytest
import torch

from sezoo.audio.stft import Stft
from sezoo.training.torch_stft import TorchStft
from sezoo.training.validation_loss import validation_loss


class Examples:
    """Clips of several lengths."""

    recordings = ()

    def __len__(self):
        return 3

    def example(self, epoch, index):
        rng = np.random.default_rng(index)
        clean = rng.standard_normal(4000 + 1000 * index).astype(np.float32)
        return 2 * clean, clean


class Half(torch.nn.Module):
    """A mask of one half after training, and of nothing in training."""

    def forward(self, magnitude):
        return torch.full_like(magnitude, 0.0 if self.training else 0.5)


def mean_error(batch, mask):
    return (mask * batch.noisy_spectrum - batch.clean_spectrum).abs().mean()


def loss_of(network, loss):
    return validation_loss(network, Examples(), loss, TorchStft(Stft()), torch.device("cpu"))


def test_the_loss_is_that_of_the_network_as_it_is_after_training():
    network = Half().train()
    assert loss_of(network, mean_error) == pytest.approx(0, abs=1e-5)


def test_it_is_the_mean_over_the_examples():
    lengths = []

    def count(batch, mask):
        assert not torch.is_grad_enabled()
        lengths.append(batch.noisy.shape[-1])
        return torch.tensor(float(len(lengths)))

    assert loss_of(Half(), count) == 2
    assert lengths == [4000, 5000, 6000]


def test_a_loss_that_is_not_finite_is_missing():
    assert loss_of(Half(), lambda batch, mask: torch.tensor(math.nan)) is None
