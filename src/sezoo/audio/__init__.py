"""Recordings and spectra: `file` and `container` read files, `clip` returns waveforms.

`stft` and `stft_stream` take it to spectra and back.
"""
