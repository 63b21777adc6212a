"""Conversion of a whole-clip model to one of a few frames, whose state becomes inputs and outputs.

A recurrent layer remembers its states, a convolution over past frames the frames that its kernel reaches back to. All
begin a clip with zeros, as the padding of the whole clip does, so that piece by piece the model computes the same. A
piece is one frame, or has any number of them.

`writer` takes the nodes one by one; `piece` is what is being written. What a node does with frames is in `by_frame`
(nothing but one by one), `recurrent`, `kernels` (convolutions, pooling), and `zeros` (padding before the first frame).
"""

from __future__ import annotations

from sezoo.models.one_frame.writer import one_frame

__all__ = ["one_frame"]
