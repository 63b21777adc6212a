"""Patch lengths of a model: new frames and look-ahead, from the configuration and the model."""

from __future__ import annotations

from sezoo.base.errors import UserError
from sezoo.config.modes import steps
from sezoo.config.sections import Config
from sezoo.denoising.backend import STREAM, engine_of

__all__ = ["PATCH_FRAMES", "needed_lookahead", "patch_lengths"]

PATCH_FRAMES = 30
"""New frames of a patch where nothing is set, as ST's application has them."""

LOOKAHEAD = 5
"""Frames of look-ahead where neither a setting nor the network says how many are needed."""

LONGEST = 100
"""Frames of the longest static model that ST's application runs."""


def needed_lookahead(field: tuple[int, int] | None) -> int:
    """Frames of look-ahead with which patches have the whole clip's masks, as far as a static model can be so long.

    Parameters
    ----------
    field : receptive field of the network, (before, after) frames; None where it has no bound, or is not known.
    """
    return LOOKAHEAD if field is None else min(max(field), (LONGEST - PATCH_FRAMES) // 2)


def patch_lengths(
    config: Config, static_frames: int | None, *, needed: int = LOOKAHEAD, stateful: bool = False
) -> tuple[int, int]:
    """New frames P and look-ahead K of a patch; a static model is P + 2 K frames long.

    `evaluation.frames_per_patch` and `lookahead_frames` come first, then `deployment`'s where the file has that
    section. What is left open follows from the length of the model (or `evaluation.fixed_sequence_length`): 30 new
    frames, as the board's application has it, and the rest is look-ahead, if that comes out even. Where there is no
    length either, the network says how much look-ahead it needs.

    Parameters
    ----------
    static_frames : of the model; None where it takes any number.
    needed : frames of look-ahead that the network needs, see `needed_lookahead`.
    stateful : it has states, which see every frame once: all frames are new ones, and there is no look-ahead.

    Raises
    ------
    UserError : lengths that do not fit the model's.
    """
    settings = config.evaluation
    length, length_from = static_frames, "the model"
    if settings.fixed_sequence_length is not None:
        if static_frames not in (None, settings.fixed_sequence_length):
            raise UserError(
                f"evaluation.fixed_sequence_length: found {settings.fixed_sequence_length}; the model's length is "
                f"{static_frames} frames"
            )
        length, length_from = settings.fixed_sequence_length, "evaluation.fixed_sequence_length"
    new, new_key = _set(config, "frames_per_patch")
    lookahead, lookahead_key = _set(config, "lookahead_frames")
    if stateful:
        if lookahead:
            raise UserError(
                f"{lookahead_key}: found {lookahead}; allowed: 0, as a model with states takes every frame once"
            )
        if length is not None and new not in (None, length):
            raise UserError(f"{new_key}: found {new}; allowed: {length}, the frames of each call by {length_from}")
        configured = config.quantization.static_sequence_length if config.quantization is not None else None
        return new or length or configured or PATCH_FRAMES, 0
    is_open = new is None or lookahead is None or "q" in steps(config.operation_mode)
    if length is None and config.quantization is not None and is_open:
        length, length_from = config.quantization.static_sequence_length, "quantization.static_sequence_length"
    if length is None:
        return (PATCH_FRAMES if new is None else new), (needed if lookahead is None else lookahead)
    if new is None and lookahead is None:
        return _split(length)
    if new is None:
        new = length - 2 * lookahead
        if new < 1:
            raise UserError(
                f"{lookahead_key}: found {lookahead}; {length_from} has {length} frames, which leaves none between two "
                f"look-aheads; allowed: at most {(length - 1) // 2}"
            )
    elif lookahead is None:
        if new > length or (length - new) % 2:
            raise UserError(
                f"{new_key}: found {new}; {length_from} has {length} frames, and what is left must be two equal "
                f"look-aheads, {max(1, length - 2 * LOOKAHEAD)} new frames for example"
            )
        lookahead = (length - new) // 2
    elif (needed := new + 2 * lookahead) != length:
        raise UserError(
            f"{lookahead_key}: found {lookahead}; {new} new frames and two look-aheads are {needed} frames, but "
            f"{length_from} has {length}{_hint(length, new, lookahead)}"
        )
    return new, lookahead


def _hint(length: int, new: int, lookahead: int) -> str:
    if length >= new and (length - new) % 2 == 0:
        return f": {(length - new) // 2} fits {new} new frames"
    return f": {length - 2 * lookahead} new frames fit that look-ahead" if length > 2 * lookahead else ""


def _set(config: Config, key: str) -> tuple[int | None, str]:
    """A length that the file sets, and the key that it has there."""
    own = getattr(config.evaluation, key)
    if own is not None:
        return own, f"evaluation.{key}"
    deployment = config.deployment
    if deployment is None or getattr(deployment, key) is None:
        return None, f"evaluation.{key}"
    if deployment.lookahead_frames is None and engine_of(config) == STREAM:  # the length of a call, not of a patch
        return None, f"evaluation.{key}"
    return getattr(deployment, key), f"deployment.{key}"


def _split(length: int) -> tuple[int, int]:
    new = PATCH_FRAMES
    if length >= new and (length - new) % 2 == 0:
        return new, (length - new) // 2
    lookahead = min(LOOKAHEAD, (length - 1) // 2)
    return length - 2 * lookahead, lookahead
