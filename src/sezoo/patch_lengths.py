"""How long the patches are in which a model is run: new frames and look-ahead, from the configuration and the model."""

from __future__ import annotations

from sezoo.config.modes import steps
from sezoo.config.sections import Config, Deployment
from sezoo.errors import UserError

__all__ = ["patch_lengths"]

DEFAULT = Deployment()


def patch_lengths(config: Config, static_frames: int | None, *, stateful: bool = False) -> tuple[int, int]:
    """New frames P and look-ahead K of a patch; a static model is P + 2 K frames long.

    `evaluation.frames_per_patch` and `lookahead_frames` come first, then `deployment`'s where the file has that
    section. What is left open follows from the length of the model (or `evaluation.fixed_sequence_length`): 30 new
    frames, as the board's application has it, and the rest is look-ahead, if that comes out even.

    Parameters
    ----------
    static_frames : of the model; None where it takes any number.
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
        return new or length or configured or DEFAULT.frames_per_patch, 0
    is_open = new is None or lookahead is None or "q" in steps(config.operation_mode)
    if length is None and config.quantization is not None and is_open:
        length, length_from = config.quantization.static_sequence_length, "quantization.static_sequence_length"
    if length is None:
        return (
            DEFAULT.frames_per_patch if new is None else new,
            DEFAULT.lookahead_frames if lookahead is None else lookahead,
        )
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
                f"look-aheads, {max(1, length - 2 * DEFAULT.lookahead_frames)} new frames for example"
            )
        lookahead = (length - new) // 2
    elif (needed := new + 2 * lookahead) != length:
        raise UserError(
            f"{lookahead_key}: found {lookahead}; {new} new frames and two look-aheads are {needed} frames, but "
            f"{length_from} has {length}{_mending(length, new, lookahead)}"
        )
    return new, lookahead


def _mending(length: int, new: int, lookahead: int) -> str:
    if length >= new and (length - new) % 2 == 0:
        return f": {(length - new) // 2} fits {new} new frames"
    return f": {length - 2 * lookahead} new frames fit that look-ahead" if length > 2 * lookahead else ""


def _set(config: Config, key: str) -> tuple[int | None, str]:
    """A length that the file sets, and the key that it has there."""
    own = getattr(config.evaluation, key)
    if own is not None:
        return own, f"evaluation.{key}"
    # A deployment section without the key means its default there too, but nobody wrote that down for evaluation.
    if config.deployment is not None and key in config.deployment.model_fields_set:
        return getattr(config.deployment, key), f"deployment.{key}"
    return None, f"evaluation.{key}"


def _split(length: int) -> tuple[int, int]:
    new = DEFAULT.frames_per_patch
    if length >= new and (length - new) % 2 == 0:
        return new, (length - new) // 2
    lookahead = min(DEFAULT.lookahead_frames, (length - 1) // 2)
    return length - 2 * lookahead, lookahead
