"""Recurrent networks from float to the emulated core: fidelity, PESQ, and whether streams and C are exact.

    NOISY=... CLEAN=... python benchmarks/recurrent.py [--third-party FOLDER] [--rows NAME ...] [--every 7]
        [--clips 100] [--minutes 10] [--keep FOLDER]

The rows `dtln` and `gtcrn` read `dtln_1.onnx` and `gtcrn.onnx` of the folder given, which are not part of the project
(breizhn/DTLN and Xiaobin-Rong/gtcrn, both MIT), and are scored on one in N of the pairs in NOISY and CLEAN. Those that
go by the pairs' order: where four SNRs follow each other, N should be odd. The other rows are networks that are trained
here for a moment, on the demo's recordings. Calibration is on the demo's recordings too, or on clips mixed of those in
SPEECH and NOISE where these are set.

Prints a line of Markdown a row: share of the multiply-accumulates in integers, SI-SNR of the int8 output to the float
one, PESQ in float, of the int8 model and of the C package's reference, what the masks differ by from onnxruntime's,
instructions a frame on an emulated Cortex-M55 (whose masks have to equal the reference's), whether a stream in pieces
of 1, 7 and 64 frames gives the masks of one in a single piece, and for how many minutes C compiled here gives those
masks.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnx import helper

from measure import SEZOO
from sezoo.results.evaluation import Evaluation

BINS, PIECES, SECONDS_OF_PIECES = 257, (1, 7, 64), 4


@dataclass(frozen=True)
class Row:
    """A network: its file in the third-party folder or the function that makes it, and the settings of its runs."""

    make: str
    settings: tuple[str, ...] = ()
    transform: tuple[int, int, str] = (512, 160, "hann")
    """Length of the transform, hop, window."""


DTLN = (
    "quantization.states={input_3: tf_op_layer_stack_2}",
    "quantization.accuracy_recovery=[int16_input,int16_states]",
)
GTCRN = (
    "quantization.states={conv_cache: conv_cache_out, tra_cache: tra_cache_out, inter_cache: inter_cache_out}",
    "quantization.activation_bits=16",
)
ROWS = {
    "dtln": Row("dtln_1.onnx", DTLN, (512, 128, "boxcar")),
    "gtcrn": Row("gtcrn.onnx", GTCRN, (512, 256, "sqrt_hann")),
    "gru_mask": Row("gru_mask"),
    "nsnet2": Row("nsnet2"),
    "encoder_decoder": Row("encoder_decoder"),
    "crn": Row("crn"),
}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--third-party", type=Path, help="folder with dtln_1.onnx and gtcrn.onnx")
    parser.add_argument("--rows", nargs="+", choices=list(ROWS), default=list(ROWS), metavar="ROW")
    parser.add_argument("--every", type=int, default=7, metavar="N", help="score one in N test pairs")
    parser.add_argument("--clips", type=int, default=100, help="to calibrate on")
    parser.add_argument("--minutes", type=float, default=10, help="of magnitudes that C and numpy are compared on")
    parser.add_argument("--keep", type=Path, help="folder for the runs; the default is a temporary one")
    options = parser.parse_args()
    third_party = options.third_party and any(ROWS[name].make.endswith(".onnx") for name in options.rows)
    for key in (["NOISY", "CLEAN"] if third_party else []) + (["NOISE"] if "SPEECH" in os.environ else []):
        folder = os.environ.get(key)
        if not (folder and Path(folder).is_dir()):
            parser.error(f"{key} has to be a folder of recordings, and is {folder or 'not set'}")
    print("| network | MAC in integers | fidelity | PESQ float | int8 | C | mask difference | M55 | pieces | minutes |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as temporary:
        folder = (options.keep or Path(temporary)).resolve()
        for name in options.rows:
            if ROWS[name].make.endswith(".onnx") and options.third_party is None:
                print(f"| {name} | left out: --third-party is not given |", flush=True)
                continue
            print(line_of(name, ROWS[name], folder / name, options), flush=True)


def line_of(name: str, row: Row, folder: Path, options: argparse.Namespace) -> str:
    """All of a network."""
    folder.mkdir(parents=True)
    model = folder / "float.onnx"
    if row.make.endswith(".onnx"):
        onnx.save(with_bins_first(onnx.load(options.third_party / row.make)), model)
    else:
        trained(row.make, model)
    n_fft, hop, window = row.transform
    transform = [f"preprocessing.n_fft={n_fft}", f"preprocessing.hop_length={hop}", f"preprocessing.window={window}"]
    transform += [f"preprocessing.win_length={n_fft}"]
    settings = [*transform, *row.settings, "general.report=False"]
    static = folder / "run" / "saved_models" / "quantized_model_int8_static.onnx"
    quantize(model, settings, folder, options.clips)
    report = json.loads((folder / "run" / "quantization_report.json").read_text(encoding="utf-8"))
    pesq = ["", "", ""]
    if row.make.endswith(".onnx"):
        dynamic = static.with_name("quantized_model_int8.onnx")
        states = [word for word in row.settings if word.startswith("quantization.states")]
        plays = ((model, "whole", states), (dynamic, "whole", []), (static, "stream", []))
        pesq = [f"{score(*play, transform, folder, options):.3f}" for play in plays]
    run(["deploy", static, "-o", folder / "deployed", "general.report=False", *transform])
    deployed = json.loads((folder / "deployed" / "deployment.json").read_text(encoding="utf-8"))
    instructions = deployed["emulated"]["instructions_per_call"] / deployed["frames_per_call"]
    pieces = streams_agree(static)
    drift = compiled_agrees(static, row.transform, folder / "drift", options.minutes)
    in_float = report["macs_shares"].get("float", 0.0)
    return (
        f"| {name} | {1 - in_float:.1%} | {report['closeness']:.1f} dB | {' | '.join(pesq)} | "
        f"{deployed['onnxruntime']['mean_mask_difference']:.1e} | {instructions / 1e6:.2f} M | "
        f"{'equal' if pieces else 'DIFFERENT'} | {drift} |"
    )


def with_bins_first(model: onnx.ModelProto) -> onnx.ModelProto:
    """A model of (1, 1, bins), as DTLN's first half is, with a Transpose at its input and at its output."""
    ends = [
        next(
            (each for each in values if [axis.dim_value for axis in each.type.tensor_type.shape.dim] == [1, 1, BINS]),
            None,
        )
        for values in (model.graph.input, model.graph.output)
    ]
    if None in ends:
        return model
    source, target = ends
    moves = [("magnitude", source.name), (target.name, "mask")]
    nodes = [helper.make_node("Transpose", [one], [other], f"to_{other}", perm=[0, 2, 1]) for one, other in moves]
    model.graph.node.insert(0, nodes[0])
    model.graph.node.append(nodes[1])
    for value, name in ((source, "magnitude"), (target, "mask")):
        value.CopyFrom(helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, (1, BINS, 1)))
    return model


