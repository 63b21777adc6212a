"""sezoo: takes a speech-enhancement network from recordings to a microcontroller.

The five verbs, `denoise`, `score`, `export` and `board_test` are functions of this module; the command line uses the
same ones. They are imported when they are first asked for, so that `import sezoo` costs nothing.
"""

from __future__ import annotations

from sezoo.base.version import __version__

TYPE_CHECKING = False  # for type checkers it is True; typing itself takes longer to import than all of this
if TYPE_CHECKING:
    from typing import Any

    from sezoo.api.benchmarking import benchmark
    from sezoo.api.board_testing import BoardTest, board_test
    from sezoo.api.denoiser import Denoiser
    from sezoo.api.denoising import denoise
    from sezoo.api.deploying import deploy
    from sezoo.api.evaluating import evaluate, score
    from sezoo.api.evaluation import Evaluation
    from sezoo.api.exporting import export
    from sezoo.api.quantizing import quantize
    from sezoo.api.results import Benchmark, DeployedModel, QuantizedModel, TrainedModel
    from sezoo.api.training import train
    from sezoo.base.errors import UserError
    from sezoo.metrics import metric

__all__ = [
    "Benchmark",
    "BoardTest",
    "Denoiser",
    "DeployedModel",
    "Evaluation",
    "QuantizedModel",
    "TrainedModel",
    "UserError",
    "__version__",
    "benchmark",
    "board_test",
    "denoise",
    "deploy",
    "evaluate",
    "export",
    "metric",
    "quantize",
    "score",
    "train",
]

_FROM = {
    "sezoo.api.benchmarking": ("benchmark",),
    "sezoo.api.board_testing": ("BoardTest", "board_test"),
    "sezoo.api.denoiser": ("Denoiser",),
    "sezoo.api.denoising": ("denoise",),
    "sezoo.api.deploying": ("deploy",),
    "sezoo.api.evaluation": ("Evaluation",),
    "sezoo.api.evaluating": ("evaluate", "score"),
    "sezoo.api.exporting": ("export",),
    "sezoo.api.quantizing": ("quantize",),
    "sezoo.api.results": ("Benchmark", "DeployedModel", "QuantizedModel", "TrainedModel"),
    "sezoo.api.training": ("train",),
    "sezoo.base.errors": ("UserError",),
    "sezoo.metrics": ("metric",),
}
_MODULE_OF = {name: module for module, names in _FROM.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'sezoo' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_MODULE_OF[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
