"""Winning back what int8 costs: steps that change the plan of the int8 model, each judged by what is heard.

`recipe` takes the steps in order, each a function of a `Plan` and of the `bench` that it is tried on: `operators`,
`steps` (on `input_precision`, `channel_ties` -> `equalization`, `second_moments` -> `rounding`), `range_choice`,
`fallback`. What they learn from and are judged by are `excerpts` of the clips and the `closeness` of denoised waves.
"""
