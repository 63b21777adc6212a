"""Mask models in torch: the network that the configuration describes, its weights, and running it.

Importing this module imports torch, which is an optional dependency: import it where it is used.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from sezoo.base.errors import UserError
from sezoo.base.text import pluralize
from sezoo.base.user_code import exception_line, load_object, reference_forms
from sezoo.config.registries import NETWORKS
from sezoo.config.section import Section
from sezoo.config.sections_model import Model, NetworkShape
from sezoo.models.mask_model import checked_mask

try:
    import torch
except ImportError as error:
    raise UserError(f"a torch model needs PyTorch: pip install 'sezoo[train]' ({error})") from error
from torch import nn

from sezoo.models.spectra import trial_magnitudes
from sezoo.models.torch.networks.custom import custom_network
from sezoo.models.torch.weights import load_weights

__all__ = [
    "TorchMaskModel",
    "build_network",
    "computes_bfloat16",
    "load_weights",
    "torch_device",
    "torch_mask_model",
]

DEVICES = "auto, cpu, cuda, cuda:0 (or another number), mps"


def build_network(model: Model, model_specific: Section) -> nn.Module:
    """The network that the configuration describes, with weights as its constructor leaves them.

    Raises
    ------
    UserError : `model.custom` is not set, or a class that is not ours cannot be had or built; a shape that cannot be.
    """
    kind, arguments = model.model_type, dict(model_specific)
    if kind in NETWORKS.own:
        return NETWORKS.load(kind)(**arguments)
    if kind != "Custom":
        return custom_network(NETWORKS.load(kind), kind, NETWORKS.key, arguments)
    if model.custom is None:
        raise UserError(f"model.custom: not set; model_type Custom needs it: {reference_forms('class')}")
    return custom_network(load_object(model.custom, "model.custom"), model.custom, "model.custom", arguments)


def torch_device(name: str, gpu: int = 0, *, key: str = "device") -> torch.device:
    """The device of that name; `auto` is a GPU where there is one, else the CPU.

    Parameters
    ----------
    gpu : the number of the CUDA GPU where the name says none.
    key : of the configuration, which messages name.

    Raises
    ------
    UserError : no name of a device, or this machine does not have it.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    if not re.fullmatch(r"cpu|cuda(:\d+)?|mps", name):
        raise UserError(f"{key}: found {name!r}; allowed: {DEVICES}")
    device = torch.device(name)
    if device.type == "cuda":
        device = torch.device("cuda", gpu) if device.index is None else device
        gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if device.index >= gpus:
            raise UserError(
                f"{key}: found {str(device)!r}, but torch sees {pluralize(gpus, 'CUDA GPU')} here; set it to auto"
            )
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise UserError(f"{key}: found {name!r}, but torch sees no Apple GPU here; set it to auto")
    return device


def computes_bfloat16(device: torch.device) -> bool:
    """Whether its hardware multiplies matrices in bfloat16: GPUs do, and CPUs with Intel's AMX."""
    if device.type == "cpu":
        return getattr(torch.cpu, "get_capabilities", dict)().get("amx_bf16", False)  # an older PyTorch does not tell
    return device.type == "cuda"


class TorchMaskModel:
    """A mask model in torch, a `MaskFunction`.

    Parameters
    ----------
    network : is moved to the device and put in evaluation mode.
    path : of the weights, for messages.
    device : `auto`, `cpu`, `cuda`, `cuda:N` or `mps`.
    threads : of torch on the CPU, for the whole process; None leaves them as they are.

    Raises
    ------
    UserError : the device is not there, the network cannot be run, or what comes out is no mask.
    """

    batch = None
    frames = None
    input_quantizer = None
    stateful = False

    def __init__(self, network: nn.Module, path: Path, device: str = "cpu", *, threads: int | None = None):
        if threads is not None:
            torch.set_num_threads(threads)
        self.path = path
        self.device = torch_device(device)
        self.network = network.to(self.device).eval()

    def __call__(self, magnitude: np.ndarray) -> np.ndarray:
        """Magnitudes (batch, bins, frames) float32 to a mask of the same shape."""
        with torch.no_grad():  # tensors made in inference_mode, if the network keeps some, would be no use in training
            return self._check_mask(self._mask(magnitude), magnitude)

    def check_trains(self, magnitude: np.ndarray) -> None:
        """Make a mask in training mode, and the weights' gradients of it; the network is left as it was.

        Raises
        ------
        UserError : what is only run in training fails, there is no gradient, or what comes out is no mask.
        """
        tensors = [*self.network.parameters(), *self.network.buffers()]
        before = [tensor.detach().clone() for tensor in tensors]
        self.network.train()
        try:
            with torch.random.fork_rng([self.device] if self.device.type == "cuda" else []):
                mask = self._mask(magnitude)
                self._check_mask(mask, magnitude)
                if not mask.requires_grad:
                    raise UserError(f"{self.path}: the mask has no gradient: it depends on no weight, or is detached")
                with self._report_errors(magnitude):
                    mask.float().sum().backward()
        finally:
            self.network.eval()
            self.network.zero_grad(set_to_none=True)
            with torch.no_grad():
                for tensor, content in zip(tensors, before, strict=True):
                    tensor.copy_(content)

    def _mask(self, magnitude: np.ndarray) -> torch.Tensor:
        with self._report_errors(magnitude):
            # A copy, as a network may work in place.
            mask = self.network(torch.tensor(magnitude, dtype=torch.float32, device=self.device))
        if not (isinstance(mask, torch.Tensor) and mask.is_floating_point()):
            kind = str(mask.dtype) if isinstance(mask, torch.Tensor) else type(mask).__name__
            raise UserError(f"{self.path}: the network returns {kind}; one float tensor is needed, the mask")
        return mask

    def _check_mask(self, mask: torch.Tensor, magnitude: np.ndarray) -> np.ndarray:
        return checked_mask(mask.detach().float().cpu().numpy(), magnitude, self.path)

    @contextmanager
    def _report_errors(self, magnitude: np.ndarray) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # a user's own network raises what it likes
            reason = exception_line(error).removeprefix("RuntimeError: ")
            how = " in training mode" if self.network.training else ""
            raise UserError(f"{self.path}: cannot be run on shape {magnitude.shape}{how}: {reason}") from error


def torch_mask_model(
    model: Model,
    model_specific: Section,
    device: str,
    *,
    n_fft: int | None = None,
    threads: int | None = None,
) -> TorchMaskModel:
    """Build the network, load `model.state_dict_path` into it, and run it on two small shapes.

    Parameters
    ----------
    device, threads : of `TorchMaskModel`.
    n_fft : of the configuration, which makes ``n_fft // 2 + 1`` bins; None takes the network's `in_channels`
        (257 for a class of the user's without that key).

    Raises
    ------
    UserError : what was found, what is expected, and how to mend it.
    """
    if model.state_dict_path is None:
        raise UserError("model.state_dict_path: not set; a torch model needs it")
    bins = dict(model_specific).get("in_channels", 257) if n_fft is None else n_fft // 2 + 1
    if isinstance(model_specific, NetworkShape) and model_specific.in_channels != bins:
        raise UserError(
            f"model_specific.in_channels: found {model_specific.in_channels}; preprocessing.n_fft {n_fft} needs "
            f"{bins} (n_fft // 2 + 1)"
        )
    torch_device(device, key="evaluation.device")
    network = build_network(model, model_specific)
    load_weights(network, model.state_dict_path)
    mask_model = TorchMaskModel(network, model.state_dict_path, device, threads=threads)
    for magnitude in trial_magnitudes(bins):
        mask_model(magnitude)
    return mask_model
