"""The choice of a model's engine, stream or patch, and of its frames per process() call."""

from __future__ import annotations

import logging
from pathlib import Path

from sezoo.base.errors import UserError
from sezoo.base.text import pluralize
from sezoo.config.sections import Config
from sezoo.denoising.backend import PATCH, engine_of, stream_frames
from sezoo.denoising.mode_problems import recurrent_patches
from sezoo.deployment.c_package.call_frames import Engine
from sezoo.deployment.checks import with_patch_lengths
from sezoo.deployment.engine.integer_graph import IntegerGraph
from sezoo.deployment.engine.stream_plan import stream_plan

__all__ = ["engine_for"]

log = logging.getLogger(__name__)


def engine_for(graph: IntegerGraph, path: Path, config: Config) -> Engine:
    """Return the configured engine, or the one that suits the model.

    Raises
    ------
    UserError : the settings do not fit the model.
    """
    settings = config.deployment
    if graph.loops and engine_of(config) == PATCH:
        raise UserError(recurrent_patches(config, path, graph.loops[0].name))
    if engine_of(config) == PATCH:
        if settings.engine is None and settings.input_gain:
            log.info("engine: patch, as deployment.input_gain: True scales patches (a stream has none)")
        settings = with_patch_lengths(config, graph.frames, path).deployment
        return Engine(False, settings.frames_per_patch, settings.lookahead_frames)
    lag = stream_plan(graph).lag[graph.output.name]
    if settings.engine is None:
        other = "patches would begin its states anew" if graph.loops else "deployment.engine: patch computes patches"
        log.info("engine: stream, which computes every frame once (%s)", other)
    if settings.lookahead_frames not in (None, lag):
        log.info(
            "deployment.lookahead_frames: found %d; it is for patches, a stream looks ahead as far as the network "
            "does, %s", settings.lookahead_frames, pluralize(lag, "frame"),
        )  # fmt: skip
    return Engine(True, stream_frames(config), lag)
