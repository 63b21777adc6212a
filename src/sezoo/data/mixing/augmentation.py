"""Augmentation of training clips: rooms, devices, other speakers, clips without noise or without speech."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sezoo.data.mixing.rooms import Rooms

__all__ = ["Augmentation", "AugmentationChoice"]


@dataclass(frozen=True)
class Augmentation:
    """Shares of the training clips, 0 to 1 each, by what happens to them; see the keys of `dataset`.

    Attributes
    ----------
    clean, noise, high_snr : clips without noise, without speech, and with an SNR within `high_snr_range`, in dB.
        They exclude each other, and add up to 1 at most.
    babble : noise that is made of other speakers.
    hum, rumble : noise with the hum of the mains, with rumble below some 100 Hz.
    reverberation : speech in one of the `rooms`.
    microphone : see `sezoo.data.mixing.devices`.
    clipping : dB below the peak, drawn uniformly from `clipping_range`.
    board_gain : every clip is as loud as ST's STM32N6 application makes one of its patches for the network.
    """

    clean: float = 0.0
    noise: float = 0.0
    high_snr: float = 0.0
    high_snr_range: tuple[float, float] = (20.0, 40.0)
    babble: float = 0.0
    hum: float = 0.0
    rumble: float = 0.0
    reverberation: float = 0.0
    rooms: Rooms | None = None
    microphone: float = 0.0
    clipping: float = 0.0
    clipping_range: tuple[float, float] = (1.0, 12.0)
    board_gain: bool = False

    def draw(self, random: np.random.Generator) -> AugmentationChoice:
        """Draw the augmentation of one clip. The number of random draws does not depend on the shares."""
        kind, *others = random.random(7)
        edges = np.cumsum([self.clean, self.noise, self.high_snr])
        content = ("clean", "noise", "high_snr", "mixture")[int(np.searchsorted(edges, kind, side="right"))]
        shares = (self.babble, self.hum, self.reverberation, self.microphone, self.clipping, self.rumble)
        return AugmentationChoice(content, *(number < share for number, share in zip(others, shares, strict=True)))


@dataclass(frozen=True)
class AugmentationChoice:
    """Augmentation of one clip; `content` is mixture, clean, noise or high_snr."""

    content: str
    babble: bool
    hum: bool
    reverberation: bool
    microphone: bool
    clipping: bool
    rumble: bool
