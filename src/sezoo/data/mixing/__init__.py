"""Noisy clips made of clean speech and noise, by seed: what training and calibration have with `dataset.name: mix`.

`halves` tells which recordings are mixed with each other, `recordings` reads them, `mixed_examples` draws parts of
them, and `mixture` adds the parts up. What else may happen to a clip, `augmentation` draws: `rooms`, `devices` and the
like.
"""
