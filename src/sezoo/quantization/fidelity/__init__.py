"""Fidelity of int8 to float: `probe` of tensors, score of waveforms, and the `context` that does both."""
