"""`sezoo demo`: the main job on what comes with sezoo, from the float model to the scores of the int8 one."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from sezoo.config.sections import Config
from sezoo.config.validation import build_config
from sezoo.dataset import test_pairs
from sezoo.denoise import denoise
from sezoo.errors import UserError
from sezoo.evaluation.scoring import ClipScores, mean_scores, score_pairs
from sezoo.files import shown
from sezoo.mask_model import MaskModel
from sezoo.quantization.service import QuantizedModels, quantize
from sezoo.report.comparison import median_clip, save_comparison
from sezoo.run import open_run
from sezoo.spectrum import stft_of

__all__ = ["demo_config", "run_demo"]

log = logging.getLogger(__name__)

CONFIG = Path(__file__).with_name("demo.yaml")
ZOO = Path(__file__).parents[1] / "zoo"
METRICS = {
    "pesq": ("PESQ", "{:.3f}"),
    "stoi": ("STOI", "{:.4f}"),
    "snr": ("SNR dB", "{:.2f}"),
    "si_snr": ("SI-SNR dB", "{:.2f}"),
}


def demo_config() -> Config:
    """The demo's configuration; the model's path is relative to the models that come with sezoo."""
    import yaml

    raw = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))
    raw["model"]["onnx_path"] = ZOO / raw["model"]["onnx_path"]
    return build_config(raw)


def run_demo(folder: Path | None) -> None:
    """Quantize, score float and int8 on the test pairs, and say where everything is.

    Parameters
    ----------
    folder : of the results; a new one in experiment_outputs if None.

    Raises
    ------
    UserError : the folder holds something already, or cannot be written.
    """
    folder = folder or Path("experiment_outputs") / time.strftime("demo_%Y_%m_%d_%H_%M_%S")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"{folder} is there already and not an empty folder; choose another with -o")
    config = demo_config()
    with open_run(config, folder.absolute()) as run:
        models = quantize(run)
        stft, rate = stft_of(config.preprocessing), config.preprocessing.sample_rate
        denoisers = {
            "float": partial(denoise, model=MaskModel(config.model.onnx_path), stft=stft),
            "int8": partial(denoise, model=MaskModel(models.dynamic), stft=stft),
        }
        pairs = test_pairs(config.dataset)
        clips = list(run.progress(score_pairs(pairs, denoisers, rate, list(METRICS)), len(pairs), "scoring"))
        means = mean_scores(clips)
        run.tracker.metrics(
            {f"{version}_{metric}": value for version in means for metric, value in means[version].items()}
        )
        save_comparison(folder / "comparison.png", clips, means, stft, rate)
        _save_sound(folder / "listen", median_clip(clips), rate)
        _print_results(config, models, means, len(clips), folder)


def _save_sound(folder: Path, clip: ClipScores, sample_rate: int) -> None:
    from sezoo.audio import write_clip

    for order, (version, wave) in enumerate(clip.waves.items(), 1):
        write_clip(folder / f"{order}_{version}.wav", wave, sample_rate)


def _print_results(
    config: Config, models: QuantizedModels, means: Mapping[str, Mapping[str, float]], clips: int, folder: Path
) -> None:
    from rich.console import Console

    console = Console(file=sys.stdout, highlight=False, soft_wrap=True)
    console.print(_table(config, models, means, clips))
    console.print("Synthetic recordings: they show that everything works, not what int8 costs on real speech.\n")
    rows: Sequence[tuple[str, Path]] = (
        ("int8, any length", models.dynamic),
        (f"int8, {config.quantization.static_sequence_length} frames, for the board", models.static),
        ("picture", folder / "comparison.png"),
        ("to listen to", folder / "listen"),
    )
    width = max(len(name) for name, _ in rows)
    for name, path in rows:
        console.print(f"{name:{width}}  {shown(path)}")


def _table(config: Config, models: QuantizedModels, means: Mapping[str, Mapping[str, float]], clips: int):
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, title=f"{clips} test clips of the demo set, means", title_justify="left")
    table.add_column()
    for name, _ in METRICS.values():
        table.add_column(name, justify="right")
    table.add_column("model", justify="right")
    sizes = {"float": config.model.onnx_path, "int8": models.dynamic}
    for version, scores in means.items():
        cells = [form.format(scores[metric]) for metric, (_, form) in METRICS.items()]
        size = f"{sizes[version].stat().st_size / 2**20:.2f} MiB" if version in sizes else ""
        table.add_row(version, *cells, size)
    changes = [form.replace(":", ":+").format(means["int8"][m] - means["float"][m]) for m, (_, form) in METRICS.items()]
    table.add_section()
    table.add_row("int8 against float", *changes, "", style="bold")
    return table
