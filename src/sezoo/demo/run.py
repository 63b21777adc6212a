"""`sezoo demo`: the main job on what comes with sezoo, from the float model to the scores of the int8 one."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from pathlib import Path

from sezoo.audio.stft import stft_of
from sezoo.base.errors import UserError
from sezoo.base.files import display_path
from sezoo.config.sections import Config
from sezoo.config.validation import build_config
from sezoo.data.dataset import test_pairs
from sezoo.denoising.run_models import static_frames_of
from sezoo.evaluation.service import evaluate, waves_of
from sezoo.models.onnx_file import load_onnx
from sezoo.quantization.service import QuantizedModels, quantize
from sezoo.report.comparison import median_clip, save_comparison
from sezoo.report.of_run import REPORT, write_run_report
from sezoo.report.score_table import print_scores
from sezoo.results.listening import FOLDER
from sezoo.results.run_record import recorded
from sezoo.run.run import open_run

__all__ = ["demo_config", "run_demo"]

log = logging.getLogger(__name__)

CONFIG = Path(__file__).with_name("demo.yaml")
ZOO = Path(__file__).parents[1] / "zoo"


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
        raise UserError(f"{folder} already exists and is not an empty folder; choose another with -o")
    config = demo_config()
    with open_run(config, folder.absolute()) as run:
        with recorded(run):
            models = quantize(run)
            results = evaluate(run)
        shown_clip = median_clip(results.scores)
        waves = waves_of(run, next(pair for pair in test_pairs(config.dataset) if pair.name == shown_clip.name))
        rate = config.preprocessing.sample_rate
        stft = stft_of(config.preprocessing)
        save_comparison(folder / "comparison.png", results.scores, results.means, waves, stft, rate)
        write_run_report(run)
        print_scores(results, f"{results.clips} test clips of the demo set")
        _print_files(config, models, folder)


def _print_files(config: Config, models: QuantizedModels, folder: Path) -> None:
    from sezoo.base.terminal import results

    console = results(None, soft_wrap=True)
    console.print("Synthetic recordings: they show that everything works, not what int8 costs on real speech.\n")
    frames = static_frames_of(load_onnx(models.static))
    rows: Sequence[tuple[str, Path]] = (
        ("float", config.model.onnx_path),
        ("int8, any length", models.dynamic),
        (f"int8, {frames} frames, for the board", models.static),
        ("picture", folder / "comparison.png"),
        ("report, with sound", folder / REPORT),
        ("to listen to", folder / FOLDER),
    )
    width = max(len(name) for name, _ in rows)
    for name, path in rows:
        size = f"  {path.stat().st_size / 2**20:.2f} MiB" if path.suffix == ".onnx" else ""
        console.print(f"{name:{width}}  {display_path(path)}{size}")
