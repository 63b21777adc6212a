"""Eleven architectures of published denoisers, small and with random weights: from float to int8 to C.

    python benchmarks/architectures.py [--rows NAME ...] [--cores M55 M7 M4 M33] [--minutes 0.2] [--keep FOLDER]

Each network is exported by PyTorch, quantized for a Cortex-M on the demo's recordings, and deployed. Its layers are
scaled one after the other so that what they give has the variance 1 on one of those recordings (layer-sequential unit
variance, Mishkin and Matas 2016), and the logits of the mask a standard deviation of 2: with weights as they are drawn
the mask would hardly move, and any int8 model would be close to it.

Prints a line of Markdown a network: parameters, multiply-accumulates a frame and the share of them left in float,
SI-SNR of the int8 output to the float one, standard deviation of the mask, the largest difference of an integer from
onnxruntime's, instructions a frame on emulated cores, whose masks have to equal the reference's (of products of two
tensors, as attention has them, also those for each multiply-accumulate), and whether C compiled here gives the masks of
the reference in NumPy bit by bit.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

import numpy as np
import onnx
import torch
from torch import nn
from torch.nn import functional

from c_package import BOARDS
from recurrent import compiled_agrees, recordings, run
from sezoo.base.errors import UserError
from sezoo.deployment.engine.operators import unroll
from sezoo.deployment.engine.product import Product
from sezoo.deployment.engine.qdq_reader import integer_graph_of
from sezoo.models.torch.networks.conv_lstm import ConvLstmDenoiser
from sezoo.training.export import export_onnx

BINS = 257
TRANSFORM = (512, 160, "hann")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", nargs="+", choices=list(NETWORKS), default=list(NETWORKS), metavar="ROW")
    parser.add_argument("--cores", nargs="+", choices=list(BOARDS), default=["M55"], metavar="CORE")
    parser.add_argument("--minutes", type=float, default=0.2, help="of magnitudes that C and numpy are compared on")
    parser.add_argument("--keep", type=Path, help="folder for the runs; the default is a temporary one")
    options = parser.parse_args()
    columns = ["network", "parameters", "MAC a frame", "in float", "fidelity", "mask varies by", "integers differ by"]
    columns += [*options.cores, "C"]
    print(f"| {' | '.join(columns)} |")
    print(f"|{'---|' * len(columns)}")
    with tempfile.TemporaryDirectory() as temporary:
        folder = (options.keep or Path(temporary)).resolve()
        for name in options.rows:
            try:
                print(line_of(name, folder / name, options.cores, options.minutes), flush=True)
            except (SystemExit, UserError) as error:  # what sezoo said of this one; the others may go
                print(f"| {name} | {str(error).strip().splitlines()[-1]} |", flush=True)


def line_of(name: str, folder: Path, cores: list[str], minutes: float) -> str:
    """All of a network."""
    folder.mkdir(parents=True)
    torch.manual_seed(0)
    magnitude = torch.from_numpy(recordings()[0][0])[np.newaxis]
    network = scaled(NETWORKS[name](), magnitude)
    with torch.inference_mode():
        spread = float(network(magnitude).std())
    export_onnx(network, folder / "float.onnx", bins=BINS, opset=17)
    quantized = ["quantize", folder / "float.onnx", "--data", "demo", "--target", "cortex-m"]
    run([*quantized, "-o", folder / "run", "general.report=False"])
    static = folder / "run" / "saved_models" / "quantized_model_int8_static.onnx"
    deployed = {core: deployed_to(core, static, folder / core) for core in cores}
    report = json.loads((folder / "run" / "quantization_report.json").read_text(encoding="utf-8"))
    first = deployed[cores[0]]
    macs = first["macs_per_call"] / first["frames_per_call"]
    instructions = [instructions_of(static, each) for each in deployed.values()]
    agrees = compiled_agrees(static, TRANSFORM, folder / "compiled", minutes)
    parameters = sum(each.numel() for each in network.parameters())
    return (
        f"| {name} | {parameters:,} | {macs:,.0f} | {report['macs_shares'].get('float', 0):.1%} | "
        f"{report['closeness']:.1f} dB | {spread:.2f} | {first['onnxruntime']['largest_difference']} | "
        f"{' | '.join(instructions)} | {'equal' if agrees == f'{minutes:g}' else agrees} |"
    )


def deployed_to(core: str, static: Path, folder: Path) -> dict:
    """deployment.json of the package for a core."""
    run(["deploy", static, "-o", folder, "general.report=False", f"deployment.hardware_setup.board={BOARDS[core]}"])
    return json.loads((folder / "deployment.json").read_text(encoding="utf-8"))


def instructions_of(static: Path, deployed: dict) -> str:
    """Instructions a frame, and those of each multiply-accumulate of products of two tensors."""
    emulated, frames = deployed["emulated"], deployed["frames_per_call"]
    operators = unroll(integer_graph_of(onnx.load(static), static).operators)
    products = [each for each in operators if isinstance(each, Product)]
    text = f"{emulated['instructions_per_call'] / frames / 1e6:.2f} M"
    if not products:
        return text
    names = {each.name for each in products}
    spent = sum(each["instructions_per_call"] for each in emulated["operators"] if each["name"] in names)
    return f"{text} ({spent / frames / sum(each.macs for each in products):.2f} a MAC of products)"


def scaled(network: nn.Module, magnitude: torch.Tensor, of_mask: float = 2.0) -> nn.Module:
    """The network whose layers each give the variance 1 for a recording; the last one a mean of 0 and `of_mask`."""
    layers = [each for each in network.modules() if isinstance(each, LAYERS)]

    def rescale(layer: nn.Module, _, made: torch.Tensor) -> torch.Tensor:
        nonlocal factor, mean
        is_last = layer is layers[-1]
        mean, factor = (made.mean(), of_mask / made.std()) if is_last else (0.0, 1 / made.std())
        layer.weight.mul_(factor)
        if layer.bias is not None:
            layer.bias.sub_(mean).mul_(factor)
        return (made - mean) * factor

    factor = mean = None
    hooks = [layer.register_forward_hook(rescale) for layer in layers]
    with torch.no_grad():
        network.train()  # batch normalization learns the statistics of the recording
        network(magnitude)
    for hook in hooks:
        hook.remove()
    return network.eval()


LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.ConvTranspose2d)


# -- networks: magnitudes (batch, bins, frames) to masks of that shape, the layer of the mask defined last -----------


def compressed(magnitude: torch.Tensor) -> torch.Tensor:
    return magnitude.clamp_min(1e-5).pow(0.3)


class Dtln(nn.Module):
    """First half of DTLN (Westhausen and Meyer 2020): two LSTM, a dense layer."""

    def __init__(self):
        super().__init__()
        self.lstm, self.mask = nn.LSTM(BINS, 64, 2, batch_first=True), nn.Linear(64, BINS)

    def forward(self, magnitude):
        return torch.sigmoid(self.mask(self.lstm(compressed(magnitude).transpose(1, 2))[0])).transpose(1, 2)


class NsNet2(nn.Module):
    """NSNet2 (Braun and Tashev 2020): log power, a dense layer, two GRU, three dense layers."""

    def __init__(self, width: int = 80):
        super().__init__()
        self.into, self.gru = nn.Linear(BINS, width), nn.GRU(width, width, 2, batch_first=True)
        self.middle = nn.ModuleList([nn.Linear(width, 120), nn.Linear(120, 120)])
        self.mask = nn.Linear(120, BINS)

    def forward(self, magnitude):
        x = torch.log(magnitude.square().clamp_min(1e-10)).transpose(1, 2)
        x = self.gru(self.into(x))[0]
        for layer in self.middle:
            x = torch.relu(layer(x))
        return torch.sigmoid(self.mask(x)).transpose(1, 2)


class RnNoise(nn.Module):
    """RNNoise (Valin 2018): bands, three GRU that see each other's outputs, gains of bands spread over the bins."""

    def __init__(self, bands: int = 22):
        super().__init__()
        self.register_buffer("bands", triangles(bands))
        self.dense = nn.Linear(bands, 24)
        self.voice = nn.GRU(24, 24, batch_first=True)
        self.noise = nn.GRU(24 + 24 + bands, 48, batch_first=True)
        self.denoise = nn.GRU(24 + 48 + bands, 96, batch_first=True)
        self.mask = nn.Linear(96, bands)

    def forward(self, magnitude):
        bands = compressed(torch.matmul(self.bands, magnitude)).transpose(1, 2)
        dense = torch.tanh(self.dense(bands))
        voice = torch.relu(self.voice(dense)[0])
        noise = torch.relu(self.noise(torch.cat([voice, dense, bands], -1))[0])
        gains = torch.sigmoid(self.mask(torch.relu(self.denoise(torch.cat([voice, noise, bands], -1))[0])))
        shares = self.bands / self.bands.sum(0, keepdim=True)
        return torch.matmul(gains, shares).transpose(1, 2)


