"""`sezoo demo`: the main job on what comes with sezoo, from the float model to the scores of the int8 one."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from sezoo.base.files import check_new_folder, display_path
from sezoo.base.shipped import ZOO
from sezoo.config.sections import Config
from sezoo.config.validation import build_config
from sezoo.report.comparison import save_comparison
from sezoo.report.score_table import print_scores
from sezoo.results.evaluation import Evaluation
from sezoo.results.listening import FOLDER
from sezoo.results.names import REPORT
from sezoo.results.quantization import LayerReport
from sezoo.services import run_services

__all__ = ["demo_config", "run_demo"]

CONFIG = Path(__file__).with_name("demo.yaml")


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
    check_new_folder(folder, "-o")
    config = demo_config()
    run_services(config, folder.absolute(), tables=False)
    results = Evaluation.required(folder)
    picture = save_comparison(folder, results, config.preprocessing)
    print_scores(results, f"{results.clips} test clips of the demo set")
    _print_files(config, folder, picture)


def _print_files(config: Config, folder: Path, picture: Path) -> None:
    from sezoo.base.terminal import stdout_console

    console = stdout_console(None, soft_wrap=True)
    console.print("Synthetic recordings: they show that everything works, not what int8 costs on real speech.\n")
    models = LayerReport.required(folder)
    rows: Sequence[tuple[str, Path]] = (
        ("float", config.model.onnx_path),
        ("int8, any length", folder / models.dynamic),
        ("int8, fixed length, for the board", folder / models.static),
        ("picture", picture),
        ("report, with sound", folder / REPORT),
        ("to listen to", folder / FOLDER),
    )
    width = max(len(name) for name, _ in rows)
    for name, path in rows:
        size = f"  {path.stat().st_size / 2**20:.2f} MiB" if path.suffix == ".onnx" else ""
        console.print(f"{name:{width}}  {display_path(path)}{size}")
