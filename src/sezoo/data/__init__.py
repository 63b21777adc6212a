"""Find recordings and pair noisy with clean ones.

`dataset` finds them, `pairs` and `pair_names` match noisy and clean, `mixing` makes noisy clips of speech and noise.
"""