class TinyLstm(nn.Module):
    """TinyLSTMs (Fedorov et al. 2020): two LSTM that skip a frame nowhere, two dense layers, of mel-like bands."""

    def __init__(self, bands: int = 64):
        super().__init__()
        self.register_buffer("bands", triangles(bands))
        self.lstm = nn.LSTM(bands, 64, 2, batch_first=True)
        self.dense, self.mask = nn.Linear(64, 64), nn.Linear(64, BINS)

    def forward(self, magnitude):
        hidden, _ = self.lstm(compressed(torch.matmul(self.bands, magnitude)).transpose(1, 2))
        return torch.sigmoid(self.mask(torch.relu(self.dense(hidden)))).transpose(1, 2)


class Crn(nn.Module):
    """Convolutional recurrent network (Tan and Wang 2018): causal 2-D convolutions, an LSTM, skips by concatenation."""

    def __init__(self):
        super().__init__()
        self.down = nn.ModuleList([nn.Conv2d(1, 8, (3, 2), (2, 1)), nn.Conv2d(8, 16, (3, 2), (4, 1))])
        self.norms = nn.ModuleList([nn.BatchNorm2d(8), nn.BatchNorm2d(16)])
        self.lstm, self.back = nn.LSTM(16 * 32, 48, batch_first=True), nn.Linear(48, 16 * 32)
        self.up = nn.ConvTranspose2d(32, 8, (4, 1), (4, 1))
        self.mask = nn.ConvTranspose2d(16, 1, (3, 1), (2, 1))

    def forward(self, magnitude):
        x, skips = compressed(magnitude).unsqueeze(1), []
        for layer, norm in zip(self.down, self.norms, strict=True):
            x = functional.elu(norm(layer(functional.pad(x, (1, 0)))))
            skips.append(x)
        hidden, _ = self.lstm(x.flatten(1, 2).transpose(1, 2))
        x = self.back(hidden).transpose(1, 2).unflatten(1, (16, 32))
        x = functional.elu(self.up(torch.cat([x, skips[1]], 1)))
        return torch.sigmoid(self.mask(torch.cat([x, skips[0]], 1))).squeeze(1)


