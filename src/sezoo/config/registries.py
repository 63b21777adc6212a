"""Registries by configuration key: metrics, losses, layouts, networks, targets.

Our own are listed here by where they are, as packages list theirs in entry points. Metrics list themselves: each file
in `sezoo/metrics/measures` is one.
"""

from __future__ import annotations

from pathlib import Path

from sezoo.base.registry import Registry

__all__ = ["LAYOUTS", "LOSSES", "METRICS", "NETWORKS", "REGISTRIES", "TARGETS"]

MEASURES = Path(__file__).parents[1] / "metrics" / "measures"
SHOWN_FIRST = ("pesq", "stoi", "estoi", "snr", "si_snr", "mse", "csig", "cbak", "covl", "dnsmos_sig", "dnsmos_bak")
"""The order of the metrics in tables; others follow by name."""


def _measures() -> dict[str, str]:
    names = sorted(path.stem for path in MEASURES.glob("*.py") if not path.stem.startswith("_"))
    order = {name: position for position, name in enumerate(SHOWN_FIRST)}
    names.sort(key=lambda name: order.get(name, len(order)))
    return {name: f"sezoo.metrics.measures.{name}:{name}" for name in names}


def _in_module(module: str, *names: str) -> dict[str, str]:
    return {name: f"{module}:{name}" for name in names}


METRICS = Registry("evaluation.metrics", "sezoo.metrics", "metric", _measures())

LOSSES = Registry(
    "training.loss",
    "sezoo.losses",
    "loss",
    _in_module(
        "sezoo.training.losses",
        *("spec_mse", "wave_mse", "wave_snr", "wave_sisnr", "compressed", "compressed_sisnr", "perceptual", "guarded"),
    ),
)

LAYOUTS = Registry(
    "dataset.name",
    "sezoo.datasets",
    "layout",
    {
        "valentini": "sezoo.data.layouts:Valentini",
        "custom": "sezoo.data.layouts:Folders",
        "demo": "sezoo.data.layouts:Demo",
        "mix": "sezoo.data.layouts:Mix",
        "shards": "sezoo.data.layouts:Shards",
    },
)

NETWORKS = Registry(
    "model.model_type",
    "sezoo.networks",
    "class",
    {
        "STFTTCNN": "sezoo.models.torch.networks.stft_tcnn:StftTcnn",
        "ConvLSTMDenoiser": "sezoo.models.torch.networks.conv_lstm:ConvLstmDenoiser",
        "UTCN": "sezoo.models.torch.networks.utcn:Utcn",
        "UGRU": "sezoo.models.torch.networks.ugru:Ugru",
    },
)

TARGETS = Registry(
    "quantization.target",
    "sezoo.targets",
    "target",
    {
        "generic": "sezoo.quantization.target:GENERIC",
        "stm32n6": "sezoo.quantization.target:STM32N6_NPU",
        "cortex-m": "sezoo.quantization.target:CORTEX_M",
        "tflite": "sezoo.quantization.target:TENSORFLOW_LITE",
    },
)

REGISTRIES = (METRICS, LOSSES, LAYOUTS, NETWORKS, TARGETS)
