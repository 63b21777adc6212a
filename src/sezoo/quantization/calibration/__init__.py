"""Calibration of activations: `clips` -> `magnitudes` (of `segments` or all) -> `ranges` (by `histogram`)."""
