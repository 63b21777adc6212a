"""Accuracy recovery: steps that change the plan of the int8 model, each scored by SI-SNR to the float output.

`recipe` takes the steps in order, each a function of a `Plan` and of the `context` that it is tried on: `operators`,
`steps` (on `input_precision`, `channel_ties` -> `equalization`, `second_moments` -> `rounding`), `range_choice`,
`fallback`. They learn from `segments` of the clips, and are scored by the fidelity of the denoised output.
"""
