"""Batch norms whose statistics are those of all processes that train together, on any device.

`torch.nn.SyncBatchNorm` is for GPUs alone; this is the same in terms of a sum over the processes that has a gradient.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.distributed.nn.functional import all_reduce

__all__ = ["SharedBatchNorm", "with_shared_batch_norms"]


class SharedBatchNorm(nn.modules.batchnorm._BatchNorm):
    """A batch norm whose means and variances are those of the batches of all processes; in one it is torch's."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, channels, ...) to the same shape."""
        alone = not torch.distributed.is_initialized() or torch.distributed.get_world_size() == 1
        if not self.training or alone:
            return super().forward(x)
        axes = [axis for axis in range(x.ndim) if axis != 1]
        count = x.new_full((1,), x.numel() / x.shape[1])
        # One sum over the processes; in float64, as a variance is a small difference of large numbers.
        local = torch.cat([x.double().sum(axes), x.double().square().sum(axes), count.double()])
        total = all_reduce(local)
        sums, squares, values = total.split([x.shape[1], x.shape[1], 1])
        mean = sums / values
        variance = (squares / values - mean**2).clamp_min(0)
        self._follow(mean.detach(), (variance * values / (values - 1).clamp_min(1)).detach())
        shape = [1, -1, *[1] * (x.ndim - 2)]
        factor = torch.rsqrt(variance + self.eps).to(x.dtype).reshape(shape)
        normalised = (x - mean.to(x.dtype).reshape(shape)) * factor
        return normalised if self.weight is None else normalised * self.weight.reshape(shape) + self.bias.reshape(shape)

    def _follow(self, mean: torch.Tensor, variance: torch.Tensor) -> None:
        """Let the running statistics follow those of a batch, as torch does."""
        if self.running_mean is None:
            return
        self.num_batches_tracked += 1
        share = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean.to(self.running_mean.dtype), share)
        self.running_var.lerp_(variance.to(self.running_var.dtype), share)

    def _check_input_dim(self, x: torch.Tensor) -> None:
        if x.ndim < 2:
            raise ValueError(f"(batch, channels, ...) is needed, found {tuple(x.shape)}")


def with_shared_batch_norms(network: nn.Module) -> nn.Module:
    """The network with such batch norms in the place of torch's, which keep their parameters and statistics."""
    if isinstance(network, nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d):
        shared = SharedBatchNorm(
            network.num_features, network.eps, network.momentum, network.affine, network.track_running_stats
        )
        shared.__dict__ |= {key: vars(network)[key] for key in ("_parameters", "_buffers", "training")}
        return shared
    for name, child in network.named_children():
        setattr(network, name, with_shared_batch_norms(child))
    return network