MIXED = """\
operation_mode: quantization
dataset: {name: mix, clip_seconds: 4.0}
quantization: {target: cortex-m}
"""
"""A run that calibrates on mixtures, which the command `quantize` does not make."""


def quantize(model: Path, settings: list[str], folder: Path, clips: int) -> None:
    """Quantize into `folder / "run"`, calibrated on mixtures of SPEECH and NOISE, or on the demo's recordings."""
    if "SPEECH" not in os.environ:
        run(["quantize", model, "--data", "demo", "--target", "cortex-m", "-o", folder / "run", *settings])
        return
    (folder / "mixed.yaml").write_text(MIXED, encoding="utf-8")
    of_run = {
        "model.onnx_path": model,
        "dataset.speech_path": os.environ["SPEECH"],
        "dataset.noise_path": os.environ["NOISE"],
        "quantization.num_quantization_samples": clips,
        "hydra.run.dir": folder / "run",
    }
    run([folder / "mixed.yaml", *(f"{key}={value}" for key, value in of_run.items()), *settings])


def run(words: list[object]) -> None:
    """Run `sezoo`; where it fails, what it said is shown."""
    done = subprocess.run([SEZOO, *map(str, words)], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr[-2000:])


def score(model: Path, mode: str, settings: list[str], transform: list[str], folder: Path, options) -> float:
    """Mean PESQ on one in N of the test pairs."""
    noisy, clean = (chosen(Path(os.environ[key]), folder / key.lower(), options.every) for key in ("NOISY", "CLEAN"))
    target = folder / f"scores_{model.stem}_{mode}"
    words = ["--metrics", "pesq", "--play-like", mode, "-o", target, "general.report=False", *settings, *transform]
    run(["evaluate", model, "--noisy", noisy, "--clean", clean, *words])
    return Evaluation.read(target).versions[0].means["pesq"].value


