"""Masks for a spectrum that comes in pieces: the model sees each frame with the context that its mode gives it.

A model with states needs no context: it is given every frame once, in order, and remembers what it needs.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from sezoo.base.errors import UserError
from sezoo.denoising.modes import InferenceMode, Patches, WholeClip
from sezoo.models.mask_model import MaskFunction, kind_of
from sezoo.models.spectra import COMPLEX_SPECTRUM, MAGNITUDE_MASK, apply_output

__all__ = ["MaskStream", "dry_share", "with_fresh_state"]

WHOLE_CLIP_FRAMES = 2048
"""Up to here a clip is run in one piece; longer ones in pieces of this length and their context."""

UNBOUNDED_FRAMES, UNBOUNDED_CONTEXT = 6000, 1000
"""The same where the receptive field has no bound: more of the past than such networks remember."""

PATCHES_A_CALL = 16
"""So many patches are run as one batch where the model takes that: faster, and small enough for the cache."""


def with_fresh_state(model: MaskFunction, mode: InferenceMode) -> Callable[[np.ndarray], np.ndarray]:
    """The model as it is at the beginning of a clip: one with states has some of its own, at zero.

    Any other function of magnitudes is taken as it is. Where the mode has an attenuation limit, the masks have it.

    Raises
    ------
    UserError : patches in which a model with states would see frames twice, or that are not its length.
    """
    if not is_stateful(model):
        return limit_attenuation(model, mode.attenuation_limit, kind_of(model))
    if isinstance(mode, Patches):
        if mode.lookahead:
            raise UserError(
                f"{model.path}: patches with {mode.lookahead} frames of look-ahead would show frames twice to a model "
                "with states; lookahead_frames: 0 is allowed"
            )
        if model.frames not in (None, mode.frames):
            raise UserError(
                f"{model.path}: patches of {mode.frames} frames are none for a model with states that takes "
                f"{model.frames} in each call; frames_per_patch: {model.frames} is allowed"
            )
    return limit_attenuation(model.fresh(), mode.attenuation_limit, kind_of(model))


def limit_attenuation(
    model: Callable[[np.ndarray], np.ndarray], limit: float | None, kind: str = MAGNITUDE_MASK
) -> Callable[[np.ndarray], np.ndarray]:
    """A model whose masks attenuate by at most `limit` dB: a mix of the denoised and the noisy spectrum.

    Parameters
    ----------
    limit : None is none: the model itself.
    kind : of the model; one that gives a spectrum has the noisy one, which it sees, mixed in.
    """
    if limit is None:
        return model
    dry = dry_share(limit)
    if kind == COMPLEX_SPECTRUM:
        return lambda spectrum: dry * spectrum + (np.float32(1) - dry) * model(spectrum)
    return lambda magnitude: dry + (np.float32(1) - dry) * model(magnitude)


def dry_share(limit: float) -> np.float32:
    """The share of the input that stays in the output with an attenuation limit in dB."""
    return np.float32(10 ** (-limit / 20))


def is_stateful(model: MaskFunction) -> bool:
    """Whether it has states; a plain function of magnitudes has none."""
    return getattr(model, "stateful", False)


class MaskStream:
    """Stream of masked frames: the spectrum times its masks, or the enhanced spectrum of a complex model.

    Parameters
    ----------
    mode : `WholeClip` or `Patches`.
    bins : of the spectrum.
    immediate : each push gives all frames whose masks are known, as live sound needs it; otherwise a whole clip is run
        in long pieces.

    Raises
    ------
    UserError : as for `with_fresh_state`.
    """

    def __init__(self, model: MaskFunction, mode: WholeClip | Patches, bins: int, *, immediate: bool = False):
        self.run, self.mode = with_fresh_state(model, mode), mode
        in_patches, has_states = isinstance(mode, Patches), is_stateful(model)
        self.length = mode.length if in_patches else model.frames if has_states else None  # of a call, if it has one
        self.at_once = 1 if has_states or (in_patches and model.batch == 1) else PATCHES_A_CALL
        if has_states:
            self.step, self.before, self.after = self.length or WHOLE_CLIP_FRAMES, 0, 0
        elif in_patches:
            self.step, self.before, self.after = mode.frames, mode.lookahead, mode.lookahead
        else:
            context = mode.context or (None, None)
            self.step = UNBOUNDED_FRAMES if None in context else WHOLE_CLIP_FRAMES
            self.before, self.after = (UNBOUNDED_CONTEXT if frames is None else frames for frames in context)
        # Where later frames count without bound, only long pieces have nearly all of them.
        bounded = in_patches or has_states or (mode.context is not None and mode.context[1] is not None)
        self.immediate = immediate and self.length is None and bounded
        self.held = self.before if in_patches else 0  # frames of context before the first pending one
        self.to_mirror = self.before if in_patches and mode.mirrored else 0  # of them still zeros
        self.kind = kind_of(model)
        self.of_magnitudes = self.kind == MAGNITUDE_MASK
        self.seen = np.zeros((bins, self.held), np.float32 if self.of_magnitudes else np.complex64)
        self.spectrum = np.zeros((bins, 0), np.complex64)

    def push(self, spectrum: np.ndarray, magnitude: np.ndarray) -> np.ndarray:
        """Take in frames, and return those that are masked.

        Parameters
        ----------
        spectrum : (bins, n) complex64
        magnitude : of the same frames, as a model of magnitudes is to see it: (bins, n) float32. One of complex
            spectra sees the spectrum.

        Returns
        -------
        masked : (bins, m) complex64
        """
        self.spectrum = np.concatenate([self.spectrum, spectrum], axis=1)
        self.seen = np.concatenate([self.seen, magnitude if self.of_magnitudes else spectrum], axis=1)
        known = max(0, self.spectrum.shape[1] - self.after)
        if self.immediate:
            return self._masked_at_once(known)
        ready = known // self.step
        return self._mask_frames(ready * self.step, ready)

    def _masked_at_once(self, known: int) -> np.ndarray:
        """All frames whose masks are known: (bins, known) complex64."""
        pieces = [self.spectrum[:, :0]]
        while known:
            self.step = min(known, WHOLE_CLIP_FRAMES)
            pieces.append(self._mask_frames(self.step, 1))
            known -= self.step
        return np.concatenate(pieces, axis=1)

    def finish(self) -> np.ndarray:
        """Return the frames that are left: (bins, m) complex64."""
        left = self.spectrum.shape[1]
        if not left:
            return self.spectrum
        steps = -(-left // self.step)
        if self.length is not None:
            self._mirror_beginning()
            behind = steps * self.step - left + self.after
            mirrored = isinstance(self.mode, Patches) and self.mode.mirrored
            self.seen = np.pad(self.seen, [(0, 0), (0, behind)], mode="reflect" if mirrored else "constant")
            return self._mask_frames(left, steps)
        return self._take(left, self.run(self.seen[np.newaxis])[0, :, self.held :])

    def _mask_frames(self, frames: int, steps: int) -> np.ndarray:
        """Run this many steps and take the first `frames` frames of what they mask."""
        if not steps:
            return self.spectrum[:, :0]
        if self.length is not None:
            self._mirror_beginning()
            return self._take(frames, self._patch_masks(steps)[:, :frames])
        masked = []
        for _ in range(steps):
            piece = self.seen[np.newaxis, :, : self.held + self.step + self.after]
            masked.append(self._take(self.step, self.run(piece)[0, :, self.held : self.held + self.step]))
        return np.concatenate(masked, axis=1)

    def _mirror_beginning(self) -> None:
        """Replace the zeros before the clip by its mirrored first frames, once these have arrived."""
        if self.to_mirror:
            clip = self.seen[:, self.to_mirror :]
            self.seen = np.pad(clip, [(0, 0), (self.to_mirror, 0)], mode="reflect")
            self.to_mirror = 0

    def _patch_masks(self, patches: int) -> np.ndarray:
        """The masks of the new frames of the patches: (bins, patches * step) float32."""
        windows = np.lib.stride_tricks.sliding_window_view(self.seen, self.length, axis=1)
        windows = np.moveaxis(windows[:, :: self.step][:, :patches], 1, 0)
        masks = [
            self.run(np.ascontiguousarray(windows[start : start + self.at_once]))[
                :, :, self.before : -self.after or None
            ]
            for start in range(0, patches, self.at_once)
        ]
        return np.moveaxis(np.concatenate(masks), 0, 1).reshape(self.seen.shape[0], -1)

    def _take(self, frames: int, mask: np.ndarray) -> np.ndarray:
        """Mask the first pending frames, and let go of what later ones do not need."""
        masked = apply_output(self.kind, self.spectrum[:, :frames], mask)
        self.spectrum = self.spectrum[:, frames:]
        held = min(self.held + frames, self.before)
        self.seen = self.seen[:, self.held + frames - held :]
        self.held = held
        return masked