class Tcn(nn.Module):
    """Causal TCN with batch normalization behind PReLU, and residuals (Bai et al. 2018)."""

    def __init__(self, width: int = 48, dilations: tuple[int, ...] = (1, 2, 4)):
        super().__init__()
        self.dilations, self.into = dilations, nn.Conv1d(BINS, width, 1)
        self.layers = nn.ModuleList([nn.Conv1d(width, width, 3, dilation=each) for each in dilations])
        self.slopes = nn.ModuleList([nn.PReLU(width) for _ in dilations])
        self.norms = nn.ModuleList([nn.BatchNorm1d(width) for _ in dilations])
        self.mask = nn.Conv1d(width, BINS, 1)

    def forward(self, magnitude):
        x = self.into(compressed(magnitude))
        for layer, slope, norm, dilation in zip(self.layers, self.slopes, self.norms, self.dilations, strict=True):
            x = x + norm(slope(layer(functional.pad(x, (2 * dilation, 0)))))
        return torch.sigmoid(self.mask(x))


class ConvTasNet(nn.Module):
    """Separator of Conv-TasNet (Luo and Mesgarani 2019): norms over channels, depthwise convolutions, sums of skips."""

    def __init__(self, width: int = 32, inner: int = 64, dilations: tuple[int, ...] = (1, 2, 4)):
        super().__init__()
        self.dilations, self.first, self.into = dilations, nn.GroupNorm(1, BINS), nn.Conv1d(BINS, width, 1)
        self.expand = nn.ModuleList([nn.Conv1d(width, inner, 1) for _ in dilations])
        self.depthwise = nn.ModuleList([nn.Conv1d(inner, inner, 3, dilation=each, groups=inner) for each in dilations])
        self.slopes = nn.ModuleList([nn.PReLU() for _ in range(2 * len(dilations))])
        self.norms = nn.ModuleList([nn.LayerNorm(size) for size in [BINS, *[inner] * 2 * len(dilations)]])
        self.back = nn.ModuleList([nn.Conv1d(inner, width, 1) for _ in dilations])
        self.skip = nn.ModuleList([nn.Conv1d(inner, width, 1) for _ in dilations])
        self.last, self.mask = nn.PReLU(), nn.Conv1d(width, BINS, 1)

    def norm(self, number: int, x: torch.Tensor) -> torch.Tensor:
        return self.norms[number](x.transpose(1, 2)).transpose(1, 2)

    def forward(self, magnitude):
        x, total = self.into(self.norm(0, compressed(magnitude))), 0.0
        for number, dilation in enumerate(self.dilations):
            y = self.norm(2 * number + 1, self.slopes[2 * number](self.expand[number](x)))
            y = self.depthwise[number](functional.pad(y, (2 * dilation, 0)))
            y = self.norm(2 * number + 2, self.slopes[2 * number + 1](y))
            x, total = x + self.back[number](y), total + self.skip[number](y)
        return torch.sigmoid(self.mask(self.last(total)))


