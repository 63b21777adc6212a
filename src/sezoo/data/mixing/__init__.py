"""Mix clean speech and noise by seed, for training and calibration with `dataset.name: mix`.

`train_holdout` splits the recordings, `recordings` reads them, `mixed_examples` draws parts of
them, and `mixture` adds the parts up. What else may happen to a clip, `augmentation` draws: `rooms`, `devices` and the
like.
"""
