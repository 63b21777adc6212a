"""What activations look like: `clips` -> `magnitudes` (of `excerpts` or all) -> `ranges` of them (by `histogram`)."""