def chosen(source: Path, target: Path, every: int) -> Path:
    """A folder with links to one in so many of a folder's recordings."""
    if not target.exists():
        target.mkdir()
        for path in sorted(source.iterdir())[::every]:
            (target / path.name).symlink_to(path.resolve())
    return target


# -- the engine ---------------------------------------------------------------------------------------------------


def magnitudes(graph, frames: int) -> np.ndarray:
    """Gamma-distributed magnitudes whose level changes slowly, with random phases where a model takes those."""
    rng = np.random.default_rng(0)
    level = np.exp(2 * np.sin(np.arange(frames) / 200)) * (rng.random(frames) < 0.95)
    made = (rng.gamma(0.5, 1.0, (graph.bins, frames)) * level).astype(np.float32)
    if graph.is_complex:
        return (made * np.exp(2j * np.pi * rng.random(made.shape))).astype(np.complex64)
    return made


def streams_agree(static: Path) -> bool:
    """Whether a stream gives the same masks in pieces of all sizes."""
    from sezoo.deployment.engine.qdq_reader import integer_graph_of
    from sezoo.deployment.engine.stream_plan import stream_masks

    graph = integer_graph_of(onnx.load(static), static)
    whole = magnitudes(graph, 64 * SECONDS_OF_PIECES)
    masks = [np.concatenate(list(stream_masks(graph, whole, 64 * SECONDS_OF_PIECES)), axis=1)]
    for piece in PIECES:
        padded = np.pad(whole, [(0, 0), (0, -whole.shape[1] % piece)])
        masks.append(np.concatenate(list(stream_masks(graph, padded, piece)), axis=1)[:, : whole.shape[1]])
    return all(np.array_equal(masks[0], each) for each in masks[1:])


def compiled_agrees(static: Path, transform: tuple[int, int, str], folder: Path, minutes: float) -> str:
    """For how many minutes C that is compiled here gives numpy's masks; what it said where it does not."""
    from sezoo.audio.stft import Stft
    from sezoo.deployment.c_package.call_frames import Engine
    from sezoo.deployment.c_package.package import PackageSettings, write_package
    from sezoo.deployment.c_package.program import Program
    from sezoo.deployment.engine.qdq_reader import integer_graph_of
    from sezoo.deployment.engine.stream_plan import stream_plan

    n_fft, hop, window = transform
    graph = integer_graph_of(onnx.load(static), static)
    per_call, calls = 50, int(minutes * 60 * 16000 / hop / 50)
    stft = Stft(n_fft, hop, n_fft, window=window)
    program = Program(graph, Engine(True, per_call, stream_plan(graph).lag[graph.output.name]), stft)
    whole = magnitudes(graph, calls * per_call)
    folder.mkdir()
    write_package(program, PackageSettings(16000, False, None), np.split(whole, calls, axis=1), folder)
    sources = [*(folder / "src").glob("*.c"), folder / "examples" / "check_vectors.c"]
    sources.append(folder / "examples" / "host" / "files_stdio.c")
    headers = [f"-I{folder / each}" for each in ("include", "src", "examples")]
    flags = ["-std=c99", "-O2", "-ffp-contract=off"]
    subprocess.run(["gcc", *flags, *headers, *sources, "-lm", "-o", folder / "check"], check=True)
    done = subprocess.run([folder / "check"], cwd=folder / "test_vectors", capture_output=True, text=True)
    return f"{minutes:g}" if done.returncode == 0 else done.stderr.strip()


# -- networks of our own ----------------------------------------------------------------------------------------


def recordings() -> list[list[np.ndarray]]:
    """Magnitudes (bins, frames) of the demo's recordings to train on, noisy and clean."""
    from sezoo.audio.clip import read_clip
    from sezoo.audio.stft import Stft

    folder, stft, pairs = SEZOO.parents[2] / "src" / "sezoo" / "demo" / "recordings", Stft(512, 160, 512), []
    for path in sorted((folder / "noisy_trainset").iterdir()):
        waves = [read_clip(folder / part / path.name, 16000) for part in ("noisy_trainset", "clean_trainset")]
        pairs.append([stft.magnitude(stft.analyse(wave)) for wave in waves])
    return pairs


