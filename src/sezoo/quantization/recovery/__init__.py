"""Winning back what int8 costs: steps that change the plan of the int8 model, each judged by what is heard.

`recipe` tries them in order on `excerpts` of the calibration clips, by the `closeness` of the denoised waves.
"""