class Gtcrn(nn.Module):
    """GTCRN (Rong et al. 2024), of magnitudes: bands, unfolding, gates by a GRU over time, grouped dual paths."""

    def __init__(self, bands: int = 32, channels: int = 8):
        super().__init__()
        self.register_buffer("bands", triangles(bands))
        half = channels // 2
        self.down = nn.ModuleList([nn.Conv2d(3, channels, (5, 1), (2, 1), (2, 0)), nn.Conv2d(channels, channels, 1)])
        self.depthwise = nn.Conv2d(channels, channels, (3, 3), padding=(1, 0), groups=channels)
        self.norms = nn.ModuleList([nn.BatchNorm2d(channels) for _ in range(2)])
        self.slopes = nn.ModuleList([nn.PReLU(channels) for _ in range(2)])
        self.gate, self.open = nn.GRU(channels, channels, batch_first=True), nn.Linear(channels, channels)
        self.within = nn.ModuleList([nn.GRU(half, half // 2, batch_first=True, bidirectional=True) for _ in range(2)])
        self.over = nn.ModuleList([nn.GRU(half, half, batch_first=True) for _ in range(2)])
        self.dense = nn.ModuleList([nn.Linear(channels, channels) for _ in range(2)])
        self.layer_norms = nn.ModuleList([nn.LayerNorm((bands // 2, channels)) for _ in range(2)])
        self.up = nn.ConvTranspose2d(channels, channels, (5, 1), (2, 1), (2, 0), output_padding=(1, 0), groups=2)
        self.mask = nn.Conv2d(channels, 1, 1)

    def forward(self, magnitude):
        bands = compressed(torch.matmul(self.bands, magnitude)).unsqueeze(1)
        wide = functional.pad(bands, (0, 0, 1, 1))
        x = torch.cat([wide[:, :, :-2], bands, wide[:, :, 2:]], 1)
        first = x = self.slopes[0](self.norms[0](self.down[0](x)))
        x = self.slopes[1](self.norms[1](self.depthwise(functional.pad(self.down[1](x), (2, 0)))))
        energy = x.square().mean(2).transpose(1, 2)
        x = x * torch.sigmoid(self.open(self.gate(energy)[0])).transpose(1, 2).unsqueeze(2)
        x = x.permute(0, 3, 2, 1)  # (batch, frames, bands, channels)
        x = x + self.layer_norms[0](self.dense[0](self.path(self.within, x)))
        turned = x.transpose(1, 2)
        x = x + self.layer_norms[1](self.dense[1](self.path(self.over, turned)).transpose(1, 2))
        x = torch.relu(self.up(x.permute(0, 3, 2, 1) + first))
        gains = torch.sigmoid(self.mask(x)).squeeze(1)
        return torch.matmul((self.bands / self.bands.sum(0, keepdim=True)).T, gains)

    @staticmethod
    def path(layers: nn.ModuleList, x: torch.Tensor) -> torch.Tensor:
        """Two GRU, each over its half of the channels, along the last axis but one."""
        flat = x.flatten(0, 1)
        made = torch.cat([layer(part)[0] for layer, part in zip(layers, flat.chunk(2, -1), strict=True)], -1)
        return made.unflatten(0, x.shape[:2])


class UNet(nn.Module):
    """U-Net over frequency with skips, pooling and nearest resizing, causal over time."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(1, 8, (3, 2), padding=(1, 0))
        self.down = nn.ModuleList([nn.Conv2d(8, 12, (3, 2), padding=(1, 0)), nn.Conv2d(12, 16, (3, 1), padding=(1, 0))])
        self.up = nn.ModuleList([nn.Conv2d(16 + 12, 12, (3, 1), padding=(1, 0)), nn.Conv2d(12 + 8, 8, 1)])
        self.mask = nn.Conv2d(8, 1, 1)

    def forward(self, magnitude):
        x = compressed(magnitude)[:, : BINS - 1].unsqueeze(1)
        first = torch.relu(self.first(functional.pad(x, (1, 0))))
        second = torch.relu(self.down[0](functional.pad(functional.max_pool2d(first, (4, 1)), (1, 0))))
        x = torch.relu(self.down[1](functional.max_pool2d(second, (4, 1))))
        x = torch.relu(self.up[0](torch.cat([functional.interpolate(x, scale_factor=(4.0, 1.0)), second], 1)))
        x = torch.relu(self.up[1](torch.cat([functional.interpolate(x, scale_factor=(4.0, 1.0)), first], 1)))
        return functional.pad(torch.sigmoid(self.mask(x)).squeeze(1), (0, 0, 0, 1))


class DualPath(nn.Module):
    """Attention over bands within a frame, a GRU over the frames of each band (as DPT-FSNet, Dang et al. 2022)."""

    def __init__(self, bands: int = 32, width: int = 16, heads: int = 2):
        super().__init__()
        self.heads = heads
        self.into, self.parts = nn.Conv2d(1, width, (8, 1), (8, 1)), nn.Linear(width, 3 * width)
        self.joined, self.norms = nn.Linear(width, width), nn.ModuleList([nn.LayerNorm(width) for _ in range(2)])
        self.gru, self.dense = nn.GRU(width, width, batch_first=True), nn.Linear(width, width)
        self.mask = nn.ConvTranspose2d(width, 1, (8, 1), (8, 1))

    def forward(self, magnitude):
        x = torch.relu(self.into(compressed(magnitude)[:, : BINS - 1].unsqueeze(1))).permute(0, 3, 2, 1)
        batch, frames, bands, width = x.shape
        flat = x.reshape(-1, bands, width)
        query, key, value = (
            each.unflatten(-1, (self.heads, -1)).transpose(1, 2) for each in self.parts(flat).chunk(3, -1)
        )
        shares = torch.softmax(query @ key.transpose(-1, -2) * (width // self.heads) ** -0.5, -1)
        mixed = (shares @ value).transpose(1, 2).flatten(2)
        flat = self.norms[0](flat + self.joined(mixed))
        over = flat.reshape(batch, frames, bands, width).transpose(1, 2)
        hidden, _ = self.gru(over.reshape(-1, frames, width))
        over = self.norms[1](over + self.dense(hidden).reshape(batch, bands, frames, width))
        return functional.pad(torch.sigmoid(self.mask(over.permute(0, 3, 1, 2))).squeeze(1), (0, 0, 0, 1))


def triangles(bands: int) -> torch.Tensor:
    """(bands, BINS): overlapping triangles, narrow below and wide above, which add up to 1 at each bin."""
    centres = (BINS - 1) * (np.expm1(np.linspace(0, 2, bands)) / np.expm1(2))
    weights = [np.interp(np.arange(BINS), centres, row) for row in np.eye(bands)]
    return torch.tensor(np.array(weights), dtype=torch.float32)


NETWORKS = {
    "dtln": Dtln,
    "nsnet2": NsNet2,
    "rnnoise": RnNoise,
    "tinylstm": TinyLstm,
    "crn": Crn,
    "tcn": Tcn,
    "conv_tasnet": ConvTasNet,
    "gtcrn": Gtcrn,
    "unet": UNet,
    "dual_path": DualPath,
    "conv_lstm": lambda: ConvLstmDenoiser(in_channels=BINS, lstm_hidden_size=64),
}


if __name__ == "__main__":
    main()
