"""Which recordings are there, and which belong together.

`dataset` finds them, `pairs` and `pair_names` match noisy and clean, `mixing` makes noisy clips of speech and noise.
"""
