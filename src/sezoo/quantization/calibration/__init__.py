"""What activations look like: `clips` -> `magnitudes` (of `segments` or all) -> `ranges` of them (by `histogram`)."""
