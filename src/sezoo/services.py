"""From the operation mode to the services that a run goes through, in order."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from sezoo.config.sections import Config
from sezoo.errors import UserError
from sezoo.run import Run, open_run

__all__ = ["check_available", "run_services"]


def _quantization(run: Run) -> None:
    from sezoo.quantization.service import quantize  # onnxruntime loads here, not for `--help`

    quantize(run)


SERVICES: dict[str, tuple[Callable[[Run], None], ...]] = {
    "quantization": (_quantization,),
}
"""What each operation mode does."""


def check_available(config: Config) -> None:
    """Check that this version has the configured operation mode.

    Raises
    ------
    UserError : it has not; it names those that it has.
    """
    if config.operation_mode not in SERVICES:
        raise UserError(
            f"operation_mode: {config.operation_mode} is not in this version of sezoo; it has {', '.join(SERVICES)}"
        )


def run_services(config: Config, folder: Path) -> None:
    """Do what the configuration says, with the results in `folder`."""
    with open_run(config, folder) as run:
        for service in SERVICES[config.operation_mode]:
            service(run)
