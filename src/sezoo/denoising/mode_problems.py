"""Why a recurrent model cannot be run in a mode, with the node and what to do."""

from __future__ import annotations

from pathlib import Path

from sezoo.base.errors import UserError
from sezoo.config.sections import Config
from sezoo.denoising.backend import STM32N6, STREAM, engine_of, wanted_backend
from sezoo.models.onnx_file import load_onnx
from sezoo.models.receptive_field import RECURRENT
from sezoo.models.source import ModelSource, OnnxSource
from sezoo.models.states import states_of, with_states
from sezoo.models.streaming import streaming

__all__ = ["patch_problem", "recurrent_patches", "unbounded_problem"]


def unbounded_problem(source: ModelSource) -> str:
    """Why a model is no stream: the node, and what would help, where they are found."""
    message = "play_like: a stream needs a bound of how far a model looks ahead; this one has none"
    if isinstance(source, OnnxSource):
        try:
            streaming(load_onnx(source.path), source.path)
        except UserError as error:
            if error.__cause__ is not None:  # of the node; otherwise it is about the file
                return f"{message}: {error.__cause__}"
    return message


def patch_problem(source: ModelSource, config: Config, target: str | None) -> str | None:
    """Return why the C package cannot run a model in patches, which would reset its states; None if it can.

    Parameters
    ----------
    target : the `quantization.target` that the model was made for; None is unknown.
    """
    runs_in_c = wanted_backend(config, target) not in (None, STM32N6) and engine_of(config, target) != STREAM
    if not runs_in_c or not isinstance(source, OnnxSource):
        return None
    model = with_states(load_onnx(source.path), source.states)
    layers = [node.name or node.output[0] for node in model.graph.node if node.op_type in RECURRENT]
    names = [*layers, *states_of(model)]
    return recurrent_patches(config, source.display_name or source.path, names[0]) if names else None


def recurrent_patches(config: Config, path: Path, name: str) -> str:
    """Return the error message for a recurrent model in patches.

    Parameters
    ----------
    name : of a recurrent layer or of a state.
    """
    is_set = config.deployment is not None and config.deployment.engine is not None
    key, found = ("engine", "patch") if is_set else ("input_gain", "True")
    return (
        f"deployment.{key}: found {found}; {path} is recurrent ('{name}'): its states go from frame to frame, and "
        "patches begin anew; allowed: deployment.engine: stream, without an input gain"
    )
