"""Recordings and spectra: `file` and `container` read what is on the disk, `clip` is what the rest works on.

`stft` and `stft_stream` take it to spectra and back.
"""