def trained(name: str, path: Path, steps: int = 100) -> None:
    """A network after a moment of training on the demo's recordings, so that its weights are not random."""
    import torch

    from sezoo.training.export import export_onnx

    torch.manual_seed(0)
    torch.set_num_threads(1)  # of small networks more only wait for each other
    network, pairs = networks()[name](), [[torch.from_numpy(each) for each in pair] for pair in recordings()]
    optimizer, draw = torch.optim.Adam(network.parameters(), 1e-3), np.random.default_rng(0)
    for _ in range(steps):
        batch = []
        for _ in range(4):
            noisy, clean = pairs[draw.integers(len(pairs))]
            start = draw.integers(max(1, noisy.shape[1] - 100))
            batch.append(torch.stack([each[:, start : start + 100] for each in (noisy, clean)]))
        noisy, clean = torch.stack([each for each in batch if each.shape[2] == 100]).unbind(1)
        loss = (network(noisy) * noisy).clamp_min(1e-6).pow(0.3).sub(clean.clamp_min(1e-6).pow(0.3)).square().mean()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
    export_onnx(network.eval(), path, bins=BINS, opset=17)


def networks() -> dict[str, type]:
    """Classes of torch modules, from magnitudes (batch, bins, frames) to masks of that shape, by their names."""
    import torch
    from torch import nn

    class GruMask(nn.Module):
        def __init__(self):
            super().__init__()
            self.gru, self.out = nn.GRU(BINS, 64, batch_first=True), nn.Linear(64, BINS)

        def forward(self, magnitude):
            hidden, _ = self.gru(magnitude.clamp_min(1e-5).pow(0.3).transpose(1, 2))
            return torch.sigmoid(self.out(hidden)).transpose(1, 2)

    class NsNet2(nn.Module):
        def __init__(self):
            super().__init__()
            self.into, self.gru = nn.Linear(BINS, 400), nn.GRU(400, 400, 2, batch_first=True)
            self.middle, self.out = nn.Linear(400, 600), nn.Linear(600, BINS)

        def forward(self, magnitude):
            hidden, _ = self.gru(torch.relu(self.into(magnitude.clamp_min(1e-5).log().transpose(1, 2))))
            return torch.sigmoid(self.out(torch.relu(self.middle(hidden)))).transpose(1, 2)

    class EncoderDecoder(nn.Module):
        def __init__(self):
            super().__init__()
            self.down = nn.ModuleList([nn.Conv2d(1, 8, (5, 1), (2, 1)), nn.Conv2d(8, 16, (5, 1), (2, 1))])
            self.time = nn.Conv1d(16 * 62, 128, 3)
            self.back = nn.Conv1d(128, 16 * 62, 1)
            self.up = nn.ModuleList(
                [nn.ConvTranspose2d(16, 8, (5, 1), (2, 1)), nn.ConvTranspose2d(8, 1, (5, 1), (2, 1))]
            )

        def forward(self, magnitude):
            first = torch.relu(self.down[0](magnitude.clamp_min(1e-5).pow(0.3).unsqueeze(1)))
            second = torch.relu(self.down[1](first))
            flat = second.flatten(1, 2)
            inner = torch.relu(self.time(nn.functional.pad(flat, (2, 0))))
            inner = torch.relu(self.back(inner).unflatten(1, (16, 62)) + second)
            return torch.sigmoid(self.up[1](torch.relu(self.up[0](inner) + first))).squeeze(1)

    class Crn(nn.Module):
        def __init__(self):
            super().__init__()
            self.down = nn.ModuleList([nn.Conv2d(1, 8, (3, 2), (2, 1)), nn.Conv2d(8, 16, (3, 2), (4, 1))])
            self.lstm, self.back = nn.LSTM(16 * 32, 64, batch_first=True), nn.Linear(64, 16 * 32)
            self.up = nn.ModuleList(
                [nn.ConvTranspose2d(16, 8, (4, 1), (4, 1)), nn.ConvTranspose2d(8, 1, (3, 1), (2, 1))]
            )

        def forward(self, magnitude):
            first = nn.functional.pad(magnitude.clamp_min(1e-5).pow(0.3).unsqueeze(1), (1, 0))
            first = torch.relu(self.down[0](first))
            second = torch.relu(self.down[1](nn.functional.pad(first, (1, 0))))
            hidden, _ = self.lstm(second.flatten(1, 2).transpose(1, 2))
            inner = torch.relu(self.back(hidden).transpose(1, 2).unflatten(1, (16, 32)) + second)
            return torch.sigmoid(self.up[1](torch.relu(self.up[0](inner) + first))).squeeze(1)

    return {"gru_mask": GruMask, "nsnet2": NsNet2, "encoder_decoder": EncoderDecoder, "crn": Crn}


if __name__ == "__main__":
    main()
