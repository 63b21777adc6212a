"""Scores of models on a test set: as a PC runs them, and as the board will.

`service` is the way through: `versions` (what is compared) -> `workers` and `scoring` (clip by clip) -> `as_deployed`
(what deployment costs) -> `results` (the files).
"""
