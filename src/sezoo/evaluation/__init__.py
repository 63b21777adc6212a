"""Evaluation of models on a test set, as run on a PC and as on the board.

`service` is the way through: `versions` (what is compared) -> `workers` and `scoring` (clip by clip) -> `as_deployed`
(what deployment costs) -> `results` (the files).
"""
