"""The service `deployment`: a static int8 model in, what runs on the board out."""

from __future__ import annotations

from pathlib import Path

from sezoo.backend import STM32N6, backend_of
from sezoo.config.sections import Config
from sezoo.deployment.c_package.deploy import check_c_package, deploy_c_package
from sezoo.deployment.stm32n6.deploy import check_stm32n6, deploy_stm32n6
from sezoo.run import Run

__all__ = ["check_deployment", "deploy"]


def check_deployment(config: Config) -> None:
    """Check what can be checked before there is a model.

    Raises
    ------
    UserError : settings that do not fit together, or a tool that is missing.
    """
    if backend_of(config) == STM32N6:
        check_stm32n6(config)
    else:
        check_c_package(config)


def deploy(run: Run) -> None:
    """Bring the run's static int8 model, or the configured one, onto the board.

    Raises
    ------
    UserError : the model or the settings are not fit for it; a tool is missing or fails.
    """
    model: Path = run.artefacts.int8_static or run.config.model.onnx_path
    if backend_of(run.config) == STM32N6:
        deploy_stm32n6(run, model)
    else:
        deploy_c_package(run, model)
